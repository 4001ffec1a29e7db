// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

const (
	revokeURL     = issuer + "/revoke"
	introspectURL = issuer + "/introspect"
	ownApp        = "own-app"
	ownSecret     = "own-app-secret-0123456789"
)

// revoking is a Setup of a vendor that revokes in one style.
func revoking(r runtimeconfig.Revocation, change func(v *runtimeconfig.Vendor)) harness.Setup {
	if r.TokenParameter == "" {
		r.TokenParameter = "token"
	}
	if r.Tokens == "" {
		r.Tokens = "Both"
	}
	s := harness.Setup{Vendor: fakevendor.Options{Manners: fakevendor.Manners{Revocation: fakevendor.RevocationManner{
		Style: r.Style, Tokens: r.Tokens, TokenParameter: r.TokenParameter, ClientCredentials: r.ClientCredentials, WholeGrant: r.WholeGrant,
	}}}}
	s.Vendor.Clients = []fakevendor.Client{
		{ID: harness.App, Secret: harness.AppSecret, RedirectURIs: harness.Callbacks(harness.VendorName)},
		{ID: ownApp, Secret: ownSecret, RedirectURIs: harness.Callbacks(harness.VendorName)},
	}
	s.Edit = func(d *runtimeconfig.Document) {
		v := &d.Vendors[0]
		v.Revocation, v.Introspection = r, true
		endpoint, _, _ := strings.Cut(v.Target.Endpoints.Token, "/token")
		v.Target.Endpoints.Revocation, v.Target.Endpoints.Introspection = endpoint+"/revoke", endpoint+"/introspect"
		if change != nil {
			change(v)
		}
	}
	return s
}

// withOwnApp adds a credential of the clients' own namespace.
func withOwnApp(s harness.Setup) harness.Setup {
	edit := s.Edit
	s.Edit = func(d *runtimeconfig.Document) {
		edit(d)
		d.Credentials = append(d.Credentials, harness.BYOC(harness.Namespace, harness.VendorName, ownApp, ownSecret))
	}
	return s
}

// tokensOf walks a login of a client and returns its token answer.
func tokensOf(t *testing.T, h *harness.Harness, client string) (l *harness.Login, access, refresh string) {
	t.Helper()
	l = h.Login(client)
	r := l.Redeem()
	wantTokens(t, client, r)
	return l, r.Text("access_token"), r.Text("refresh_token")
}

func revoke(t *testing.T, h *harness.Harness, client, token string, more ...string) *harness.Response {
	t.Helper()
	form := url.Values{"token": {token}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Add(more[i], more[i+1])
	}
	return h.Token(revokeURL, form, h.Auth(client))
}

// wantRevoked: 200 with nothing in it.
func wantRevoked(t *testing.T, what string, r *harness.Response) {
	t.Helper()
	if r.Status != http.StatusOK || r.Body != "" || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: got %d %q, want an empty 200", what, r.Status, r.Body)
	}
}

func rfc7009() runtimeconfig.Revocation { return runtimeconfig.Revocation{Style: "RFC7009"} }

