// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// A refresh token is of one vendor: shown at another's address it is none, and
// neither vendor hears of it.
func TestRedTeam_G01_RefreshTokenAtAnotherVendorsEndpoint(t *testing.T) {
	h, evil := twoVendors(t, runtimeconfig.CallbackShared)
	l, _, refresh := tokensOf(t, h, harness.PublicClient)
	before := h.Fake.Count(fakevendor.Refresh)
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}
	for what, r := range map[string]*harness.Response{
		"endpoint of evil": h.Token(harness.PublicURL+"/v1/vendors/evil/token", form, harness.None(l.Client)),
		"vendor=evil":      h.Token(harness.PublicURL+"/v1/token", with(form, "vendor", "evil"), harness.None(l.Client)),
	} {
		wantJSON(t, what, r, failure{http.StatusBadRequest, "invalid_grant"})
	}
	wantRevoked(t, "revoked at evil", h.Token(harness.PublicURL+"/v1/vendors/evil/revoke", url.Values{"token": {refresh}}, harness.None(l.Client)))
	wantCalls(t, "evil", evil, 0)
	if n := h.Fake.Count(fakevendor.Refresh) - before; n != 0 {
		t.Errorf("acme was asked %d times", n)
	}
	wantTokens(t, "the generic endpoint", h.Token(harness.PublicURL+"/v1/token", form, harness.None(l.Client)))
}

// A vendor that stopped to refresh is not asked, and the client is told so in a way
// that it does not take for a lost sign-in.
func TestRedTeam_G10_VendorStoppedToRefresh(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l, _, refresh := tokensOf(t, h, harness.WebClient)
	d := h.Document()
	d.Vendors[0].Refresh.Unsupported = true
	h.Apply(d)
	wantJSON(t, "refresh", l.Refresh(refresh), failure{http.StatusBadRequest, "unsupported_grant_type"})
	if n := h.Fake.Count(fakevendor.Refresh); n != 0 {
		t.Errorf("the vendor was asked %d times", n)
	}
}

// The vendor's own refresh token is for a client that authenticates, on the app of
// its own namespace. On the platform's app it would work for whoever has the app.
func TestRedTeam_G01_VendorsOwnRefreshTokenOnlyOnOnesOwnApp(t *testing.T) {
	for what, c := range map[string]struct {
		own    bool
		vendor bool // hands out its own
		client string
		raw    bool
	}{
		"platform's app, with a secret": {false, true, harness.WebClient, false}, "platform's app, with a key": {false, true, harness.KeyClient, false}, "platform's app, public": {false, true, harness.PublicClient, false},
		"own app, with a secret": {true, true, harness.WebClient, true}, "own app, public": {true, true, harness.PublicClient, false}, "own app, vendor that does not": {true, false, harness.WebClient, false},
	} {
		s := revoking(rfc7009(), func(v *runtimeconfig.Vendor) { v.Refresh.Raw = c.vendor })
		if c.own {
			s = withOwnApp(s)
		}
		h := harness.Standard(t, s)
		l, _, refresh := tokensOf(t, h, c.client)
		if raw := !seal.IsSealed(refresh); raw != c.raw {
			t.Errorf("%s: got the vendor's own token: %v, want %v", what, raw, c.raw)
		}
		wantTokens(t, what, l.Refresh(refresh))
		if c.raw {
			continue
		}
		var sealed map[string]any
		if err := h.Ring().Open(seal.RefreshToken, refresh, "", &sealed); err != nil {
			t.Fatal(err)
		}
		vendors, _ := sealed["rt"].(string)
		if vendors == "" {
			t.Fatalf("%s: sealed is %v", what, sealed)
		}
		before := h.Fake.Count(fakevendor.Refresh)
		wantJSON(t, what+": the vendor's own", l.Refresh(vendors), failure{http.StatusBadRequest, "invalid_grant"})
		if h.Fake.Count(fakevendor.Refresh) != before {
			t.Errorf("%s: the vendor was asked", what)
		}
	}
}

