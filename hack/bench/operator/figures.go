// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
)

const (
	// pause is the calm before an edit that is timed alone.
	pause = 500 * time.Millisecond
	// calm is the one before writes are counted, afterRestart the one after a
	// restart.
	calm         = 2 * time.Second
	afterRestart = 5 * time.Second
)

// figures of one size.
type figures struct {
	size size
	// published is from the manager's start to the first index, served to the
	// broker's having it, programmed to the status of the last object.
	published, served, programmed time.Duration
	edits, burst, vendor          []time.Duration
	managerCPU, brokerCPU         time.Duration // for each edit
	objects, bytes                float64       // published, for each edit
	requests                      map[string]int
	steady, restart               map[string]int
	steadyFor                     time.Duration
	manager, broker               memory
}

// firstPublish starts a manager in front of all objects and no document.
func (b *bench) firstPublish(ctx context.Context, f *figures) error {
	if err := b.plane.Client.DeleteAllOf(ctx, &corev1.Secret{}, client.InNamespace(published)); err != nil {
		return fmt.Errorf("deleting the published document: %w", err)
	}
	_, before, _ := b.seen.count()
	if err := b.startManager(ctx); err != nil {
		return err
	}
	began := b.manager.began
	if err := b.seen.wait(ctx, "the first index", func() bool { return b.seen.publications > before }); err != nil {
		return err
	}
	f.published = time.Since(began)
	if err := wait.PollUntilContextTimeout(ctx, 5*time.Millisecond, time.Minute, true, b.serves); err != nil {
		return fmt.Errorf("the broker serves nothing: %w", err)
	}
	f.served = time.Since(began)
	all := f.size.credentials() + f.size.clients + f.size.vendors
	if err := b.seen.wait(ctx, "all statuses", func() bool { return len(b.seen.ready) == all }); err != nil {
		ready, _, _ := b.seen.count()
		return fmt.Errorf("%d of %d are Programmed: %w", ready, all, err)
	}
	f.programmed = time.Since(began)
	b.say("first document published after %s, served after %s, all %d objects Programmed after %s", ms(f.published), ms(f.served), all, ms(f.programmed))
	return nil
}

// serves tells whether the broker serves a document.
func (b *bench) serves(ctx context.Context) (bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.admin+"/revision", nil)
	if err != nil {
		return false, fmt.Errorf("asking the broker: %w", err)
	}
	response, err := (&http.Client{Timeout: 5 * time.Second}).Do(request)
	if err != nil {
		return false, fmt.Errorf("asking the broker: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	var served struct {
		Sequence int64 `json:"sequence"`
	}
	if err := json.NewDecoder(response.Body).Decode(&served); err != nil {
		return false, fmt.Errorf("asking the broker: %w", err)
	}
	return served.Sequence > 0, nil
}

// timeEdits times single edits, each from the request to the API server until a
// watch shows Programmed for it.
func (b *bench) timeEdits(ctx context.Context, n int, f *figures) error {
	managerBefore, err := b.manager.cpu()
	if err != nil {
		return err
	}
	brokerBefore, err := b.broker.cpu()
	if err != nil {
		return err
	}
	requests, err := b.writes(ctx)
	if err != nil {
		return err
	}
	_, _, before := b.seen.count()
	for i := range n {
		if err := b.seen.settle(ctx, pause); err != nil {
			return err
		}
		took, err := b.edit(ctx, f.size)
		if err != nil {
			return fmt.Errorf("edit %d: %w", i+1, err)
		}
		f.edits = append(f.edits, took)
		if (i+1)%10 == 0 {
			b.say("  %d edits, the last in %s", i+1, ms(took))
		}
	}
	if err := b.seen.settle(ctx, pause); err != nil {
		return err
	}
	_, _, after := b.seen.count()
	f.objects, f.bytes = float64(after.objects-before.objects)/float64(n), float64(after.bytes-before.bytes)/float64(n)
	managerAfter, err := b.manager.cpu()
	if err != nil {
		return err
	}
	brokerAfter, err := b.broker.cpu()
	if err != nil {
		return err
	}
	f.managerCPU, f.brokerCPU = (managerAfter-managerBefore)/time.Duration(n), (brokerAfter-brokerBefore)/time.Duration(n)
	if f.requests, err = b.since(ctx, requests); err != nil {
		return err
	}
	b.say("%d edits: median %s, worst %s", n, ms(median(f.edits)), ms(slices.Max(f.edits)))
	return nil
}

// timeBurst times edits that follow each other at once.
func (b *bench) timeBurst(ctx context.Context, n int, f *figures) error {
	for i := range n {
		took, err := b.edit(ctx, f.size)
		if err != nil {
			return fmt.Errorf("edit %d back to back: %w", i+1, err)
		}
		f.burst = append(f.burst, took)
	}
	b.say("%d edits back to back: median %s, worst %s", n, ms(median(f.burst)), ms(slices.Max(f.burst)))
	return nil
}

