// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// idTokenAt logs in with OpenID Connect and redeems while the vendor's ID tokens are odd.
func idTokenAt(t *testing.T, h *harness.Harness, b fakevendor.Behaviour) (*harness.Response, *harness.Login) {
	t.Helper()
	l := h.NewLogin(harness.PublicClient)
	l.Params.Set("scope", "openid read")
	l.Walk()
	h.Fake.Set(fakevendor.Token, b)
	defer h.Fake.Behave()
	return l.Redeem(), l
}

func wantIDTokenRefused(t *testing.T, what string, r *harness.Response) {
	t.Helper()
	wantJSON(t, what, r, failure{http.StatusBadGateway, "server_error"})
	if d := r.Text("error_description"); !strings.Contains(d, "id_token") {
		t.Errorf("%s: refused for another reason: %s", what, d)
	}
}

// E1 (algorithms), E2 (iss), E3 (aud, azp), E4 (nonce), E5 (times), E7 (weak
// keys), E8 (headers, dots, odd base64url) and E10 (at_hash): every bad token of fakevendor.
func TestRedTeam_E01_E02_E03_E04_E05_E07_E08_E10_BadIDTokens(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Edit: func(d *runtimeconfig.Document) {
		d.Vendors[0].Identity.Algorithms = []string{"RS256", "ES256"}
	}})
	sink := h.Fake.NewSink(t)
	for _, b := range fakevendor.BadIDTokens(sink.URL) {
		t.Run(b.Name, func(t *testing.T) {
			h.Clock.Advance(11 * time.Second) // so that the keys are read again, and those that a case publishes are seen
			start := time.Now()
			r, _ := idTokenAt(t, h, b)
			if strings.Contains(b.Name, "1,000,000 dots") || strings.Contains(b.Name, "line break") {
				wantJSON(t, b.Name, r, failure{http.StatusBadGateway, "server_error"}) // no token of any kind is so long, or has such characters
			} else {
				wantIDTokenRefused(t, b.Name, r)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
	if got := sink.Requests(); len(got) != 0 {
		t.Errorf("a URL in a header was fetched: %s", got[0].Path)
	}
	r, _ := idTokenAt(t, h, fakevendor.Behaviour{})
	wantTokens(t, "a good one afterwards", r)
}

func TestRedTeam_E01_AlgorithmsAreTheVendors(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Vendor: fakevendor.Options{IDTokenAlgorithm: "ES256"}}) // RS256 only is configured
	r, _ := idTokenAt(t, h, fakevendor.Behaviour{})
	wantIDTokenRefused(t, "ES256", r)
	if n := h.Fake.Count(fakevendor.JWKS); n != 0 {
		t.Errorf("keys were fetched %d times before the algorithm was looked at", n)
	}
}

func TestRedTeam_E02_GoodAndUnusualTokens(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for _, b := range fakevendor.GoodIDTokens() {
		r, _ := idTokenAt(t, h, b)
		wantTokens(t, b.Name, r)
		if r.Text("id_token") == "" {
			t.Errorf("%s: the id_token is lost", b.Name)
		}
	}
}

func TestRedTeam_E02_TenantTemplate(t *testing.T) {
	h := harness.Standard(t, edit(func(v *runtimeconfig.Vendor) { v.Target.IDTokenIssuer = v.Target.Issuer + "/{tid}/v2.0" }))
	const tid, other = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"
	token := func(issTenant string, tidClaim any) fakevendor.Behaviour {
		return fakevendor.Behaviour{Name: issTenant, IDToken: func(tk *fakevendor.IDToken) {
			tk.Claims["iss"] = h.Fake.Issuer() + "/" + issTenant + "/v2.0"
			tk.Claims["tid"] = tidClaim
		}}
	}
	r, _ := idTokenAt(t, h, token(tid, tid))
	wantTokens(t, "own tenant", r)
	for what, b := range map[string]fakevendor.Behaviour{
		"tid of another tenant": token(tid, other), "iss of another tenant": token(other, tid), "no tid": token(tid, nil), "tid is no GUID": token("../evil", "../evil"),
		"tid is the placeholder": token("{tid}", "{tid}"), "tid is empty": token("", ""), "tid is a list": token(tid, []any{tid}), "dashes": token(strings.Repeat("-", 36), strings.Repeat("-", 36)),
	} {
		r, _ := idTokenAt(t, h, b)
		wantIDTokenRefused(t, what, r)
	}
}

func TestRedTeam_E03_MoreAudiences(t *testing.T) {
	more := fakevendor.Behaviour{Name: "two audiences", IDToken: func(tk *fakevendor.IDToken) {
		tk.Claims["aud"], tk.Claims["azp"] = []any{harness.App, "https://api.acme.example"}, harness.App
	}}
	h := harness.Standard(t, harness.Setup{})
	r, _ := idTokenAt(t, h, more)
	wantIDTokenRefused(t, "not listed", r)
	h = harness.Standard(t, edit(func(v *runtimeconfig.Vendor) { v.Identity.Audiences = []string{"https://api.acme.example"} }))
	r, _ = idTokenAt(t, h, more)
	wantTokens(t, "listed", r)
	without := func(audiences ...any) fakevendor.Behaviour {
		return fakevendor.Behaviour{Name: "no azp", IDToken: func(tk *fakevendor.IDToken) {
			tk.Claims["aud"] = audiences
			delete(tk.Claims, "azp")
		}}
	}
	r, _ = idTokenAt(t, h, without("https://api.acme.example", harness.App))
	wantTokens(t, "listed, without azp", r)
	for what, audiences := range map[string][]any{"one not listed": {harness.App, "https://api.acme.example", "sibling"}, "only the listed one": {"https://api.acme.example"}, "without ours": {"https://api.acme.example", "sibling"}} {
		r, _ = idTokenAt(t, h, without(audiences...))
		wantIDTokenRefused(t, what, r)
	}
}

func TestRedTeam_E04_NonceOfAnotherLogin(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	var replay string
	keep := fakevendor.Behaviour{Name: "keep", Edit: func(a map[string]any) { replay, _ = a["id_token"].(string) }}
	r, _ := idTokenAt(t, h, keep)
	wantTokens(t, "first", r)
	// at_hash would refuse it too, so the access token is replayed along with it.
	access := r.Text("access_token")
	r, l := idTokenAt(t, h, fakevendor.Behaviour{Name: "replay", Edit: func(a map[string]any) { a["id_token"], a["access_token"] = replay, access }})
	wantIDTokenRefused(t, "replayed id_token", r)
	wantJSON(t, "the login is over", l.Redeem(), failure{http.StatusBadRequest, "invalid_grant"})
}

func TestRedTeam_E05_Leeway(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	now := func(d time.Duration) int64 { return h.Clock.Now().Add(d).Unix() }
	for _, c := range []struct {
		claim string
		by    time.Duration
		good  bool
	}{
		{"exp", -50 * time.Second, true}, {"exp", -70 * time.Second, false}, {"iat", 50 * time.Second, true}, {"iat", 70 * time.Second, false},
		{"nbf", 50 * time.Second, true}, {"nbf", 70 * time.Second, false},
	} {
		r, _ := idTokenAt(t, h, fakevendor.Claim(c.claim, now(c.by)))
		if c.good {
			wantTokens(t, c.claim, r)
		} else {
			wantIDTokenRefused(t, c.claim, r)
		}
	}
}

func TestRedTeam_E06_UnknownKeyFlood(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Options: harness.Options{Replicas: 1}})
	r, _ := idTokenAt(t, h, fakevendor.Behaviour{})
	wantTokens(t, "good", r)
	for range 20 {
		r, _ := idTokenAt(t, h, fakevendor.UnknownKey())
		wantIDTokenRefused(t, "unknown kid", r)
	}
	if n := h.Fake.Count(fakevendor.JWKS); n != 3 {
		t.Errorf("21 logins in one moment fetched the keys %d times, want 3", n)
	}
	r, _ = idTokenAt(t, h, fakevendor.Behaviour{})
	wantTokens(t, "good, after the flood", r)
}

