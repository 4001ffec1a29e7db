// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// revokes has a vendor that rotates refresh tokens and revokes them.
func revokes(sharedDenied bool) harness.Setup {
	setup := rotates(fakevendor.RefreshRotating)
	edit := setup.Edit
	setup.Edit = func(d *runtimeconfig.Document) {
		edit(d)
		v := &d.Vendors[0]
		v.Revocation = runtimeconfig.Revocation{Style: "RFC7009", Tokens: "Both", TokenParameter: "token", SharedDenied: sharedDenied}
		v.Target.Endpoints.Revocation = strings.TrimSuffix(v.Target.Endpoints.Token, "/token") + "/revoke"
	}
	return setup
}

// reused logs in, refreshes, and uses the first refresh token again much later.
func (r rig) reused(t *testing.T) (l *harness.Login, token string) {
	t.Helper()
	l, token = r.login(t, harness.WebClient)
	wantTokens(t, "the first use", l.Refresh(token))
	r.later(2 * time.Minute)
	return l, token
}

// A family that ends is revoked at the vendor, too, where the vendor can: once.
func TestRedTeam_G08_EndedFamilyIsRevokedAtTheVendor(t *testing.T) {
	h := start(t, revokes(false))
	l, token := h.reused(t)
	answers := make([]*harness.Response, 20)
	inParallel(len(answers), func(i int) { answers[i] = l.Refresh(token) })
	for _, r := range answers {
		wantJSON(t, "reuse", r, used())
	}
	wantJSON(t, "once more", l.Refresh(token), used())
	h.wantCalls(t, "reuse", fakevendor.Revocation, 1)
	if !strings.Contains(h.Logs(), "refresh_token_reuse: all refresh tokens of this sign-in end; revoked at the vendor") {
		t.Error("the log does not say that it was revoked")
	}
	other, otherToken := h.login(t, harness.WebClient)
	wantTokens(t, "another sign-in", other.Refresh(otherToken))
}

// What cannot be revoked is not, and the client gets the same answer.
func TestRedTeam_G08_EndedFamilyThatCannotBeRevoked(t *testing.T) {
	t.Run("for other clients too", func(t *testing.T) {
		h := start(t, revokes(true))
		l, token := h.reused(t)
		wantJSON(t, "reuse", l.Refresh(token), used())
		h.wantCalls(t, "shared", fakevendor.Revocation, 0)
	})
	for name, behaviour := range map[string]func(h rig) fakevendor.Behaviour{
		"vendor is away": func(rig) fakevendor.Behaviour { return fakevendor.JSON(http.StatusInternalServerError, `{}`) },
		"vendor hangs":   func(h rig) fakevendor.Behaviour { return h.Fake.Hang() },
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, revokes(false))
			l, token := h.reused(t)
			h.Fake.SetTimes(fakevendor.Revocation, behaviour(h), 1)
			start := time.Now()
			wantJSON(t, "reuse", l.Refresh(token), used())
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("the client waited %s", took)
			}
			wantJSON(t, "again", l.Refresh(token), used())
			h.wantCalls(t, "one attempt", fakevendor.Revocation, 1)
			if !strings.Contains(h.Logs(), "not revoked at the vendor") {
				t.Error("the log does not say that it was not revoked")
			}
		})
	}
}

// The answer of a refresh is kept for half a minute, and a revoked token must not
// work again in that time (RFC 7009 section 2.1), nor the tokens before it.
func TestRedTeam_G14_KeptAnswerEndsWithItsToken(t *testing.T) {
	for _, mode := range []fakevendor.RefreshMode{fakevendor.RefreshStatic, fakevendor.RefreshSingleUse} {
		for _, client := range []string{harness.WebClient, harness.PublicClient} {
			s := revokes(false)
			edit := s.Edit
			s.Vendor.Refresh = mode
			s.Edit = func(d *runtimeconfig.Document) {
				edit(d)
				d.Vendors[0].Refresh.SingleUse, d.Vendors[0].Refresh.Static = mode == fakevendor.RefreshSingleUse, mode == fakevendor.RefreshStatic
			}
			h := start(t, s)
			l, first := h.login(t, client)
			answer := l.Refresh(first)
			wantTokens(t, "refresh", answer)
			second := answer.Text("refresh_token")
			if r := h.revoke(l, second); r.Status != http.StatusOK {
				t.Errorf("revoked: %d %s", r.Status, r.Body)
			}
			wantJSON(t, string(mode)+" "+client+": the revoked one", l.Refresh(second), used())
			wantJSON(t, string(mode)+" "+client+": the one before", l.Refresh(first), used())
			h.wantCalls(t, string(mode)+" "+client, fakevendor.Refresh, 1)
			other, token := h.login(t, client)
			wantTokens(t, "another sign-in", other.Refresh(token))
		}
	}
}

// Nobody is told that a token was revoked whose answer may be kept still.
func TestRedTeam_G14_RedisAwayWhileRevoking(t *testing.T) {
	h := start(t, revokes(false))
	l, token := h.login(t, harness.WebClient)
	h.redis.Stop()
	wantJSON(t, "Redis is away", h.revoke(l, token), failure{http.StatusServiceUnavailable, "temporarily_unavailable"})
	h.redis.Restart()
	if r := h.revoke(l, token); r.Status != http.StatusOK {
		t.Errorf("again: %d %s", r.Status, r.Body)
	}
	h.wantCalls(t, "both", fakevendor.Revocation, 2)
}

func (r rig) revoke(l *harness.Login, token string) *harness.Response {
	return r.Token(issuer+"/revoke", url.Values{"token": {token}}, r.Auth(l.Client))
}

// The same of a vendor's own refresh token, where the client holds that.
func TestRedTeam_G14_KeptAnswerOfARawToken(t *testing.T) {
	s := revokes(false)
	edit := s.Edit
	s.Vendor.Clients = []fakevendor.Client{{ID: "own-app", Secret: "own-app-secret-0123456789", RedirectURIs: harness.Callbacks(harness.VendorName)}}
	s.Edit = func(d *runtimeconfig.Document) {
		edit(d)
		d.Vendors[0].Refresh.Raw = true
		d.Credentials = append(d.Credentials, harness.BYOC(harness.Namespace, harness.VendorName, "own-app", "own-app-secret-0123456789"))
	}
	h := start(t, s)
	l, token := h.login(t, harness.WebClient)
	wantTokens(t, "refresh", l.Refresh(token))
	if r := h.revoke(l, token); r.Status != http.StatusOK {
		t.Errorf("revoked: %d %s", r.Status, r.Body)
	}
	wantJSON(t, "the revoked one", l.Refresh(token), used())
	h.wantCalls(t, "kept", fakevendor.Refresh, 1)
}
