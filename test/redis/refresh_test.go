// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
	"github.com/oauthbroker/oauth-broker/test/redis"
)

func TestRedTeam_G03_ConcurrentRefreshes(t *testing.T) {
	for _, mode := range []fakevendor.RefreshMode{fakevendor.RefreshSingleUse, fakevendor.RefreshRotating, fakevendor.RefreshStatic} {
		for _, client := range []string{harness.PublicClient, harness.WebClient} {
			h := start(t, rotates(mode))
			l, token := h.login(t, client)
			answers := make([]*harness.Response, 20)
			inParallel(len(answers), func(i int) { answers[i] = l.Refresh(token) })
			for _, r := range answers {
				wantTokens(t, string(mode), r)
				if r.Text("access_token") != answers[0].Text("access_token") {
					t.Errorf("%q: different answers", mode)
				}
			}
			h.wantCalls(t, string(mode)+client, fakevendor.Refresh, 1)
			// Whichever answer the client kept, it can go on with it.
			for _, r := range answers[:1] {
				h.later(time.Hour)
				wantTokens(t, "the next refresh", l.Refresh(r.Text("refresh_token")))
			}
			h.wantCalls(t, string(mode)+client, fakevendor.Refresh, 2)
		}
	}
}

// Whoever lost the answer asks again and gets it, from any replica.
func TestRedTeam_G07_LostResponse(t *testing.T) {
	h := start(t, rotates(fakevendor.RefreshSingleUse))
	l, token := h.login(t, harness.WebClient)
	h.Pin(1)
	first := l.Refresh(token)
	wantTokens(t, "first", first)
	h.Pin(2)
	h.later(28 * time.Second)
	again := l.Refresh(token)
	wantTokens(t, "after 28 s", again)
	if again.Text("access_token") != first.Text("access_token") {
		t.Error("another answer")
	}
	h.wantCalls(t, "the same again", fakevendor.Refresh, 1)
	h.later(4 * time.Second)
	wantJSON(t, "after 32 s", l.Refresh(token), used())
	h.wantCalls(t, "after 32 s", fakevendor.Refresh, 1)
	wantTokens(t, "the new one", l.Refresh(again.Text("refresh_token")))
}

// An answer is kept for the same request only.
func TestRedTeam_G07_AnswerIsForTheSameRequestOnly(t *testing.T) {
	setup := rotates(fakevendor.RefreshRotating)
	h := start(t, setup)
	l := h.NewLogin(harness.WebClient)
	l.Params.Set("scope", "read write")
	l.Params["resource"] = []string{"https://a.example", "https://b.example"}
	l.Walk()
	answer := l.Redeem()
	wantTokens(t, "login", answer)
	token := answer.Text("refresh_token")
	wantTokens(t, "refresh", l.Refresh(token))
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	wantJSON(t, "another client", h.Token(tokenURL, form, h.Auth(harness.PublicClient)), used())
	wantJSON(t, "another client", h.Token(tokenURL, form, h.Auth(harness.KeyClient)), used())
	wantJSON(t, "without the secret", h.Token(tokenURL, form, harness.None(harness.WebClient)), failure{http.StatusUnauthorized, "invalid_client"})
	h.wantCalls(t, "strangers", fakevendor.Refresh, 1)
	// Another scope or resource is another request. The token was used for the
	// first, so it is refused, without harm to the grant and without a call.
	wantJSON(t, "narrowed", l.Refresh(token, "scope", "read"), used())
	wantJSON(t, "narrowed", l.Refresh(token, "resource", "https://a.example"), used())
	h.wantCalls(t, "other requests", fakevendor.Refresh, 1)
	wantTokens(t, "the same", l.Refresh(token))
	h.wantCalls(t, "the same", fakevendor.Refresh, 1)
}

// The client's connection breaks while the vendor is working: the vendor's
// answer is kept for the retry all the same.
func TestRedTeam_G07_ClientGoesAwayMeanwhile(t *testing.T) {
	h := start(t, rotates(fakevendor.RefreshSingleUse))
	l, token := h.login(t, harness.WebClient)
	arrived, hungUp := make(chan struct{}), make(chan struct{})
	h.Fake.SetTimes(fakevendor.Refresh, fakevendor.Behaviour{Name: "slow", Edit: func(map[string]any) {
		close(arrived)
		<-hungUp
		time.Sleep(300 * time.Millisecond) // a broker that gives up has the time to do it
	}}, 1)
	ctx, hangUp := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, tokenURL, strings.NewReader(form.Encode()))
		if err == nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.SetBasicAuth(harness.WebClient, harness.WebSecret)
			var resp *http.Response
			if resp, err = h.HTTP().Do(r); err == nil {
				resp.Body.Close()
			}
		}
		gone <- err
	}()
	<-arrived
	hangUp()
	if err := <-gone; err == nil {
		t.Fatal("the client did not go away")
	}
	close(hungUp)
	wantTokens(t, "the retry", l.Refresh(token))
	h.wantCalls(t, "the retry", fakevendor.Refresh, 1)
}

