// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
	"github.com/oauthbroker/oauth-broker/test/poll"
)

// fault is one way in which Redis fails, and how it comes back.
type fault struct {
	name          string
	begin, end    func(rig)
	forgets, late bool // all is lost; what was asked meanwhile may be done afterwards
}

func faults() []fault {
	return []fault{
		{name: "away", begin: func(h rig) { h.redis.Stop() }, end: func(h rig) { h.redis.Restart() }, forgets: true},
		{name: "slow", begin: func(h rig) { h.redis.Freeze() }, end: func(h rig) { h.redis.Thaw() }, late: true},
		{name: "read-only", begin: func(h rig) { h.redis.ReadOnly() }, end: func(h rig) { h.redis.Writable() }},
	}
}

// soon bounds an answer while Redis fails.
func soon(t *testing.T, what string, do func() *harness.Response) *harness.Response {
	t.Helper()
	start := time.Now()
	r := do()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("%s: answered after %s", what, took)
	}
	return r
}

// Whatever is taken once is refused while it cannot be, and nothing is spent by
// that: the same code, callback, page and assertion go on afterwards.
func TestRedTeam_K04_TakesAreClosed(t *testing.T) {
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			setup := consenting()
			always := setup.Edit
			setup.Edit = func(d *runtimeconfig.Document) {
				always(d)
				d.Clients[0].AlwaysConsent, d.Clients[2].AlwaysConsent = false, false // only WebClient asks
			}
			h := start(t, setup)
			code, key, atCallback, asked, pushed := h.Login(harness.PublicClient), h.Login(harness.KeyClient), h.NewLogin(harness.PublicClient), h.NewLogin(harness.WebClient), h.NewLogin(harness.PublicClient)
			callback := atCallback.AtVendor(atCallback.Authorize())
			form := answerOf(t, asked.Authorize(), "allow")
			address := push(t, h, pushed)
			assertion := harness.Assertion(h.Sign(h.Claims(issuer)))
			answer := func() *harness.Response { return asked.Browser.Post(harness.PublicURL+"/v1/consent", form) }

			f.begin(h)
			wantJSON(t, "code", soon(t, "code", code.Redeem), away())
			wantJSON(t, "assertion", soon(t, "assertion", func() *harness.Response { return h.Token(tokenURL, key.Form(), assertion) }), away())
			wantPage(t, "callback", soon(t, "callback", func() *harness.Response { return atCallback.Browser.Get(callback) }), http.StatusServiceUnavailable)
			wantPage(t, "consent", soon(t, "consent", answer), http.StatusServiceUnavailable)
			wantPage(t, "pushed request", soon(t, "pushed", func() *harness.Response { return pushed.Browser.Get(address) }), http.StatusServiceUnavailable)
			if r := soon(t, "authorize", h.NewLogin(harness.PublicClient).Authorize); r.Location == nil {
				t.Errorf("authorize takes nothing, but answers %d", r.Status)
			}
			h.wantCalls(t, "meanwhile", fakevendor.Token, 0)
			if !regexp.MustCompile(`oauth_broker_redis_errors_total\{operation="take"\} [1-9]`).MatchString(h.Metrics()) {
				t.Error("oauth_broker_redis_errors_total counts no take that failed")
			}
			f.end(h)

			if f.late {
				// The takes may have been done after all. Nobody got anything for them,
				// so these sign-ins are over: the safe side.
				wantTokens(t, "a new sign-in", h.Login(harness.PublicClient).Redeem())
				return
			}
			wantTokens(t, "code", code.Redeem())
			wantTokens(t, "assertion", h.Token(tokenURL, key.Form(), assertion))
			if r := atCallback.Browser.Get(callback); r.Query("code") == "" {
				t.Errorf("callback: %d %s", r.Status, r.Body)
			}
			asked.Finish(answer())
			wantTokens(t, "consent", asked.Redeem())
			pushed.Finish(pushed.Browser.Get(address))
			wantTokens(t, "pushed request", pushed.Redeem())
		})
	}
}

// A refresh goes on by the vendor's rule, where that is not single use.
func TestRedTeam_K04_Refreshes(t *testing.T) {
	for _, f := range faults() {
		for _, mode := range []fakevendor.RefreshMode{fakevendor.RefreshRotating, fakevendor.RefreshStatic, fakevendor.RefreshSingleUse} {
			t.Run(f.name+" "+string(mode), func(t *testing.T) {
				h := start(t, rotates(mode))
				l, token := h.login(t, harness.WebClient)
				f.begin(h)
				r := soon(t, "refresh", func() *harness.Response { return l.Refresh(token) })
				if mode == fakevendor.RefreshSingleUse {
					wantJSON(t, "single use", r, away())
					h.wantCalls(t, "single use", fakevendor.Refresh, 0)
				} else {
					wantTokens(t, "refresh", r)
					token = r.Text("refresh_token")
				}
				f.end(h)
				if f.late { // a lease may have been taken for nobody
					h.redis.Advance(15 * time.Second)
				}
				wantTokens(t, "afterwards", l.Refresh(token))
			})
		}
	}
}