// edit changes one object: in turn a credential's Secret, a credential and a
// client; each time others.
func (b *bench) edit(ctx context.Context, s size) (time.Duration, error) {
	b.edited++
	n := b.edited * 7
	switch b.edited % 3 {
	case 0:
		return b.editSecret(ctx, n%s.namespaces, n%s.perNamespace)
	case 1:
		return b.editSpec(ctx, credential(n%s.namespaces, n%s.perNamespace), `{"spec":{"selection":"ByName"}}`, `{"spec":{"selection":"Default"}}`)
	default:
		return b.editSpec(ctx, brokerClient(n%s.clients), fmt.Sprintf(`{"spec":{"displayName":"Edit %d"}}`, b.edited))
	}
}

func (b *bench) editSecret(ctx context.Context, n, c int) (time.Duration, error) {
	secret, owner := credentialSecret(n, c, fmt.Sprint("edit-", b.edited)), key(credential(n, c))
	began := time.Now()
	if err := b.plane.Client.Update(ctx, secret); err != nil {
		return 0, fmt.Errorf("updating a Secret: %w", err)
	}
	err := b.seen.wait(ctx, owner, func() bool {
		o, ok := b.seen.objects[owner].(*oauthv1alpha1.BYOCCredential)
		return ok && o.Status.ObservedSecret != nil && o.Status.ObservedSecret.ResourceVersion == secret.ResourceVersion && programmed(o)
	})
	return time.Since(began), err
}

// editSpec patches a spec with the first patch that changes it.
func (b *bench) editSpec(ctx context.Context, o client.Object, patches ...string) (time.Duration, error) {
	if err := b.plane.Client.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
		return 0, fmt.Errorf("reading %s: %w", key(o), err)
	}
	before, name := o.GetGeneration(), key(o)
	began := time.Now()
	for _, patch := range patches {
		if o.GetGeneration() != before {
			break
		}
		began = time.Now()
		if err := b.plane.Client.Patch(ctx, o, client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
			return 0, fmt.Errorf("editing %s: %w", name, err)
		}
	}
	if o.GetGeneration() == before {
		return 0, fmt.Errorf("editing %s changed nothing", name)
	}
	err := b.seen.wait(ctx, name, func() bool {
		seen := b.seen.objects[name]
		return seen != nil && seen.GetGeneration() == o.GetGeneration() && programmed(seen)
	})
	return time.Since(began), err
}

// timeVendor times edits of a vendor: all its credentials are Programmed anew.
func (b *bench) timeVendor(ctx context.Context, f *figures) error {
	for i := range 5 {
		if err := b.seen.settle(ctx, pause); err != nil {
			return err
		}
		took, err := b.editSpec(ctx, vendor(0), fmt.Sprintf(`{"spec":{"scopes":{"default":["read","edit-%d-of-%d"]}}}`, i, f.size.credentials()))
		if err != nil {
			return err
		}
		f.vendor = append(f.vendor, took)
	}
	b.say("5 edits of a vendor: median %s, worst %s", ms(median(f.vendor)), ms(slices.Max(f.vendor)))
	return nil
}

// countSteady counts writes while nothing changes.
func (b *bench) countSteady(ctx context.Context, d time.Duration, f *figures) error {
	if err := b.seen.settle(ctx, calm); err != nil {
		return err
	}
	before, err := b.writes(ctx)
	if err != nil {
		return err
	}
	b.say("nothing changes for %s", d)
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return ctx.Err()
	}
	f.steadyFor = d
	if f.steady, err = b.since(ctx, before); err != nil {
		return err
	}
	if f.manager, err = b.manager.memory(); err != nil {
		return err
	}
	if f.broker, err = b.broker.memory(); err != nil {
		return err
	}
	b.say("writes: %v; memory: manager %d MiB (at most %d), broker %d MiB (at most %d)", f.steady, f.manager.now, f.manager.most, f.broker.now, f.broker.most)
	return nil
}

// countRestart counts what a new manager writes over a document that is good.
func (b *bench) countRestart(ctx context.Context, f *figures) error {
	if err := b.stopManager(); err != nil {
		return err
	}
	before, err := b.writes(ctx)
	if err != nil {
		return err
	}
	if err := b.startManager(ctx); err != nil {
		return err
	}
	// An edit that gets through shows that the manager has worked through all.
	if _, err := b.edit(ctx, f.size); err != nil {
		return err
	}
	if err := b.seen.settle(ctx, afterRestart); err != nil {
		return err
	}
	if f.restart, err = b.since(ctx, before); err != nil {
		return err
	}
	b.say("writes of a restart and one edit: %v", f.restart)
	return nil
}

// since is what was written since before.
func (b *bench) since(ctx context.Context, before map[string]int) (map[string]int, error) {
	after, err := b.writes(ctx)
	if err != nil {
		return nil, err
	}
	for name, n := range before {
		if after[name] -= n; after[name] == 0 {
			delete(after, name)
		}
	}
	return after, nil
}

func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

func ms(d time.Duration) string {
	if d >= 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Millisecond).String()
}
