// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
	"github.com/oauthbroker/oauth-broker/test/poll"
	"github.com/oauthbroker/oauth-broker/test/redis"
	"github.com/oauthbroker/oauth-broker/test/wire"
)

// wired runs brokers whose Redis is behind a wire.
func wired(t *testing.T, change func(d *runtimeconfig.Document)) (*harness.Harness, *wire.Wire) {
	t.Helper()
	w := wire.New(t, redis.Start(t).Addr)
	h := start(t, harness.Options{Replicas: 3, Redis: "redis://" + w.Addr()}, change)
	wantTokens(t, "before", h.Login(harness.WebClient).Redeem())
	return h, w
}

// cuts are ways in which the network between broker and Redis fails.
func cuts() map[string]func(w *wire.Wire) {
	return map[string]func(w *wire.Wire){
		"cut":                  (*wire.Wire).Cut,
		"connections reset":    (*wire.Wire).Reset,
		"half-open":            (*wire.Wire).Freeze,
		"cut before an answer": func(w *wire.Wire) { w.CutAfter(0) },
		"cut in an answer":     func(w *wire.Wire) { w.CutAfter(2) },
		"too slow":             func(w *wire.Wire) { w.Slow(3 * time.Second) },
	}
}

// TestRedisCut_codes: the wire to Redis fails while codes are redeemed, each by
// three replicas at once. Promised: an answer within seconds, tokens or 503 or
// invalid_grant for a take whose answer was lost, and never the same code twice.
func TestRedisCut_codes(t *testing.T) {
	for name, cut := range cuts() {
		t.Run(name, func(t *testing.T) {
			h, w := wired(t, nil)
			var logins []*harness.Login
			for range 4 {
				logins = append(logins, h.Login(harness.WebClient))
			}
			before := h.Fake.Stats()
			cut(w)
			var all sync.WaitGroup
			good := make([]atomic.Int64, len(logins))
			for i, l := range logins {
				for range 3 {
					all.Go(func() {
						r := within(t, l.Redeem)
						wantTokensOr(t, name, r, unavailable(), used())
						if isTokens(r) == nil {
							good[i].Add(1)
						}
					})
				}
			}
			all.Wait()
			w.Mend()
			poll.Until(t, patience, func() error { return isTokens(h.Login(harness.WebClient).Redeem()) })
			lost := 0
			for i, l := range logins {
				if isTokens(l.Redeem()) == nil {
					good[i].Add(1)
				}
				switch n := good[i].Load(); {
				case n == 0:
					lost++
				case n > 1:
					t.Errorf("a code gave tokens %d times", n)
				}
			}
			after := h.Fake.Stats()
			if after.CodeReplays != before.CodeReplays {
				t.Errorf("a code was sent to the vendor twice")
			}
			t.Logf("of %d sign-ins %d have to be repeated", len(logins), lost)
		})
	}
}

// TestRedisCut_refresh: the same for a refresh. A vendor whose refresh tokens may
// be used again is asked; the user is signed out by none of it.
func TestRedisCut_refresh(t *testing.T) {
	for name, cut := range cuts() {
		t.Run(name, func(t *testing.T) {
			h, w := wired(t, nil)
			l := h.Login(harness.WebClient)
			first := l.Redeem()
			wantTokens(t, "login", first)
			token := first.Text("refresh_token")
			cut(w)
			wantTokensOr(t, name, within(t, func() *harness.Response { return l.Refresh(token) }), unavailable())
			w.Mend()
			poll.Until(t, patience, func() error { return isTokens(l.Refresh(token)) })
		})
	}
}

// TestRedisCut_midTake: the answer to the take is lost on its way. The broker
// cannot know that it has the code, and says 503; Redis knows that it is taken,
// so the code is lost, and not spent at the vendor.
func TestRedisCut_midTake(t *testing.T) {
	h, w := wired(t, nil)
	l := h.Login(harness.WebClient)
	before := h.Fake.Count(fakevendor.Token)
	w.CutAfter(0)
	h.Pin(1)
	wantRefusal(t, "the take's answer is lost", l.Redeem(), unavailable())
	w.Mend()
	var again *harness.Response
	poll.Until(t, patience, func() error {
		again = l.Redeem()
		if again.Status == http.StatusServiceUnavailable {
			return errStatus(again)
		}
		return nil
	})
	wantTokensOr(t, "the same code", again, used())
	if n := h.Fake.Count(fakevendor.Token) - before; n > 1 {
		t.Errorf("the vendor saw the code %d times", n)
	}
}

// within bounds an answer while something fails.
func within(t *testing.T, ask func() *harness.Response) *harness.Response {
	t.Helper()
	start := time.Now()
	r := ask()
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("answered after %s", took)
	}
	return r
}

func wantTokensOr(t *testing.T, what string, r *harness.Response, others ...refusal) {
	t.Helper()
	if isTokens(r) == nil {
		return
	}
	for _, o := range others {
		if (refusal{r.Status, r.Text("error")}) == o {
			return
		}
	}
	t.Errorf("%s: got %d %.300s, want tokens or one of %s", what, r.Status, r.Body, others)
}

func isTokens(r *harness.Response) error {
	if r.Status == http.StatusOK && strings.Contains(r.Body, `"access_token"`) {
		return nil
	}
	return errStatus(r)
}

// TestRedisCut_limits: limits are counted over all replicas, and asked of Redis
// on every request. Promised: while Redis hangs a request waits for it for half a
// second at most, and most do not wait at all.
func TestRedisCut_limits(t *testing.T) {
	w := wire.New(t, redis.Start(t).Addr)
	h := start(t, harness.Options{Replicas: 1, Redis: "redis://" + w.Addr(), Limits: broker.Limits{AddressRate: 1000}}, nil)
	if r := h.NewLogin(harness.WebClient).Authorize(); r.Location == nil {
		t.Fatalf("before: %d %s", r.Status, r.Body)
	}
	w.Freeze()
	const requests = 100
	start := time.Now()
	for range requests {
		if r := h.NewLogin(harness.WebClient).Authorize(); r.Location == nil {
			t.Errorf("%d %s", r.Status, r.Body)
		}
	}
	took := time.Since(start)
	t.Logf("%d requests took %s while Redis hangs", requests, took.Round(time.Millisecond))
	if took > requests*500*time.Millisecond/2 {
		t.Errorf("every request waits for Redis: %s", took)
	}
}