// Every style of the API, as the vendors have it.
func TestRedTeam_G12_RevocationStyles(t *testing.T) {
	bearer := func(token string) string { return "Bearer " + token }
	app := basicHeader(harness.App, harness.AppSecret)
	for what, c := range map[string]struct {
		revocation    runtimeconfig.Revocation
		clientAuth    runtimeconfig.ClientAuthMethod
		path          string
		method        string
		authorization func(token string) string
		body          func(token string) string
	}{
		"RFC 7009, basic": {rfc7009(), runtimeconfig.AuthBasic, "/revoke", http.MethodPost, func(string) string { return app }, func(token string) string { return "token=" + token + "&token_type_hint=refresh_token" }},
		"RFC 7009, post": {rfc7009(), runtimeconfig.AuthPost, "/revoke", http.MethodPost, nil, func(token string) string {
			return "token=" + token + "&token_type_hint=refresh_token&client_id=" + harness.App + "&client_secret=" + harness.AppSecret
		}},
		"unauthenticated": {runtimeconfig.Revocation{Style: "RFC7009Unauthenticated"}, runtimeconfig.AuthBasic, "/revoke", http.MethodPost, nil, func(token string) string { return "token=" + token + "&token_type_hint=refresh_token" }},
		"bearer":          {runtimeconfig.Revocation{Style: "BearerSelf"}, runtimeconfig.AuthBasic, "/revoke", http.MethodPost, bearer, nil},
		"JSON":            {runtimeconfig.Revocation{Style: "JSONBody", TokenParameter: "refresh_token", ClientCredentials: "Basic"}, runtimeconfig.AuthPost, "/revoke", http.MethodPost, func(string) string { return app }, func(token string) string { return `{"refresh_token":"` + token + `"}` }},
		"JSON, credentials in it": {runtimeconfig.Revocation{Style: "JSONBody", ClientCredentials: "Body"}, runtimeconfig.AuthBasic, "/revoke", http.MethodPost, nil, func(token string) string {
			return `{"client_id":"` + harness.App + `","client_secret":"` + harness.AppSecret + `","token":"` + token + `"}`
		}},
		"DELETE of JSON":   {runtimeconfig.Revocation{Style: "DeleteJSON", TokenParameter: "access_token", ClientCredentials: "Basic"}, runtimeconfig.AuthPost, "/revoke", http.MethodDelete, func(string) string { return app }, func(token string) string { return `{"access_token":"` + token + `"}` }},
		"DELETE of a path": {runtimeconfig.Revocation{Style: "DeletePath", ClientCredentials: "Omitted"}, runtimeconfig.AuthPost, "/revoke/", http.MethodDelete, nil, nil},
	} {
		h := harness.Standard(t, revoking(c.revocation, func(v *runtimeconfig.Vendor) { v.ClientAuth.Method = c.clientAuth }))
		l, _, refresh := tokensOf(t, h, harness.WebClient)
		wantRevoked(t, what, revoke(t, h, l.Client, refresh))
		got := h.Fake.Last(fakevendor.Revocation)
		vendors := vendorsTokenIn(h, got, c.path)
		wantAuthorization, wantBody := "", ""
		if c.authorization != nil {
			wantAuthorization = c.authorization(vendors)
		}
		if c.body != nil {
			wantBody = c.body(vendors)
		}
		if got.Method != c.method || !strings.HasPrefix(got.Path, c.path) || got.Header.Get("Authorization") != wantAuthorization || string(got.Body) != wantBody {
			t.Errorf("%s: the vendor got %s %s\n%q\n%s\nwant\n%q\n%s", what, got.Method, got.Path, got.Header.Get("Authorization"), got.Body, wantAuthorization, wantBody)
		}
		if n := h.Fake.Stats().Revocations; n != 1 {
			t.Errorf("%s: %d revocations", what, n)
		}
		wantJSON(t, what+", refresh", l.Refresh(refresh), failure{http.StatusBadRequest, "invalid_grant"})
		wantRevoked(t, what+", again", revoke(t, h, l.Client, refresh))
	}
}