// A tenant with an app of its own needs nothing of the platform's.
func TestRedTeam_J02_OwnAppNeedsNoSharedOne(t *testing.T) {
	s := withOwnApp(revoking(rfc7009(), func(v *runtimeconfig.Vendor) { v.SharedUse = runtimeconfig.NamespaceSet{} }))
	h := harness.Standard(t, s)
	for _, client := range []string{harness.WebClient, harness.PublicClient} {
		l, _, refresh := tokensOf(t, h, client)
		r := l.Refresh(refresh)
		wantTokens(t, client, r)
		wantRevoked(t, client, revoke(t, h, client, r.Text("refresh_token")))
		if got := h.Fake.Last(fakevendor.Revocation).ClientID; got != ownApp {
			t.Errorf("%s: revoked with the app %s", client, got)
		}
	}
}

// Once a vendor is taken from a client, the client's own app there opens it no door
// for tokens that the broker never gave out.
func TestRedTeam_G12_VendorsTokensWhereTheVendorIsTakenAway(t *testing.T) {
	s := withOwnApp(revoking(rfc7009(), nil))
	h := harness.Standard(t, s)
	_, access, _ := tokensOf(t, h, harness.WebClient)
	d := h.Document()
	s.Edit(&d)
	d.Clients[1].Vendors = nil
	h.Apply(d)
	wantJSON(t, "revoke", revoke(t, h, harness.WebClient, access), failure{http.StatusBadRequest, "unsupported_token_type"})
	if r := introspect(h, access, h.Auth(harness.WebClient)); r.Body != `{"active":false}` {
		t.Errorf("introspection: %d %s", r.Status, r.Body)
	}
	if n := h.Fake.Count(fakevendor.Revocation) + h.Fake.Count(fakevendor.Introspection); n != 0 {
		t.Errorf("the vendor was called %d times", n)
	}
}

// A vendor that revokes tokens of one kind is not asked for the other.
func TestRedTeam_G14_KindsThatTheVendorRevokes(t *testing.T) {
	for kind, c := range map[string]struct{ access, refresh bool }{"": {true, true}, "Access": {true, false}, "Refresh": {false, true}} {
		h := harness.Standard(t, withOwnApp(revoking(runtimeconfig.Revocation{Style: "RFC7009", Tokens: kind}, nil)))
		_, access, refresh := tokensOf(t, h, harness.WebClient)
		asked := 0
		for token, good := range map[string]bool{access: c.access, refresh: c.refresh} {
			r := revoke(t, h, harness.WebClient, token)
			if good {
				asked++
				wantRevoked(t, kind, r)
			} else {
				wantJSON(t, kind, r, failure{http.StatusBadRequest, "unsupported_token_type"})
			}
		}
		if n := h.Fake.Count(fakevendor.Revocation); n != asked {
			t.Errorf("%q: the vendor was asked %d times, want %d", kind, n, asked)
		}
	}
}

// A client that registered itself has no namespace, and the platform's app is in none
// either: that does not make the app its own, even where it authenticates.
func TestRedTeam_G01_StrangersGetNoTokenOfTheVendors(t *testing.T) {
	s := revoking(rfc7009(), func(v *runtimeconfig.Vendor) { v.Refresh.Raw, v.SelfRegisteredUse = true, true })
	s.Registration = broker.Registration{Mode: broker.RegistrationOpen}
	h := harness.Standard(t, s)
	m := metadata()
	m["token_endpoint_auth_method"] = "client_secret_basic"
	id, clientSecret := registered(t, h, m)
	l := h.NewLogin(id)
	l.Finish(wantConsent(t, "stranger", l, l.Authorize()).answer(t, "allow"))
	auth := harness.Basic(id, clientSecret)
	r := h.Token(tokenURL, l.Form(), auth)
	wantTokens(t, "stranger", r)
	if !seal.IsSealed(r.Text("refresh_token")) {
		t.Error("a stranger got the vendor's own refresh token")
	}
	wantJSON(t, "revoke", h.Token(revokeURL, url.Values{"token": {r.Text("access_token")}}, auth), failure{http.StatusBadRequest, "unsupported_token_type"})
	if r := introspect(h, r.Text("access_token"), auth); r.Body != `{"active":false}` {
		t.Errorf("introspection: %d %s", r.Status, r.Body)
	}
	if n := h.Fake.Count(fakevendor.Revocation) + h.Fake.Count(fakevendor.Introspection); n != 0 {
		t.Errorf("the vendor was called %d times", n)
	}
}
