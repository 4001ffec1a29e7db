// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

const (
	// debounceQuiet is how long the debouncer waits for one more event.
	debounceQuiet = 50 * time.Millisecond
	// debounceMax is how long it waits at most after the first event.
	debounceMax = 250 * time.Millisecond
)

// Debouncer turns many events into one request, and knows which namespaces they
// are about. It is a source of the singleton controller.
type Debouncer struct {
	Clock clock.WithTicker

	touched chan struct{}
	mu      sync.Mutex
	changed translate.Scope
}

// NewDebouncer makes a debouncer.
func NewDebouncer(c clock.WithTicker) *Debouncer {
	return &Debouncer{Clock: c, touched: make(chan struct{}, 1)}
}

// Touch says that something of a namespace changed, or where that is empty
// something that all may depend on. It does not wait.
func (d *Debouncer) Touch(namespace string) {
	d.mu.Lock()
	if d.changed == nil {
		d.changed = translate.Scope{}
	}
	d.changed[namespace] = true
	d.mu.Unlock()
	select {
	case d.touched <- struct{}{}:
	default:
	}
}

// Take returns what changed since the last call: everything where nobody says
// what did.
func (d *Debouncer) Take() translate.Scope {
	d.mu.Lock()
	defer d.mu.Unlock()
	changed := d.changed
	d.changed = nil
	if changed[""] {
		return nil
	}
	return changed
}

// Start implements source.Source.
func (d *Debouncer) Start(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	go d.run(ctx, func() { queue.Add(everything()) })
	return nil
}

func (d *Debouncer) run(ctx context.Context, fire func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.touched:
		}
		if !d.settle(ctx) {
			return
		}
		fire()
	}
}

// settle waits until no event came for a while, or until the first is old.
func (d *Debouncer) settle(ctx context.Context) bool {
	latest := d.Clock.NewTimer(debounceMax)
	defer latest.Stop()
	for {
		quiet := d.Clock.NewTimer(debounceQuiet)
		select {
		case <-ctx.Done():
			quiet.Stop()
			return false
		case <-latest.C():
			quiet.Stop()
			return true
		case <-quiet.C():
			return true
		case <-d.touched:
			quiet.Stop()
		}
	}
}