// The store fails between the vendor's answer and its keeping: the caller gets
// its tokens.
func TestRedTeam_G07_RedisFailsMeanwhile(t *testing.T) {
	h := start(t, rotates(fakevendor.RefreshSingleUse))
	l, token := h.login(t, harness.WebClient)
	h.Fake.SetTimes(fakevendor.Refresh, fakevendor.Behaviour{Name: "Redis ends", Edit: func(map[string]any) { h.redis.Stop() }}, 1)
	r := l.Refresh(token)
	wantTokens(t, "refresh", r)
	h.redis.Restart()
	wantTokens(t, "the new one", l.Refresh(r.Text("refresh_token")))
	h.wantCalls(t, "both", fakevendor.Refresh, 2)
}

// The vendor's failure goes to one caller; nothing of it is kept.
func TestRedTeam_G04_FailuresAreNotKept(t *testing.T) {
	h := start(t, rotates(fakevendor.RefreshSingleUse))
	l, token := h.login(t, harness.WebClient)
	for _, b := range []fakevendor.Behaviour{fakevendor.RetryLater(503, "1"), fakevendor.JSON(500, `{"error":"server_error"}`), fakevendor.ResetConnection()} {
		h.Fake.SetTimes(fakevendor.Refresh, b, 1)
		wantJSON(t, b.Name, l.Refresh(token), away())
	}
	wantTokens(t, "afterwards", l.Refresh(token))
}

func TestRedTeam_G08_GraceAndReuse(t *testing.T) {
	for _, mode := range []fakevendor.RefreshMode{fakevendor.RefreshSingleUse, fakevendor.RefreshRotating} {
		h := start(t, rotates(mode))
		l, first := h.login(t, harness.WebClient)
		second := l.Refresh(first).Text("refresh_token")
		h.later(55 * time.Second)
		wantJSON(t, "used, within a minute", l.Refresh(first), used())
		r := l.Refresh(second)
		wantTokens(t, "the newest is not harmed", r)
		third := r.Text("refresh_token")
		other, otherToken := h.login(t, harness.WebClient)
		h.later(66 * time.Second)
		before := h.Fake.Count(fakevendor.Refresh)
		wantJSON(t, "used, after a minute", l.Refresh(second), used())
		for what, token := range map[string]string{"first": first, "second": second, "third": third} {
			for n := 1; n <= 3; n++ {
				h.Pin(n)
				wantJSON(t, what+" of the family", l.Refresh(token), used())
			}
		}
		h.Pin(0)
		if got := h.Fake.Count(fakevendor.Refresh); got != before {
			t.Errorf("%q: the vendor was called %d times for an ended family", mode, got-before)
		}
		if !strings.Contains(h.Logs(), "refresh_token_reuse") {
			t.Error("the reuse is not in the log")
		}
		wantTokens(t, "another sign-in of the client", other.Refresh(otherToken))
		wantTokens(t, "a new sign-in", h.Login(harness.WebClient).Redeem())
	}
}

// A public client's refresh token is replaced at every use also where the
// vendor's stays the same, so that a stolen one is found out.
func TestRedTeam_G08_PublicClientAtAStaticVendor(t *testing.T) {
	h := start(t, rotates(fakevendor.RefreshStatic))
	l, first := h.login(t, harness.PublicClient)
	r := l.Refresh(first)
	wantTokens(t, "first", r)
	second := r.Text("refresh_token")
	h.later(2 * time.Minute)
	r = l.Refresh(second)
	wantTokens(t, "second", r)
	// The owner refreshed a moment ago, so an answer of the same vendor token is
	// kept. A thief with an old token must not get it.
	wantJSON(t, "the first again", l.Refresh(first), used())
	wantJSON(t, "the family", l.Refresh(r.Text("refresh_token")), used())
	h.wantCalls(t, "all", fakevendor.Refresh, 2)
}

// All copies of one answer are one step: the use of one is the use of all.
func TestRedTeam_G08_CopiesOfAnAnswer(t *testing.T) {
	h := start(t, rotates(fakevendor.RefreshStatic))
	l, token := h.login(t, harness.PublicClient)
	mine, stolen := l.Refresh(token), l.Refresh(token)
	if mine.Text("refresh_token") == stolen.Text("refresh_token") {
		t.Fatal("the copies are the same")
	}
	h.later(2 * time.Minute)
	newest := l.Refresh(mine.Text("refresh_token"))
	wantTokens(t, "the owner", newest)
	h.later(2 * time.Minute)
	wantJSON(t, "the thief", l.Refresh(stolen.Text("refresh_token")), used())
	wantJSON(t, "the family", l.Refresh(newest.Text("refresh_token")), used())
}

