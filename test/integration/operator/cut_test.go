// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/kubesource"
	"github.com/oauthbroker/oauth-broker/test/poll"
	"github.com/oauthbroker/oauth-broker/test/wire"
)

// TestOutage_cutWhileReading: the wire breaks in the middle of what a broker
// reads at its start: in the handshake, in the index, in the shards. Promised: it
// serves all of a document or nothing, and recovers by itself.
func TestOutage_cutWhileReading(t *testing.T) {
	in := newInstall(t)
	in.start()
	in.create(in.vendor(), in.credential("acme"), in.secret("acme", "one"))
	whole := in.startBroker()
	eventually(t, func() error { return whole.secretIs(in.tenant, in.vendorName(), "one") })
	for _, bytes := range []int{0, 1, 1500, 2500, 3500, 5000, 7000, 10000} {
		t.Run(fmt.Sprintf("after %d bytes", bytes), func(t *testing.T) {
			w := newWire(t)
			w.CutAfter(bytes)
			b := in.startBroker(func(o *kubesource.Options) { o.Config = over(w) })
			eventually(t, func() error {
				if b.problems.String() == "" && b.snapshot.Load() == nil {
					return errors.New("nothing has happened yet")
				}
				return nil
			})
			if b.snapshot.Load() != nil {
				if err := b.secretIs(in.tenant, in.vendorName(), "one"); err != nil {
					t.Errorf("a part is served: %v", err)
				}
			}
			w.Mend()
			eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "one") })
		})
	}
}

// served is an install whose broker serves a secret "one" that came over a wire.
func served(t *testing.T) (*install, *wire.Wire, *broker) {
	t.Helper()
	in := newInstall(t)
	w := newWire(t)
	b := in.startBroker(func(o *kubesource.Options) { o.Config = over(w) })
	in.start()
	in.create(in.vendor(), in.credential("acme"), in.secret("acme", "one"))
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "one") })
	return in, w, b
}

// TestOutage_frozen: nothing comes through for a while. What is served stays, and
// the change is followed as soon as the wire is well.
func TestOutage_frozen(t *testing.T) {
	in, w, b := served(t)
	w.Freeze()
	in.rotate("two")
	stays(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "one") })
	w.Mend()
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "two") })
}

// TestOutage_halfOpen: the broker's connection to the API server stands and is
// dead, as after a router forgot it. The read of the index every 30 s, with its
// time-out, and the HTTP/2 ping find out: a change is served within two minutes.
func TestOutage_halfOpen(t *testing.T) {
	t.Parallel()
	in, w, b := served(t)
	w.Deafen()
	in.rotate("two")
	start := time.Now()
	poll.Until(t, 2*time.Minute, func() error {
		if err := b.secretIs(in.tenant, in.vendorName(), "two"); err != nil {
			return fmt.Errorf("%w: %s", err, b.log.String())
		}
		return nil
	})
	t.Logf("served %s after the change", time.Since(start).Round(time.Second))
}