func TestRedTeam_E07_BadKeySets(t *testing.T) {
	sets := fakevendor.BadKeySets()
	sets = append(sets, fakevendor.HugeKeySet(), fakevendor.Endless(), fakevendor.GzipBomb(), fakevendor.ResetConnection())
	h := harness.Standard(t, harness.Setup{Options: harness.Options{Replicas: 1}})
	sink := h.Fake.NewSink(t)
	sets = append(sets, fakevendor.RedirectTo(http.StatusFound, sink.URL+"/jwks"))
	for _, b := range sets {
		t.Run(b.Name, func(t *testing.T) {
			h := harness.Standard(t, harness.Setup{Options: harness.Options{Replicas: 1}})
			h.Fake.Set(fakevendor.JWKS, b)
			r, _ := idTokenAt(t, h, fakevendor.Behaviour{})
			wantIDTokenRefused(t, b.Name, r)
		})
	}
	if got := sink.Requests(); len(got) != 0 {
		t.Error("the redirect of the key set was followed")
	}
}

func TestRedTeam_E07_ShortRSAKeysFromTheStart(t *testing.T) {
	for _, b := range fakevendor.BadIDTokens("https://elsewhere.example") {
		if !strings.HasPrefix(b.Name, "RSA key of") {
			continue
		}
		h := harness.Standard(t, harness.Setup{Options: harness.Options{Replicas: 1}})
		r, _ := idTokenAt(t, h, b) // the key is in the first set that the broker sees
		wantIDTokenRefused(t, b.Name, r)
	}
}