// vendorsTokenIn is the vendor's own token in a revocation, wherever it stands.
func vendorsTokenIn(_ *harness.Harness, r fakevendor.Request, path string) string {
	text := r.Header.Get("Authorization") + " " + string(r.Body) + " " + strings.TrimPrefix(r.Path, path)
	_, after, _ := strings.Cut(text, "vendor-refresh-")
	end := strings.IndexFunc(after, func(c rune) bool { return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", c) })
	if end < 0 {
		end = len(after)
	}
	return "vendor-refresh-" + after[:end]
}

// A token that stands in a path stays one segment of it.
func TestRedTeam_G12_TokenStaysInItsPlace(t *testing.T) {
	s := withOwnApp(revoking(runtimeconfig.Revocation{Style: "DeletePath", ClientCredentials: "Omitted"}, nil))
	h := harness.Standard(t, s)
	for _, token := range []string{"..", ".", "../token", "a/../../token", "a?b=c", "a#b", "%2e%2e", "a b", `a\b`, "//evil.example/x"} {
		h.Fake.Forget()
		wantRevoked(t, token, revoke(t, h, harness.WebClient, token))
		all := h.Fake.Requests()
		if len(all) != 1 || all[0].Endpoint != fakevendor.Revocation || all[0].Path != "/revoke/"+token || len(all[0].Query) != 0 {
			t.Errorf("%q leads to %+v", token, all)
		}
	}
}

func TestRedTeam_G12_TokenOfAnotherClient(t *testing.T) {
	h := harness.Standard(t, revoking(rfc7009(), nil))
	l, access, refresh := tokensOf(t, h, harness.WebClient)
	for _, thief := range []string{harness.PublicClient, harness.KeyClient} {
		form := url.Values{"token": {refresh}}
		auth := h.Auth(thief)
		wantRevoked(t, thief, h.Token(revokeURL, form, auth))
	}
	if h.Fake.Count(fakevendor.Revocation) != 0 || !h.Fake.AccessTokenWorks(access) {
		t.Error("another client's token was revoked")
	}
	if !strings.Contains(h.Logs(), `"outcome":"foreign_token"`) {
		t.Error("the log does not tell of it")
	}
	wantTokens(t, "the owner's refresh", l.Refresh(refresh))
	wantRevoked(t, "the owner", revoke(t, h, l.Client, refresh))
	if h.Fake.Count(fakevendor.Revocation) != 1 {
		t.Error("the owner's token was not revoked")
	}
}

func TestRedTeam_G13_UnknownTokensAndHints(t *testing.T) {
	h := harness.Standard(t, revoking(rfc7009(), nil))
	l, _, refresh := tokensOf(t, h, harness.WebClient)
	for _, token := range []string{"obr1.x.y", refresh + "A", strings.Replace(refresh, "obr1.", "obc1.", 1), l.Code, "obi1.x.y"} {
		wantRevoked(t, token[:6], revoke(t, h, l.Client, token))
	}
	// A vendor's token on a shared credential may be any client's: nobody is asked.
	wantJSON(t, "a vendor's token", revoke(t, h, l.Client, "vendor-access-of-somebody"), failure{http.StatusBadRequest, "unsupported_token_type"})
	if n := h.Fake.Count(fakevendor.Revocation); n != 0 {
		t.Errorf("the vendor was called %d times", n)
	}
	for _, hint := range []string{"access_token", "nonsense"} {
		_, _, refresh := tokensOf(t, h, harness.WebClient)
		wantRevoked(t, hint, revoke(t, h, l.Client, refresh, "token_type_hint", hint))
		if got := h.Fake.Last(fakevendor.Revocation).Form.Get("token_type_hint"); got != "refresh_token" {
			t.Errorf("%s: the vendor was told %q", hint, got)
		}
	}
	if n := h.Fake.Stats().Revocations; n != 2 {
		t.Errorf("%d revocations", n)
	}
}

func TestRedTeam_G13_OddRequests(t *testing.T) {
	h := harness.Standard(t, revoking(rfc7009(), nil))
	_, _, refresh := tokensOf(t, h, harness.WebClient)
	basic := basicHeader(harness.WebClient, harness.WebSecret)
	for _, address := range []string{revokeURL, introspectURL} {
		for what, c := range map[string]struct {
			body string
			kind string
			want failure
		}{
			"no token": {"x=y", "application/x-www-form-urlencoded", failure{400, "invalid_request"}}, "token twice": {"token=a&token=b", "application/x-www-form-urlencoded", failure{400, "invalid_request"}},
			"JSON": {`{"token":"a"}`, "application/json", failure{415, "invalid_request"}}, "another vendor": {"token=a&vendor=evil", "application/x-www-form-urlencoded", failure{400, "invalid_request"}},
		} {
			wantJSON(t, what, h.Send(http.MethodPost, address, c.body, http.Header{"Content-Type": {c.kind}, "Authorization": {basic}}), c.want)
		}
		wantJSON(t, "in the address", h.Token(address+"?token="+refresh, url.Values{}, h.Auth(harness.WebClient)), failure{http.StatusBadRequest, "invalid_request"})
		wantJSON(t, "wrong secret", h.Token(address, url.Values{"token": {refresh}}, harness.Basic(harness.WebClient, "wrong-client-secret-0123456789")), failure{http.StatusUnauthorized, "invalid_client"})
		wantJSON(t, "no client", h.Token(address, url.Values{"token": {refresh}}, nil), failure{http.StatusUnauthorized, "invalid_client"})
		if r := h.Send(http.MethodGet, address, "", http.Header{}); r.Status != http.StatusMethodNotAllowed {
			t.Errorf("GET: %d", r.Status)
		}
	}
	if n := h.Fake.Count(fakevendor.Revocation) + h.Fake.Count(fakevendor.Introspection); n != 0 {
		t.Errorf("the vendor was called %d times", n)
	}
}

// The answer is true: what was not revoked is not said to be.
func TestRedTeam_G14_VendorDoesNotRevoke(t *testing.T) {
	h := harness.Standard(t, revoking(rfc7009(), func(v *runtimeconfig.Vendor) {
		v.TokenResponse.ErrorPath, v.TokenResponse.ErrorEquals, v.TokenResponse.ErrorCodePath = "ok", "false", "error"
	}))
	l, _, refresh := tokensOf(t, h, harness.WebClient)
	sink := h.Fake.NewSink(t)
	for _, b := range []fakevendor.Behaviour{
		fakevendor.RetryLater(503, "9"), fakevendor.RetryLater(429, "9"), fakevendor.JSON(500, `{"error":"server_error"}`), fakevendor.ResetConnection(), fakevendor.OAuthError(401, "invalid_client"), fakevendor.OAuthError(400, "invalid_request"),
		fakevendor.JSON(200, `{"ok":false,"error":"internal_error"}`), fakevendor.JSON(200, `{"ok":false,"error":"invalid_auth"}`), fakevendor.JSON(200, `{"ok":false}`), fakevendor.Answer(404, "text/html", "nothing here"), fakevendor.RedirectTo(307, sink.URL),
		fakevendor.Answer(202, "text/plain", ""), fakevendor.JSON(400, "{"),
	} {
		h.Fake.Set(fakevendor.Revocation, b)
		r := revoke(t, h, l.Client, refresh)
		wantJSON(t, b.Name, r, failure{http.StatusServiceUnavailable, "temporarily_unavailable"})
		if later := r.Header.Get("Retry-After") == "9"; later != strings.Contains(b.Name, "Retry-After") {
			t.Errorf("%s: Retry-After = %q", b.Name, r.Header.Get("Retry-After"))
		}
	}
	if n := len(sink.Requests()); n != 0 {
		t.Errorf("%d requests at another host", n)
	}
	// These mean that the token was not valid any more.
	for _, b := range []fakevendor.Behaviour{
		fakevendor.OAuthError(400, "invalid_grant"), fakevendor.JSON(200, `{"ok":false,"error":"token_revoked"}`), fakevendor.OAuthError(400, "invalid_token"), fakevendor.Answer(204, "text/plain", ""), fakevendor.Answer(200, "text/html", "bye"),
	} {
		h.Fake.Set(fakevendor.Revocation, b)
		wantRevoked(t, b.Name, revoke(t, h, l.Client, refresh))
	}
	h.Fake.Behave()
	wantTokens(t, "nothing was revoked", l.Refresh(refresh))
}

func TestRedTeam_G14_StatusesOfTheVendor(t *testing.T) {
	r := rfc7009()
	r.SuccessStatus, r.GoneStatus = []int{202}, []int{404, 422}
	h := harness.Standard(t, revoking(r, nil))
	l, _, refresh := tokensOf(t, h, harness.WebClient)
	for _, status := range []int{202, 404, 422} {
		h.Fake.Set(fakevendor.Revocation, fakevendor.Answer(status, "text/plain", ""))
		wantRevoked(t, http.StatusText(status), revoke(t, h, l.Client, refresh))
	}
}

// A 401 tells of the app's credentials only where they were shown.
func TestRedTeam_G14_WhoWasRefused(t *testing.T) {
	for style, wantCounted := range map[string]bool{"RFC7009": true, "BearerSelf": false} {
		h := harness.Standard(t, revoking(runtimeconfig.Revocation{Style: style}, nil))
		l, _, refresh := tokensOf(t, h, harness.WebClient)
		h.Fake.Set(fakevendor.Revocation, fakevendor.Answer(http.StatusUnauthorized, "text/plain", ""))
		wantJSON(t, style, revoke(t, h, l.Client, refresh), failure{http.StatusServiceUnavailable, "temporarily_unavailable"})
		if counted := strings.Contains(h.Metrics(), "oauth_broker_credential_refusals_total{"); counted != wantCounted {
			t.Errorf("%s: counted as a refused credential: %v, want %v", style, counted, wantCounted)
		}
	}
}

func TestRedTeam_G14_NoRevocation(t *testing.T) {
	for what, c := range map[string]struct {
		revocation runtimeconfig.Revocation
		change     func(v *runtimeconfig.Vendor)
	}{
		"none":        {runtimeconfig.Revocation{Style: "None"}, nil},
		"not said":    {runtimeconfig.Revocation{}, nil},
		"no endpoint": {rfc7009(), func(v *runtimeconfig.Vendor) { v.Target.Endpoints.Revocation = "" }},
		"access only": {runtimeconfig.Revocation{Style: "RFC7009", Tokens: "Access"}, nil},
	} {
		h := harness.Standard(t, revoking(c.revocation, c.change))
		l, _, refresh := tokensOf(t, h, harness.WebClient)
		wantJSON(t, what, revoke(t, h, l.Client, refresh), failure{http.StatusBadRequest, "unsupported_token_type"})
		if n := h.Fake.Count(fakevendor.Revocation); n != 0 {
			t.Errorf("%s: the vendor was called", what)
		}
		wantTokens(t, what, l.Refresh(refresh))
	}
}

// One client's revocation ends one token. Where it would end the user's whole
// grant, it is refused on a shared app.
func TestRedTeam_G15_Siblings(t *testing.T) {
	h := harness.Standard(t, revoking(rfc7009(), nil))
	a, _, refreshA := tokensOf(t, h, harness.WebClient)
	b, accessB, refreshB := tokensOf(t, h, harness.PublicClient)
	wantRevoked(t, "a", revoke(t, h, a.Client, refreshA))
	if !h.Fake.AccessTokenWorks(accessB) {
		t.Error("the sibling's access token died")
	}
	wantTokens(t, "the sibling", b.Refresh(refreshB))

	whole := runtimeconfig.Revocation{Style: "RFC7009", WholeGrant: true, SharedDenied: true}
	h = harness.Standard(t, revoking(whole, nil))
	a, _, refreshA = tokensOf(t, h, harness.WebClient)
	wantJSON(t, "shared", revoke(t, h, a.Client, refreshA), failure{http.StatusBadRequest, "unsupported_token_type"})
	if n := h.Fake.Count(fakevendor.Revocation); n != 0 {
		t.Errorf("the vendor was called %d times", n)
	}
	wantTokens(t, "shared", a.Refresh(refreshA))

	h = harness.Standard(t, withOwnApp(revoking(whole, nil)))
	a, _, refreshA = tokensOf(t, h, harness.WebClient)
	wantRevoked(t, "own app", revoke(t, h, a.Client, refreshA))
}

// A vendor's own tokens count only from a client that authenticates, on the app
// of its own namespace: there all of them are its own.
func TestRedTeam_G12_VendorsTokens(t *testing.T) {
	h := harness.Standard(t, withOwnApp(revoking(rfc7009(), nil)))
	l, access, _ := tokensOf(t, h, harness.WebClient)
	wantJSON(t, "a public client", revoke(t, h, harness.PublicClient, access), failure{http.StatusBadRequest, "unsupported_token_type"})
	if n := h.Fake.Count(fakevendor.Revocation); n != 0 {
		t.Errorf("the vendor was called %d times", n)
	}
	wantRevoked(t, "the owner", revoke(t, h, l.Client, access))
	if got := h.Fake.Last(fakevendor.Revocation); got.ClientID != ownApp || got.Form.Get("token_type_hint") != "access_token" || h.Fake.AccessTokenWorks(access) {
		t.Errorf("the vendor got %s of %s", got.Body, got.ClientID)
	}
	for hint, want := range map[string]string{"refresh_token": "refresh_token", "access_token": "access_token", "nonsense": "access_token"} {
		wantRevoked(t, hint, revoke(t, h, l.Client, "a-token-of-the-vendor", "token_type_hint", hint))
		if got := h.Fake.Last(fakevendor.Revocation).Form.Get("token_type_hint"); got != want {
			t.Errorf("%s: the vendor was told %q", hint, got)
		}
	}
}

// What a client may not use any more it may be given again. So its token is revoked
// all the same, and 200 is said only where that came about.
func TestRedTeam_G14_NothingIsRevokedInName(t *testing.T) {
	s := withOwnApp(revoking(rfc7009(), nil))
	shared := revoking(rfc7009(), nil)
	for what, c := range map[string]struct {
		change  func(d *runtimeconfig.Document)
		revoked bool
	}{
		"credential not ready":         {func(d *runtimeconfig.Document) { d.Credentials[0].NotReady = "SecretNotFound" }, false},
		"shared use withdrawn":         {func(d *runtimeconfig.Document) { d.Vendors[0].SharedUse = runtimeconfig.NamespaceSet{} }, true},
		"vendor taken from the client": {func(d *runtimeconfig.Document) { d.Clients[1].Vendors = nil }, true},
		"own app meanwhile":            {func(d *runtimeconfig.Document) { s.Edit(d) }, true},
		"own app, not ready": {func(d *runtimeconfig.Document) {
			s.Edit(d)
			d.Credentials[1].NotReady = "SecretNotFound"
		}, true},
	} {
		h := harness.Standard(t, shared)
		l, access, refresh := tokensOf(t, h, harness.WebClient)
		d := h.Document()
		shared.Edit(&d)
		c.change(&d)
		h.Apply(d)
		if r := introspect(h, refresh, h.Auth(l.Client)); r.Text("active") != "" || strings.Contains(r.Body, "true") || h.Fake.Count(fakevendor.Introspection) != 0 {
			t.Errorf("%s: introspection: %d %s", what, r.Status, r.Body)
		}
		r := revoke(t, h, l.Client, refresh)
		if !c.revoked {
			wantJSON(t, what, r, failure{http.StatusServiceUnavailable, "temporarily_unavailable"})
		} else {
			wantRevoked(t, what, r)
		}
		if h.Fake.AccessTokenWorks(access) == c.revoked {
			t.Errorf("%s: answered %d; tokens that work: %v", what, r.Status, !c.revoked)
		}
	}
}

// A tenant's app is taken away: nothing that it made goes on.
func TestRedTeam_G16_CredentialDeleted(t *testing.T) {
	h := harness.Standard(t, withOwnApp(revoking(rfc7009(), nil)))
	l, access, refresh := tokensOf(t, h, harness.WebClient)
	code, flight := h.Login(harness.WebClient), h.NewLogin(harness.WebClient)
	toVendor := flight.Authorize()
	d := h.Document()
	d.Vendors[0].Revocation, d.Vendors[0].Target.Endpoints.Revocation = rfc7009(), h.Fake.URL(fakevendor.Revocation)
	for what, credentials := range map[string][]runtimeconfig.Credential{
		"gone": {d.Credentials[0]}, "made anew": {d.Credentials[0], {
			Source: runtimeconfig.SourceBYOC, Namespace: harness.Namespace, Name: ownApp, UID: "uid-new", Vendor: harness.VendorName, Default: true, ClientID: ownApp, ClientSecret: secret.New(ownSecret),
		}},
	} {
		d.Credentials = credentials
		h.Apply(d)
		h.Fake.Forget()
		wantJSON(t, what+": refresh", l.Refresh(refresh), failure{http.StatusBadRequest, "invalid_grant"})
		wantJSON(t, what+": code", code.Redeem(), failure{http.StatusBadRequest, "invalid_grant"})
		wantRevoked(t, what+": revoke", revoke(t, h, l.Client, refresh))
		wantUntouched(t, h.Fake)
	}
	wantRedirect(t, "login in flight", back{flight.Finish(toVendor), flight}, "server_error")
	d.Credentials = d.Credentials[:1]
	h.Apply(d)
	wantJSON(t, "vendor's token", revoke(t, h, l.Client, access), failure{http.StatusBadRequest, "unsupported_token_type"})
}

func introspect(h *harness.Harness, token string, auth harness.ClientAuth) *harness.Response {
	return h.Token(introspectURL, url.Values{"token": {token}}, auth)
}

// Introspection is the vendor's, for the confidential client that has the token.
func TestRedTeam_G12_Introspection(t *testing.T) {
	h := harness.Standard(t, revoking(rfc7009(), nil))
	l, access, refresh := tokensOf(t, h, harness.WebClient)
	h.Fake.Set(fakevendor.Introspection, fakevendor.Behaviour{Name: "more", Edit: func(a map[string]any) { a["odd"] = json.RawMessage(`{"b":1.0,"a":null}`) }})
	r := introspect(h, refresh, h.Auth(l.Client))
	if active, _ := r.JSON()["active"].(bool); r.Status != http.StatusOK || !active || !strings.Contains(r.Body, `"odd":{"b":1.0,"a":null}`) || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	h.Fake.Behave()
	h.Fake.Forget()
	inactive := `{"active":false}`
	for what, r := range map[string]*harness.Response{
		"another client": introspect(h, refresh, h.Auth(harness.KeyClient)), "unknown": introspect(h, "obr1.x.y", h.Auth(l.Client)), "tampered": introspect(h, refresh+"A", h.Auth(l.Client)),
		"vendor's token": introspect(h, access, h.Auth(l.Client)), "a code": introspect(h, l.Code, h.Auth(l.Client)),
	} {
		if r.Status != http.StatusOK || r.Body != inactive {
			t.Errorf("%s: %d %s", what, r.Status, r.Body)
		}
	}
	if n := strings.Count(h.Logs(), `"outcome":"foreign_token"`); n != 4 {
		t.Errorf("the log tells of %d foreign tokens, want 4", n)
	}
	public, _, publicRefresh := tokensOf(t, h, harness.PublicClient)
	h.Fake.Forget()
	for _, token := range []string{publicRefresh, refresh, "x"} {
		wantJSON(t, "a public client", introspect(h, token, h.Auth(public.Client)), failure{http.StatusUnauthorized, "invalid_client"})
	}
	wantUntouched(t, h.Fake)
	wantRevoked(t, "revoked", revoke(t, h, l.Client, refresh))
	if r := introspect(h, refresh, h.Auth(l.Client)); r.Body != inactive {
		t.Errorf("after revocation: %s", r.Body)
	}
	for b, want := range map[*fakevendor.Behaviour]failure{
		new(fakevendor.RetryLater(503, "9")): {503, "temporarily_unavailable"}, new(fakevendor.JSON(200, "<h1>")): {502, "server_error"}, new(fakevendor.JSON(200, "[]")): {502, "server_error"}, new(fakevendor.OAuthError(401, "invalid_client")): {502, "server_error"},
	} {
		h.Fake.Set(fakevendor.Introspection, *b)
		wantJSON(t, b.Name, introspect(h, refresh, h.Auth(l.Client)), want)
	}
}

func TestRedTeam_G12_IntrospectionOnOnesOwnApp(t *testing.T) {
	h := harness.Standard(t, withOwnApp(revoking(rfc7009(), nil)))
	l, access, _ := tokensOf(t, h, harness.WebClient)
	if r := introspect(h, access, h.Auth(l.Client)); !strings.Contains(r.Body, `"active":true`) {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	h = harness.Standard(t, revoking(rfc7009(), func(v *runtimeconfig.Vendor) { v.Introspection = false }))
	l, _, refresh := tokensOf(t, h, harness.WebClient)
	wantJSON(t, "no introspection", introspect(h, refresh, h.Auth(l.Client)), failure{http.StatusBadRequest, "invalid_request"})
}
