// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	// debounceQuiet is how long the debouncer waits for one more event.
	debounceQuiet = 50 * time.Millisecond
	// debounceMax is how long it waits at most after the first event.
	debounceMax = 250 * time.Millisecond
)

// Debouncer turns many events into one request. It is a source of the
// singleton controller.
type Debouncer struct {
	Clock clock.WithTicker

	touched chan struct{}
}

// NewDebouncer makes a debouncer.
func NewDebouncer(c clock.WithTicker) *Debouncer {
	return &Debouncer{Clock: c, touched: make(chan struct{}, 1)}
}

// Touch says that something changed. It never blocks.
func (d *Debouncer) Touch() {
	select {
	case d.touched <- struct{}{}:
	default:
	}
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