// An answer that is kept can be read where nothing can be written.
func TestRedTeam_K04_KeptAnswerWhileReadOnly(t *testing.T) {
	h := start(t, rotates(fakevendor.RefreshSingleUse))
	l, token := h.login(t, harness.WebClient)
	first := l.Refresh(token)
	h.redis.ReadOnly()
	if again := l.Refresh(token); again.Text("access_token") != first.Text("access_token") || again.Status != http.StatusOK {
		t.Errorf("the same again: %d %s", again.Status, again.Body)
	}
	h.wantCalls(t, "the same again", fakevendor.Refresh, 1)
}

// Redis fails and comes back while one code is redeemed a hundred times.
func TestRedTeam_K04_NothingIsSpentTwice(t *testing.T) {
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			h := start(t, harness.Setup{})
			for range 3 {
				h.awaitUp(t)
				l, before := h.Login(harness.PublicClient), h.Fake.Count(fakevendor.Token)
				h.spendsOnce(t, l.Redeem, func() { f.begin(h) }, func() { f.end(h) })
				if n := h.Fake.Count(fakevendor.Token) - before; n > 1 && !f.forgets {
					t.Errorf("the vendor saw the code %d times", n)
				}
			}
			h.awaitUp(t)
			wantTokens(t, "afterwards", h.Login(harness.PublicClient).Redeem())
		})
	}
}

// A Redis that lost everything knows of no take: the vendor's single use holds.
func TestRedTeam_K04_RedisForgets(t *testing.T) {
	h := start(t, harness.Setup{})
	l := h.Login(harness.PublicClient)
	wantTokens(t, "first", l.Redeem())
	h.redis.Restart()
	wantJSON(t, "second", l.Redeem(), used())
	if n := h.Fake.Stats().CodesRedeemed; n != 1 {
		t.Errorf("the vendor redeemed %d codes", n)
	}
}

// All replicas share the fate: one that is not ready would end what does not
// need Redis, and helps nothing that does. The metric tells.
func TestRedis_readyWhileRedisIsAway(t *testing.T) {
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			h := start(t, harness.Setup{})
			h.wantUp(t, "1")
			f.begin(h)
			if r := h.Send(http.MethodGet, harness.PublicURL+"/readyz", "", http.Header{}); r.Status != http.StatusOK {
				t.Errorf("readyz: %d %s", r.Status, r.Body)
			}
			h.wantUp(t, "0")
			f.end(h)
			h.wantUp(t, "1")
		})
	}
}

// replicasUp is how many replicas have the metric with a value.
func (r rig) replicasUp(value string) int {
	return strings.Count(r.Metrics(), "\noauth_broker_redis_up "+value+"\n")
}

func (r rig) wantUp(t *testing.T, want string) {
	t.Helper()
	if got := r.replicasUp(want); got != 3 {
		t.Errorf("%d replicas have oauth_broker_redis_up %s, want 3", got, want)
	}
}

// awaitUp waits until every replica is back: after many failures the library
// tries to connect once a second.
func (r rig) awaitUp(t *testing.T) {
	t.Helper()
	poll.Until(t, time.Minute, func() error {
		if n := r.replicasUp("1"); n != 3 {
			return fmt.Errorf("%d replicas reach Redis", n)
		}
		return nil
	})
}

func TestRedis_noMetricWithoutRedis(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	if strings.Contains(h.Metrics(), "redis_up") {
		t.Error("there is a metric of a Redis that nobody configured")
	}
}

// A broker starts, and serves what it can, while Redis is away.
func TestRedis_awayFromTheStart(t *testing.T) {
	nobody := &url.URL{Scheme: "redis", Host: "127.0.0.1:1"}
	h := harness.Standard(t, harness.Setup{Options: harness.Options{Redis: nobody.String()}})
	l := h.NewLogin(harness.PublicClient)
	callback := l.AtVendor(l.Authorize())
	wantPage(t, "callback", l.Browser.Get(callback), http.StatusServiceUnavailable)
	if !strings.Contains(h.Logs(), "redis") {
		t.Error("the log does not tell of Redis")
	}
	if !strings.Contains(h.Metrics(), "\noauth_broker_redis_up 0\n") {
		t.Error("the metric does not tell of Redis")
	}
}
