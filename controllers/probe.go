// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/places"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

const (
	// probers is how many vendors are asked at once.
	probers = 8
	// probersOfOne is how many of these one namespace holds, whose vendors may be
	// slow, and probeTurn how long its next one waits then.
	probersOfOne = 2
	probeTurn    = time.Second
	// probeGap is the time between two probes of one vendor.
	probeGap = 200 * time.Millisecond
	// probeFirstRetry is the wait after a vendor was away; it doubles.
	probeFirstRetry = 30 * time.Second
	// probeJitter is how far a wait is moved, so that probes do not gather.
	probeJitter = 0.1
	// probeDefault is the interval where none is given.
	probeDefault = time.Hour
)

// ProbeRequest is the question whether a vendor knows a credential.
type ProbeRequest struct {
	Vendor     *runtimeconfig.Vendor
	Credential *runtimeconfig.Credential
	// RedirectURI that logins with it use.
	RedirectURI string
}

// ProbeAnswer is the vendor's.
type ProbeAnswer struct {
	Verdict CredentialVerdict
	// RetryAfter is what the vendor asked for; 0 where it did not.
	RetryAfter time.Duration
}

// Prober asks vendors whose credentialProbe is on about the credentials that are
// published. It is a controller of its own; its results are for status alone.
type Prober struct {
	// Probe does the network part.
	Probe   func(context.Context, ProbeRequest) ProbeAnswer
	Health  *Health
	Metrics *Metrics
	Now     func() time.Time
	// Random gives a number from 0 to 1.
	Random func() float64

	asking places.Places[string] // probes under way, by namespace

	mu    sync.Mutex
	jobs  map[translate.Ref]*probeJob
	paces map[string]*pace // by vendor
	queue workqueue.TypedRateLimitingInterface[translate.Ref]
}

// probeJob is one credential that is probed again and again.
type probeJob struct {
	request  ProbeRequest
	sequence int64
	interval time.Duration
	due      time.Time
	failures int
}

// pace keeps a vendor from being asked too often.
type pace struct {
	next   time.Time // the next free moment
	resume time.Time // what the vendor asked for
}

// Start implements source.TypedSource: it takes the queue.
func (p *Prober) Start(_ context.Context, queue workqueue.TypedRateLimitingInterface[translate.Ref]) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = queue
	for ref := range p.jobs {
		queue.Add(ref)
	}
	return nil
}

// Set takes the jobs of a scope. New and changed ones are due at once, one after the other
// for each vendor; what is known from before a restart is asked again within
// the interval.
func (p *Prober) Set(jobs map[translate.Ref]*probeJob, only translate.Scope) {
	now := p.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for ref, job := range p.jobs {
		if !only.Whole() && !only[ref.Namespace] {
			jobs[ref] = job
		}
	}
	paces := map[string]*pace{}
	for ref, job := range jobs {
		vendor := job.request.Vendor.Name
		if paces[vendor] == nil {
			if paces[vendor] = p.paces[vendor]; paces[vendor] == nil {
				paces[vendor] = &pace{}
			}
		}
		old := p.jobs[ref]
		switch {
		case old != nil && old.sequence == job.sequence:
			job.failures, job.due = old.failures, earlier(old.due, now.Add(job.interval))
		case p.Health.of(ref, job.sequence).definite():
			job.due = now.Add(time.Duration(p.Random() * float64(job.interval)))
		default:
			job.due = paces[vendor].slot(now)
		}
		if p.queue != nil && (old == nil || !old.due.Equal(job.due)) {
			p.queue.AddAfter(ref, job.due.Sub(now))
		}
	}
	p.jobs, p.paces = jobs, paces
}