// A confidential client proves itself at every refresh: where the vendor keeps
// its token, so may the client.
func TestRedTeam_G08_ConfidentialClientAtAStaticVendor(t *testing.T) {
	for _, mode := range []fakevendor.RefreshMode{fakevendor.RefreshStatic, fakevendor.RefreshOmitted} {
		h := start(t, rotates(mode))
		l, token := h.login(t, harness.WebClient)
		for range 3 {
			wantTokens(t, string(mode), l.Refresh(token))
			h.later(2 * time.Minute)
		}
		h.wantCalls(t, string(mode), fakevendor.Refresh, 3)
	}
}

// The vendor's own refresh tokens have no family: its rule decides.
func TestRedis_rawRefreshTokens(t *testing.T) {
	setup := rotates(fakevendor.RefreshRotating)
	setup.Vendor.Clients = []fakevendor.Client{
		{ID: "own-app", Secret: "own-app-secret-0123456789", RedirectURIs: harness.Callbacks("acme")},
	}
	edit := setup.Edit
	setup.Edit = func(d *runtimeconfig.Document) {
		edit(d)
		d.Vendors[0].Refresh.Raw = true
		d.Credentials = append(d.Credentials, harness.BYOC(harness.Namespace, "acme", "own-app", "own-app-secret-0123456789"))
	}
	h := start(t, setup)
	l, token := h.login(t, harness.WebClient)
	answers := make([]*harness.Response, 10)
	inParallel(len(answers), func(i int) { answers[i] = l.Refresh(token) })
	for _, r := range answers {
		wantTokens(t, "raw", r)
	}
	h.wantCalls(t, "in parallel", fakevendor.Refresh, 1)
	h.later(2 * time.Minute)
	wantTokens(t, "an old one at a vendor that takes it", l.Refresh(token))
}

// What Redis holds of a sign-in does not grow with its refreshes: nobody can
// fill Redis by refreshing.
func TestRedis_refreshesDoNotFillRedis(t *testing.T) {
	h := start(t, rotates(fakevendor.RefreshRotating))
	l, token := h.login(t, harness.PublicClient)
	for range 50 {
		r := l.Refresh(token)
		wantTokens(t, "refresh", r)
		token = r.Text("refresh_token")
	}
	h.redis.Advance(15 * time.Minute)
	if keys := h.redis.Keys(); len(keys) > 1 {
		t.Errorf("%d keys are left of one sign-in: %q", len(keys), keys)
	}
	for _, key := range h.redis.Keys() {
		if left := h.redis.Admin().TTL(t.Context(), key).Val(); left <= 0 || left > 181*24*time.Hour {
			t.Errorf("%s lives for %s", key, left)
		}
	}
}

// An answer is sealed to its request: values that are swapped open nothing.
func TestRedTeam_K05_SwappedValues(t *testing.T) {
	h := start(t, rotates(fakevendor.RefreshSingleUse))
	mine, myToken := h.login(t, harness.WebClient)
	wantTokens(t, "mine", mine.Refresh(myToken))
	theirs, theirToken := h.login(t, harness.PublicClient)
	wantTokens(t, "theirs", theirs.Refresh(theirToken))
	var answers []string
	for _, key := range h.redis.Keys() {
		if strings.Contains(key, ":answer:") {
			answers = append(answers, key)
		}
	}
	if len(answers) != 2 {
		t.Fatalf("%d answers are kept, want 2: %q", len(answers), h.redis.Keys())
	}
	swap(t, h.redis, answers[0], answers[1])
	wantJSON(t, "swapped", mine.Refresh(myToken), away())
	wantJSON(t, "swapped", theirs.Refresh(theirToken), away())
	h.redis.Do("SET", answers[0], "obx1.x.forged", "KEEPTTL")
	h.redis.Do("SET", answers[1], "obx1.x.forged", "KEEPTTL")
	wantJSON(t, "forged", mine.Refresh(myToken), away())
}

func swap(t *testing.T, s *redis.Server, a, b string) {
	t.Helper()
	va, vb := s.Admin().Get(t.Context(), a).Val(), s.Admin().Get(t.Context(), b).Val()
	s.Do("SET", a, vb, "KEEPTTL")
	s.Do("SET", b, va, "KEEPTTL")
}