func TestRedTeam_E09_IdentityIsIssuerAndSubject(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	b := fakevendor.Behaviour{Name: "unverified", IDToken: func(tk *fakevendor.IDToken) {
		tk.Claims["email"], tk.Claims["email_verified"] = "victim@example.com", false
	}}
	r, l := idTokenAt(t, h, b)
	wantTokens(t, "unverified email", r)
	if r.Text("id_token") == "" {
		t.Error("the id_token is not the vendor's")
	}
	refresh := r.Text("refresh_token")
	// The same email with another sub is another person.
	h.Fake.Set(fakevendor.Refresh, fakevendor.Behaviour{Name: "other sub", IDToken: func(tk *fakevendor.IDToken) {
		tk.Claims["sub"], tk.Claims["email"], tk.Claims["email_verified"] = "attacker", "victim@example.com", true
	}})
	wantIDTokenRefused(t, "other subject at refresh", l.Refresh(refresh))
	h.Fake.Behave()
	wantTokens(t, "same subject at refresh", l.Refresh(refresh))
}

func TestRedTeam_E10_AccessTokenHash(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	swapped := fakevendor.Member("access_token", "another-access-token")
	r, _ := idTokenAt(t, h, swapped)
	wantIDTokenRefused(t, "access token was swapped", r)
	if b, err := json.Marshal(r.JSON()); err != nil || strings.Contains(string(b), "another-access-token") {
		t.Error("the swapped token came through")
	}
}

// TestIDToken_required: a vendor that has to send an ID token does, in logins that
// ask for one. Nobody may take it out on the way.
func TestIDToken_required(t *testing.T) {
	without := fakevendor.Behaviour{Name: "no id_token", Edit: func(a map[string]any) { delete(a, "id_token") }}
	for mode, refused := range map[runtimeconfig.IDTokenMode]bool{runtimeconfig.IDTokenRequired: true, runtimeconfig.IDTokenValidated: false} {
		h := harness.Standard(t, edit(func(v *runtimeconfig.Vendor) { v.Identity.IDToken = mode }))
		r, _ := idTokenAt(t, h, fakevendor.Behaviour{})
		wantTokens(t, "with an id_token", r)
		if r, _ = idTokenAt(t, h, without); refused {
			wantIDTokenRefused(t, "without an id_token", r)
		} else {
			wantTokens(t, "without an id_token", r)
		}
		l := h.NewLogin(harness.PublicClient)
		l.Walk()
		r = l.Redeem()
		wantTokens(t, "a login that did not ask for one", r)
		h.Fake.Set(fakevendor.Refresh, without)
		wantTokens(t, "a refresh without an id_token", l.Refresh(r.Text("refresh_token")))
	}
}

// TestIDToken_nothingToCheckWith: an ID token that cannot be validated is not handed
// on, even one that names no issuer where none is configured.
func TestIDToken_nothingToCheckWith(t *testing.T) {
	for what, change := range map[string]func(*runtimeconfig.Target){
		"no issuer": func(target *runtimeconfig.Target) { target.Issuer = "" },
		"no jwks":   func(target *runtimeconfig.Target) { target.Endpoints.JWKS = "" },
	} {
		h := harness.Standard(t, edit(func(v *runtimeconfig.Vendor) { change(v.Target) }))
		for _, b := range []fakevendor.Behaviour{{}, {Name: "no iss", IDToken: func(tk *fakevendor.IDToken) { delete(tk.Claims, "iss") }}} {
			r, _ := idTokenAt(t, h, b)
			wantIDTokenRefused(t, what+", "+b.Name, r)
		}
		if n := h.Fake.Count(fakevendor.JWKS); n != 0 {
			t.Errorf("%s: keys were fetched %d times", what, n)
		}
	}
}
