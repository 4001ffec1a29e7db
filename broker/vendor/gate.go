// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"cmp"
	"context"
	"strings"
	"sync/atomic"
	"time"
)

// place is where the calls of a leg are counted: at the vendor, and apart for each
// host that it has. Registrations, which strangers may send, take no login's place.
func (e Endpoint) place(leg string) string {
	_, rest, _ := strings.Cut(cmp.Or(e.Target.Endpoints.Token, e.Target.Endpoints.Registration), "://")
	host, _, _ := strings.Cut(rest, "/")
	if leg == legRegister {
		return e.Vendor.Name + " " + host + " " + leg
	}
	return e.Vendor.Name + " " + host
}

// gate bounds the calls to one vendor that are under way. One that does not
// answer then holds a bounded part of the broker, and what does not fit is told
// so at once.
type gate struct {
	places  chan struct{}
	waiting atomic.Int64
}

// queueWait is how long a call waits for a place. Places come free at the pace
// at which the vendor answers: whoever waits longer would wait in vain.
const queueWait = 2 * time.Second

func newGate(places int) *gate { return &gate{places: make(chan struct{}, places)} }

// enter takes a place. As many calls as there are places may wait for one.
func (g *gate) enter(ctx context.Context) error {
	select {
	case g.places <- struct{}{}:
		return nil
	default:
	}
	if g.waiting.Add(1) > int64(cap(g.places)) {
		g.waiting.Add(-1)
		return shed()
	}
	defer g.waiting.Add(-1)
	timer := time.NewTimer(queueWait)
	defer timer.Stop()
	select {
	case g.places <- struct{}{}:
		return nil
	case <-timer.C:
		return shed()
	case <-ctx.Done():
		return &Error{Outcome: OutcomeUnavailable, Reason: "the client went away", NotSent: true}
	}
}

func (g *gate) leave() { <-g.places }

func shed() *Error {
	return &Error{Outcome: OutcomeShed, Reason: "too many calls to the vendor are under way", RetryAfter: queueWait, NotSent: true}
}
