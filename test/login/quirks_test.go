// SPDX-License-Identifier: Apache-2.0

package login_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// Some vendors write what they leave out, and some a byte order mark before it.
func TestLogin_emptyMembers(t *testing.T) {
	empty := fakevendor.Behaviour{Name: "empty members", Edit: func(a map[string]any) { a["refresh_token"], a["id_token"], a["error"] = "", "", "" }}
	h := harness.Standard(t, harness.Setup{})
	l := h.Login(harness.WebClient)
	token := good(t, l.Redeem()).Text("refresh_token")
	h.Fake.Set(fakevendor.Refresh, empty)
	if r := good(t, l.Refresh(token)); !strings.HasPrefix(r.Text("refresh_token"), "obr1.") || r.JSON()["id_token"] != nil {
		t.Errorf("the refresh token in use is lost: %s", r.Body)
	}
	h.Fake.Set(fakevendor.Token, empty)
	if r := good(t, h.Login(harness.WebClient).Redeem()); r.JSON()["refresh_token"] != nil {
		t.Errorf("a refresh token was made of nothing: %s", r.Body)
	}
	h.Fake.Set(fakevendor.Token, fakevendor.JSON(http.StatusOK, "\ufeff"+`{"access_token":"a","token_type":"Bearer"}`))
	good(t, h.Login(harness.WebClient).Redeem())
}

// Shopify writes fractions
// (https://gitlab.com/perobertson/shopify-requests/-/merge_requests/14).
func TestLogin_fractionOfRetryAfter(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.Login(harness.WebClient)
	token := good(t, l.Redeem()).Text("refresh_token")
	h.Fake.Set(fakevendor.Refresh, fakevendor.RetryLater(http.StatusTooManyRequests, "2.0"))
	if r := l.Refresh(token); r.Status != http.StatusServiceUnavailable || r.Header.Get("Retry-After") != "2" {
		t.Errorf("%d, Retry-After %q", r.Status, r.Header.Get("Retry-After"))
	}
}

// What tells a client to sign in again is not always called invalid_grant:
// https://learn.microsoft.com/en-us/javascript/api/@azure/msal-node/interactionrequiredautherrorcodes,
// https://nango.dev/blog/hubspot-oauth-bad-refresh-token,
// https://developer.squareup.com/forums/t/getting-error-while-renew-token/11056.
func TestLogin_refreshTokenThatIsDead(t *testing.T) {
	for _, c := range []struct {
		status           int
		path, when, body string
	}{
		{400, "", "", `{"error":"interaction_required","suberror":"basic_action"}`},
		{400, "", "", `{"error":"consent_required"}`},
		{400, "", "", `{"error":"login_required"}`},
		{400, "status", "BAD_REFRESH_TOKEN", `{"status":"BAD_REFRESH_TOKEN","message":"missing or invalid refresh token"}`},
		{401, "message", "Invalid refresh token", `{"message":"Invalid refresh token","type":"service.not_authorized"}`},
	} {
		h := harness.Standard(t, harness.Setup{Edit: vendor(func(v *runtimeconfig.Vendor) {
			v.TokenResponse.ErrorPath, v.TokenResponse.ErrorEquals, v.TokenResponse.ErrorCodePath = c.path, c.when, c.path
		})})
		l := h.Login(harness.WebClient)
		token := good(t, l.Redeem()).Text("refresh_token")
		h.Fake.Set(fakevendor.Refresh, fakevendor.JSON(c.status, c.body))
		refused(t, c.body, l.Refresh(token), failure{http.StatusBadRequest, "invalid_grant"})
	}
}