// Reconcile probes one credential when it is due.
func (p *Prober) Reconcile(ctx context.Context, ref translate.Ref) (reconcile.Result, error) {
	now := p.Now()
	p.mu.Lock()
	job := p.jobs[ref]
	if job == nil {
		p.mu.Unlock()
		return reconcile.Result{}, nil
	}
	due := job.due
	if resume := p.paces[job.request.Vendor.Name].resume; resume.After(due) {
		due = resume
	}
	p.mu.Unlock()
	if due.After(now) {
		return reconcile.Result{RequeueAfter: due.Sub(now)}, nil
	}
	if !p.asking.Enter(ref.Namespace, probersFor(ref.Namespace)) {
		return reconcile.Result{RequeueAfter: probeTurn}, nil
	}
	defer p.asking.Leave(ref.Namespace)
	answer := p.Probe(ctx, job.request)
	if ctx.Err() != nil {
		return reconcile.Result{}, nil // the operator stops; the answer is no news
	}
	p.Metrics.Probes.WithLabelValues(string(answer.Verdict)).Inc()
	p.Health.learn(ref, health{sequence: job.sequence, verdict: answer.Verdict, at: now})
	return reconcile.Result{RequeueAfter: p.again(ref, job, answer)}, nil
}

// probersFor is how many places a namespace may hold. The platform's own credentials
// have none, and as many places as there are.
func probersFor(namespace string) int {
	if namespace == "" {
		return probers
	}
	return probersOfOne
}

// again says when to ask next, and makes everybody wait for a vendor that asked
// for it.
func (p *Prober) again(ref translate.Ref, job *probeJob, answer ProbeAnswer) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	wait := job.interval
	failures := 0
	if answer.Verdict == CredentialUnavailable {
		failures = job.failures + 1
		wait = max(answer.RetryAfter, min(job.interval, probeFirstRetry<<min(failures-1, 10)))
	}
	wait += time.Duration((2*p.Random() - 1) * probeJitter * float64(wait))
	now := p.Now()
	if pace := p.paces[job.request.Vendor.Name]; pace != nil && answer.Verdict == CredentialUnavailable {
		pace.resume = now.Add(max(answer.RetryAfter, probeGap))
	}
	current := p.jobs[ref]
	if current == nil {
		return 0
	}
	if current.sequence == job.sequence { // else it changed meanwhile, and is due as Set said
		current.failures, current.due = failures, now.Add(wait)
	}
	return max(current.due.Sub(now), time.Millisecond)
}

// slot takes the vendor's next free moment.
func (p *pace) slot(now time.Time) time.Time {
	at := now
	if p.next.After(at) {
		at = p.next
	}
	p.next = at.Add(probeGap)
	return at
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// probeJobs are the published credentials of the vendors that want to be asked.
func probeJobs(in translate.Inputs, out translate.Output, all targets) map[translate.Ref]*probeJob {
	intervals := map[string]time.Duration{}
	for _, v := range in.Vendors {
		if p := v.Spec.CredentialProbe; p != nil && p.Mode == oauthv1alpha1.CredentialProbeBogusCode {
			intervals[v.Name] = probeDefault
			if p.IntervalSeconds > 0 {
				intervals[v.Name] = time.Duration(p.IntervalSeconds) * time.Second
			}
		}
	}
	jobs := map[translate.Ref]*probeJob{}
	if len(intervals) == 0 {
		return jobs
	}
	vendors := map[string]*runtimeconfig.Vendor{} // each comes before what depends on it
	for _, o := range out.Objects {
		if o.Vendor != nil {
			vendors[o.Vendor.Name] = o.Vendor
		}
		c := o.Credential
		if c == nil || c.NotReady != "" || vendors[c.Vendor] == nil || runtimeconfig.TargetOf(vendors[c.Vendor], c) == nil {
			continue
		}
		interval, wanted := intervals[c.Vendor]
		ref := refOf(c.ID())
		if t := all.get(ref); wanted && t != nil && t.published() {
			jobs[ref] = &probeJob{
				request:  ProbeRequest{Vendor: vendors[c.Vendor], Credential: c, RedirectURI: t.verdict.RedirectURI},
				sequence: t.sequence, interval: interval,
			}
		}
	}
	return jobs
}
