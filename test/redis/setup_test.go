// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
	"github.com/oauthbroker/oauth-broker/test/redis"
)

const (
	issuer   = harness.PublicURL + "/v1/vendors/" + harness.VendorName
	tokenURL = issuer + "/token"
)

// rig is three brokers that share a Redis. What Redis holds is searched for
// secrets at the end of every test.
type rig struct {
	*harness.Harness
	redis *redis.Server
}

func start(t *testing.T, s harness.Setup) rig {
	t.Helper()
	server := redis.Start(t)
	s.Replicas, s.Redis = 3, server.URL()
	if s.Look == nil {
		s.Look = map[string]func() string{}
	}
	s.Look["Redis"] = server.Dump
	return rig{harness.Standard(t, s), server}
}

// later moves the brokers' clock and the times of what Redis holds.
func (r rig) later(d time.Duration) {
	r.Clock.Advance(d)
	r.redis.Advance(d)
}

// login walks a whole login, up to the tokens.
func (r rig) login(t *testing.T, client string) (l *harness.Login, refreshToken string) {
	t.Helper()
	l = r.Login(client)
	answer := l.Redeem()
	wantTokens(t, "login", answer)
	return l, answer.Text("refresh_token")
}

// rotates says what the vendor does with refresh tokens, to both sides.
func rotates(mode fakevendor.RefreshMode) harness.Setup {
	return harness.Setup{
		Vendor: fakevendor.Options{Refresh: mode},
		Edit: func(d *runtimeconfig.Document) {
			d.Vendors[0].Refresh.SingleUse = mode == fakevendor.RefreshSingleUse
			d.Vendors[0].Refresh.Static = mode == fakevendor.RefreshStatic
		},
	}
}

func inParallel(n int, do func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}

// spendsOnce redeems one code a hundred times: a third before something fails, a
// third before that ends and a third afterwards. It fails while the first third is
// under way, and at least until one of the second is answered.
func (r rig) spendsOnce(t *testing.T, redeem func() *harness.Response, begin, end func()) {
	t.Helper()
	redeemed, good := r.Fake.Stats().CodesRedeemed, 0
	for _, a := range redeemAround(redeem, begin, end) {
		switch {
		case a.Status == http.StatusOK:
			good++
		case a.Text("error") != "invalid_grant" && a.Text("error") != "temporarily_unavailable":
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	if n := r.Fake.Stats().CodesRedeemed - redeemed; good > 1 || n > 1 {
		t.Errorf("%d answers with tokens, %d codes redeemed at the vendor", good, n)
	}
}

func redeemAround(redeem func() *harness.Response, begin, end func()) (all []*harness.Response) {
	const third = 33
	answers := make(chan *harness.Response)
	wave := func() {
		for range third {
			go func() { answers <- redeem() }()
		}
	}
	await := func(n int) {
		for len(all) < n {
			all = append(all, <-answers)
		}
	}
	wave()
	await(1)
	begin()
	wave()
	await(third + 1)
	end()
	wave()
	await(3 * third)
	return all
}

// failure is an error of the token endpoint.
type failure struct {
	status int
	code   string
}

func used() failure { return failure{http.StatusBadRequest, "invalid_grant"} }
func away() failure { return failure{http.StatusServiceUnavailable, "temporarily_unavailable"} }

func wantJSON(t *testing.T, what string, r *harness.Response, want failure) {
	t.Helper()
	if r.Status != want.status || r.Text("error") != want.code {
		t.Errorf("%s: got %d %.300s, want %d %s", what, r.Status, r.Body, want.status, want.code)
	}
}

func wantTokens(t *testing.T, what string, r *harness.Response) {
	t.Helper()
	if r.Status != http.StatusOK || r.Text("access_token") == "" {
		t.Errorf("%s: got %d %.300s, want tokens", what, r.Status, r.Body)
	}
}

// wantPage: a page at the broker, and nobody is redirected.
func wantPage(t *testing.T, what string, r *harness.Response, status int) {
	t.Helper()
	if r.Status != status || r.Location != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
		t.Errorf("%s: got %d %.300s, want a page with %d", what, r.Status, r.Body, status)
	}
}

// wantCalls: how many requests an endpoint of the vendor saw so far.
func (r rig) wantCalls(t *testing.T, what string, e fakevendor.Endpoint, want int) {
	t.Helper()
	if got := r.Fake.Count(e); got != want {
		t.Errorf("%s: the vendor saw %d %s requests, want %d", what, got, e, want)
	}
}

// wantOne: one answer is good, and no other.
func wantOne(t *testing.T, all []*harness.Response, good func(*harness.Response) bool, other func(*harness.Response)) {
	t.Helper()
	n := 0
	for _, r := range all {
		if good(r) {
			n++
			continue
		}
		other(r)
	}
	if n != 1 {
		t.Errorf("%d of %d were good, want 1", n, len(all))
	}
}