// Key sets of real vendors: certificates that are none, or of another key, padded
// numbers, and keys that nobody here can use
// (https://github.com/MicahParks/jwkset/issues/55, https://github.com/MicahParks/keyfunc/issues/150,
// https://github.com/coreos/go-oidc/issues/459, https://github.com/coreos/go-oidc/issues/142).
func TestLogin_keySetsAsVendorsWriteThem(t *testing.T) {
	for name, odd := range map[string]map[string]any{
		"x5c of a public key":      {"x5c": []string{"LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0K"}},
		"x5c of nothing":           {"x5c": []string{""}, "crv": "", "exp": ""},
		"x5t that is the kid":      {"x5t": "2c8b75c6cf9ea295ecff34f4da7a0b91"},
		"x5t#S256 that is no hash": {"x5t#S256": "x"},
		"x5u that is no URL":       {"x5u": "::"},
		"an issuer and nulls":      {"issuer": "https://login.acme.example/{tenantid}/v2.0", "alg": nil, "use": nil, "x5c": nil},
	} {
		h := harness.Standard(t, harness.Setup{})
		h.Fake.Set(fakevendor.JWKS, fakevendor.Answer(http.StatusOK, "text/plain", keySet(t, h, odd)))
		l := h.NewLogin(harness.WebClient)
		l.Params.Set("scope", "openid")
		l.Walk()
		if r := l.Redeem(); r.Status != http.StatusOK {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
}

// keySet is the fake vendor's key set with odd members in each of its keys, whose
// numbers are padded, among keys of other kinds.
func keySet(t *testing.T, h *harness.Harness, odd map[string]any) string {
	t.Helper()
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal([]byte(h.Send(http.MethodGet, h.Fake.URL(fakevendor.JWKS), "", nil).Body), &set); err != nil {
		t.Fatal(err)
	}
	for _, key := range set.Keys {
		maps.Copy(key, odd)
		for _, name := range []string{"n", "e", "x", "y"} {
			if v, ok := key[name].(string); ok {
				key[name] = v + strings.Repeat("=", (4-len(v)%4)%4)
			}
		}
	}
	set.Keys = append([]map[string]any{
		nil, {}, {"kty": "oct", "k": "AAAA", "kid": "rsa-1"}, {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
		{"kty": "OKP", "crv": "X25519", "x": "AA"}, {"kty": "AKP", "alg": "ML-DSA-65", "pub": "AA"},
	}, set.Keys...)
	b, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Entra ID never lists offline_access (https://learn.microsoft.com/en-us/answers/questions/806413)
// and wants it again at a refresh (https://learn.microsoft.com/en-us/answers/a/1898617);
// Google writes "email" as a URL (https://github.com/googleapis/google-api-python-client/pull/1088).
func TestLogin_refreshScopeThatTheVendorDoesNotList(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Edit: vendor(func(v *runtimeconfig.Vendor) { v.Scopes.Always = []string{"offline_access"} })})
	h.Fake.Set(fakevendor.Token, fakevendor.Behaviour{Name: "lists less", Edit: func(a map[string]any) { a["scope"] = "openid profile" }})
	l := h.NewLogin(harness.WebClient)
	l.Params.Set("scope", "openid email profile")
	l.Walk()
	token := good(t, l.Redeem()).Text("refresh_token")
	for range 2 { // also with the refresh token of a refresh
		for asked, sent := range map[string]string{
			"": "openid profile offline_access", "openid email": "openid email", "profile offline_access": "profile offline_access",
		} {
			token = good(t, l.Refresh(token, "scope", asked)).Text("refresh_token")
			if got := h.Fake.Last(fakevendor.Refresh).Form.Get("scope"); got != sent {
				t.Errorf("%q: the vendor was asked for %q, want %q", asked, got, sent)
			}
		}
	}
	before := h.Fake.Count(fakevendor.Refresh)
	refused(t, "wider", l.Refresh(token, "scope", "openid admin"), failure{http.StatusBadRequest, "invalid_scope"})
	if h.Fake.Count(fakevendor.Refresh) != before {
		t.Error("the vendor was asked for a wider scope")
	}
}

// A vendor's answer may hold more than OAuth has, in any encoding: Google adds
// authuser, hd and prompt, Keycloak session_state, Facebook a message with its error.
func TestLogin_answersWithMoreThanOAuthHas(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Edit: vendor(func(v *runtimeconfig.Vendor) { v.Callback.CaptureParameters = []string{"realmId"} })})
	for _, more := range []string{
		"session_state=x.y", "scope=email%20profile+https://www.googleapis.com/auth/userinfo.email&authuser=0&hd=acme.example&prompt=consent",
		"scope=a&scope=b", "team=Caf%E9", "message=a%0D%0Ab", "x=a;b", "n=100%", "n=%zz&n=1", "flag", "=", "&&", "resource=a&resource=b", "realmId=1&realmId=2", "realmId=%00",
	} {
		l := h.NewLogin(harness.WebClient)
		back := l.Browser.Get(l.Authorize().Location.String())
		l.Code = l.Browser.Get(back.Location.String() + "&" + more).Query("code")
		if r := l.Redeem(); r.Status != http.StatusOK || r.JSON()["vendor_callback"] != nil {
			t.Errorf("%s: %d %s", more, r.Status, r.Body)
		}
	}
}

// A code at another place is held to the same: twice is none.
func TestLogin_codeTwiceAtAnotherPlace(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Edit: vendor(func(v *runtimeconfig.Vendor) { v.Callback.CodeParameter = "auth_code" })})
	l := h.NewLogin(harness.WebClient)
	state := l.Authorize().Query("state")
	r := l.Browser.Get(harness.PublicURL + "/v1/callback?auth_code=a&auth_code=b&state=" + state)
	if r.Status != http.StatusBadRequest || r.Location != nil {
		t.Errorf("%d %v", r.Status, r.Location)
	}
}

// A vendor that cannot revoke such tokens is not asked for ever (RFC 7009 section
// 2.2.1): https://workos.com/docs/reference/workos-connect/revocation has refresh
// tokens only.
func TestLogin_revocationThatTheVendorHasNot(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	d := h.Document()
	d.Vendors[0].Revocation, d.Vendors[0].Target.Endpoints.Revocation = runtimeconfig.Revocation{Style: "RFC7009", TokenParameter: "token"}, h.Fake.URL(fakevendor.Revocation)
	h.Apply(d)
	l := h.Login(harness.WebClient)
	form := url.Values{"token": {good(t, l.Redeem()).Text("refresh_token")}}
	address := strings.TrimSuffix(l.TokenURL, "/token") + "/revoke"
	for code, want := range map[string]failure{
		"unsupported_token_type": {http.StatusBadRequest, "unsupported_token_type"}, "invalid_request": {http.StatusServiceUnavailable, "temporarily_unavailable"},
	} {
		h.Fake.Set(fakevendor.Revocation, fakevendor.OAuthError(http.StatusBadRequest, code))
		refused(t, code, h.Token(address, form, h.Auth(harness.WebClient)), want)
	}
}
