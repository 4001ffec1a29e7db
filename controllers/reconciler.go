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
	// Translate is (*translate.Memo).Translate.
	Translate func(translate.Inputs) translate.Output
	Publisher *Publisher
	// Register takes what should be registered at vendors. It does not wait.
	Register func([]*translate.Registration)
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
	// restored is true once the statuses were asked what an earlier operator knew.
	restored bool
}

// Reconcile gathers, translates, publishes and reports.
func (r *Reconciler) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	in, err := r.Gatherer.Gather(ctx)
	if err != nil {
		return reconcile.Result{}, err
	}
	out := r.translate(in)
	items, big := r.encoder.encode(out.Objects)
	again, err := r.publish(ctx, items)
	if errors.Is(err, errConflict) {
		r.Log.InfoContext(ctx, "gathering again", "cause", err)
		return reconcile.Result{RequeueAfter: debounceQuiet}, nil
	}
	r.Register(out.Registrations)
	live := r.last.sequences()
	if err != nil {
		live = liveItems(r.last, items)
	}
	r.report(in, out, live, big)
	return reconcile.Result{RequeueAfter: soonest(again, retryUnreadable(in))}, err
}

func (r *Reconciler) translate(in translate.Inputs) translate.Output {
	start := r.Now()
	out := r.Translate(in)
	r.Metrics.TranslateSeconds.Observe(r.Now().Sub(start).Seconds())
	r.Metrics.count(out.Verdicts)
	return out
}

func (r *Reconciler) publish(ctx context.Context, items []runtimeconfig.Item) (time.Duration, error) {
	result, err := r.Publisher.Publish(ctx, items)
	if err != nil {
		return 0, fmt.Errorf("publishing: %w", err)
	}
	r.last = result.Published
	return result.Again, nil
}

// report hands the reporter what each object's status should be.
func (r *Reconciler) report(in translate.Inputs, out translate.Output, live map[string]int64, big map[string]int) {
	before := r.Reporter.last()
	targets := make(map[translate.Ref]*target, len(out.Verdicts))
	for i := range out.Verdicts {
		v := &out.Verdicts[i]
		t := target{verdict: *v}
		t.sequence, t.problem = sequenceOf(v, live, big)
		if v.Ref.Kind == kindVendor {
			t.discovery = discoveryStatus(in.Discovered, v.Ref.Name)
		}
		old := before[v.Ref]
		if old != nil {
			t.probed = old.probed // aboutCredentials says whether that is still so
		}
		if old != nil && old.same(&t) {
			targets[v.Ref] = old
		} else {
			changed := t
			targets[v.Ref] = &changed
		}
	}
	r.aboutCredentials(in, out, targets)
	r.Reporter.Set(targets)
}

// aboutCredentials hands the prober its jobs, and once takes from the statuses
// what was known before a restart.
func (r *Reconciler) aboutCredentials(in translate.Inputs, out translate.Output, targets map[translate.Ref]*target) {
	r.Health.forget(targets)
	if !r.restored {
		for _, v := range in.Vendors {
			ref := translate.Ref{Kind: kindVendor, Name: v.Name}
			if t := targets[ref]; t != nil {
				r.Health.restore(ref, t.sequence, v.Status.Conditions)
			}
		}
		for _, c := range in.Credentials {
			ref := translate.Ref{Kind: kindCredential, Namespace: c.Namespace, Name: c.Name}
			if t := targets[ref]; t != nil {
				r.Health.restore(ref, t.sequence, c.Status.Conditions)
			}
		}
		r.restored = r.last.Index.Sequence > 0 // before, no sequence is known
	}
	if r.Prober == nil {
		return
	}
	jobs := probeJobs(in, out, targets)
	for ref, t := range targets {
		if _, probed := jobs[ref]; probed != t.probed {
			changed := *t // others may hold the old one
			changed.probed = probed
			targets[ref] = &changed
		}
	}
	r.Prober.Set(jobs)
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

// sequences are those of all published items.
func (p Published) sequences() map[string]int64 {
	found := make(map[string]int64, p.count())
	for _, shard := range p.Shards {
		for i := range shard {
			found[shard[i].ID] = shard[i].Sequence
		}
	}
	return found
}

// liveItems are the sequences of those of items that are published as they are,
// where others could not be.
func liveItems(p Published, items []runtimeconfig.Item) map[string]int64 {
	published := map[string]runtimeconfig.Item{}
	for _, shard := range p.Shards {
		for _, it := range shard {
			published[it.ID] = it
		}
	}
	live := make(map[string]int64, len(items))
	for _, it := range items {
		if found, ok := published[it.ID]; ok && string(found.Body) == string(it.Body) {
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
