// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// unreadableRetry is when Secrets that could not be read are tried again: no
// event tells of a new Role.
const unreadableRetry = 15 * time.Second

// everything is the one request of the singleton controller.
func everything() reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: "everything"}}
}

// Reconciler makes the published document and the status of all objects what
// the cluster's objects say.
type Reconciler struct {
	Gatherer *Gatherer
	// Changed tells which namespaces changed since it was asked last; nil means that
	// anything may have.
	Changed func() translate.Scope
	// Translate is (*translate.Memo).Translate.
	Translate func(translate.Inputs) translate.Output
	Publisher *Publisher
	// Register takes what should be registered at vendors. It does not wait.
	Register func([]*translate.Registration, translate.Scope)
	Reporter *Reporter
	Health   *Health
	// Prober is nil where nobody can ask vendors.
	Prober  *Prober
	Metrics *Metrics
	Log     *slog.Logger
	Now     func() time.Time

	encoder encoder
	// last is what was last known to be published.
	last Published
	// whole is when everything is to be looked at, whatever changed; zero for never.
	whole time.Time
	// restored is true once the statuses were asked what an earlier operator knew.
	restored bool
}

// Reconcile gathers, translates, publishes and reports: for the namespaces that
// changed, or for all.
func (r *Reconciler) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	only, whole := r.scope()
	in, err := r.Gatherer.Gather(ctx, only)
	if err != nil {
		return reconcile.Result{}, err
	}
	out := r.translate(in)
	change, big := r.encoder.encode(out.Objects, only)
	result, err := r.Publisher.Publish(ctx, change)
	if errors.Is(err, errConflict) {
		r.Log.InfoContext(ctx, "gathering again", "cause", err)
		return reconcile.Result{RequeueAfter: debounceQuiet}, nil
	}
	r.Register(out.Registrations, only)
	if err != nil {
		r.report(in, out, liveItems(r.last, change.Items), big)
		return reconcile.Result{}, fmt.Errorf("publishing: %w", err)
	}
	r.last = result.Published
	r.report(in, out, result.Sequences, big)
	again := soonest(result.Again, retryUnreadable(in))
	if at := r.Now().Add(again); again > 0 && (whole.IsZero() || at.Before(whole)) {
		whole = at
	}
	r.whole = whole
	return reconcile.Result{RequeueAfter: again}, nil
}

// scope is what a pass is about, and when the next one over everything is due
// besides: at once where this one does not come to its end.
func (r *Reconciler) scope() (translate.Scope, time.Time) {
	only, due, now := r.Changed(), r.whole, r.Now()
	r.whole = now
	if only.Whole() || !r.restored || !due.IsZero() && !now.Before(due) {
		return nil, time.Time{}
	}
	return only, due
}

func (r *Reconciler) translate(in translate.Inputs) translate.Output {
	start := r.Now()
	out := r.Translate(in)
	r.Metrics.TranslateSeconds.Observe(r.Now().Sub(start).Seconds())
	return out
}

// report hands the reporter what each object's status should be.
func (r *Reconciler) report(in translate.Inputs, out translate.Output, live map[string]int64, big map[string]int) {
	now, only := targets{}, in.Only
	for i := range out.Verdicts {
		v := &out.Verdicts[i]
		if v.Ref.Kind == kindVendor && !only.Whole() {
			continue // it is as the last pass over everything found it
		}
		t := target{verdict: *v}
		t.sequence, t.problem = sequenceOf(v, live, big)
		if v.Ref.Kind == kindVendor {
			t.discovery = discoveryStatus(in.Discovered, v.Ref.Name)
		}
		old := r.Reporter.of(v.Ref.Namespace)[v.Ref]
		if old != nil {
			t.probed = old.probed // aboutCredentials says whether that is still so
		}
		if old != nil && old.same(&t) {
			now.set(v.Ref, old)
		} else {
			changed := t
			now.set(v.Ref, &changed)
		}
	}
	r.aboutCredentials(in, out, now)
	if only.Whole() {
		only = r.Reporter.namespaces()
		for namespace := range now {
			only[namespace] = true
		}
	}
	for namespace := range only {
		r.Metrics.count(r.Reporter.of(namespace), now[namespace])
		r.Reporter.Set(namespace, now[namespace])
	}
}

// aboutCredentials hands the prober its jobs, and once takes from the statuses
// what was known before a restart.
func (r *Reconciler) aboutCredentials(in translate.Inputs, out translate.Output, now targets) {
	if in.Only.Whole() {
		r.Health.forget(now)
	}
	if !r.restored {
		for _, v := range in.Vendors {
			ref := translate.Ref{Kind: kindVendor, Name: v.Name}
			if t := now.get(ref); t != nil {
				r.Health.restore(ref, t.sequence, v.Status.Conditions)
			}
		}
		for _, c := range in.Credentials {
			ref := translate.Ref{Kind: kindCredential, Namespace: c.Namespace, Name: c.Name}
			if t := now.get(ref); t != nil {
				r.Health.restore(ref, t.sequence, c.Status.Conditions)
			}
		}
		r.restored = r.last.Index.Sequence > 0 // before, no sequence is known
	}
	if r.Prober == nil {
		return
	}
	jobs := probeJobs(in, out, now)
	for ref, t := range now.each {
		if _, probed := jobs[ref]; probed != t.probed {
			changed := *t // others may hold the old one
			changed.probed = probed
			now.set(ref, &changed)
		}
	}
	r.Prober.Set(jobs, in.Only)
}

// sequenceOf is the sequence that published all items of a verdict, or why
// there is none: live are the sequences of the items that are published as they
// are, and big the limits of those that are too big.
func sequenceOf(v *translate.Verdict, live map[string]int64, big map[string]int) (int64, string) {
	if len(v.Items) == 0 {
		return 0, "It is not part of the published configuration: see the other conditions."
	}
	var sequence int64
	for _, id := range v.Items {
		if limit, over := big[id]; over {
			return 0, fmt.Sprintf("%s is too big and cannot be used: its published form may have %d KiB. Shorten its lists and values.", id, limit>>10)
		}
		s, ok := live[id]
		if !ok {
			return 0, "Publishing fails at the moment: see the operator's log. It is tried again."
		}
		sequence = max(sequence, s)
	}
	return sequence, ""
}

// liveItems are the sequences of those of items that are published as they are,
// where others could not be.
func liveItems(p Published, items []runtimeconfig.Item) map[string]int64 {
	live := make(map[string]int64, len(items))
	for _, it := range items {
		if found := p.find(it.ID).item; found != nil && string(found.Body) == string(it.Body) {
			live[it.ID] = found.Sequence
		}
	}
	return live
}

func retryUnreadable(in translate.Inputs) time.Duration {
	for _, s := range in.Secrets {
		if s.Unreadable || s.Stale {
			return unreadableRetry
		}
	}
	return 0
}

// soonest is the shorter of two waits; 0 means never.
func soonest(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}
