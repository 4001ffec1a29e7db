// SPDX-License-Identifier: Apache-2.0

package login_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

const (
	issuer   = harness.PublicURL + "/v1/vendors/" + harness.VendorName
	metadata = harness.PublicURL + "/.well-known/oauth-authorization-server/v1/vendors/" + harness.VendorName
)

// vendor changes the vendor of the standard document.
func vendor(change func(v *runtimeconfig.Vendor)) func(*runtimeconfig.Document) {
	return func(d *runtimeconfig.Document) { change(&d.Vendors[0]) }
}

// good fails the test unless r holds tokens.
func good(t *testing.T, r *harness.Response) *harness.Response {
	t.Helper()
	if r.Status != http.StatusOK || r.Text("access_token") == "" {
		t.Fatalf("got %d %s, want tokens", r.Status, r.Body)
	}
	return r
}

// discover reads RFC 8414 metadata as a client does.
func discover(t *testing.T, h *harness.Harness) (m struct {
	Issuer    string   `json:"issuer"`
	Authorize string   `json:"authorization_endpoint"`
	Token     string   `json:"token_endpoint"`
	Methods   []string `json:"code_challenge_methods_supported"`
	Auth      []string `json:"token_endpoint_auth_methods_supported"`
	IssParam  bool     `json:"authorization_response_iss_parameter_supported"`
}) {
	t.Helper()
	r := h.Send(http.MethodGet, metadata, "", http.Header{})
	if err := json.Unmarshal([]byte(r.Body), &m); err != nil {
		t.Fatalf("%d %s: %v", r.Status, r.Body, err)
	}
	return m
}

func TestLogin_metadata(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	m := discover(t, h)
	if m.Issuer != issuer || !strings.HasPrefix(m.Authorize, issuer+"/") || !strings.HasPrefix(m.Token, issuer+"/") || len(m.Methods) != 1 || m.Methods[0] != "S256" || !m.IssParam {
		t.Errorf("metadata = %+v", m)
	}
	for _, address := range []string{harness.PublicURL + "/.well-known/openid-configuration/v1/vendors/acme", issuer + "/.well-known/openid-configuration"} {
		if r := h.Send(http.MethodGet, address, "", http.Header{}); r.Text("issuer") != issuer || r.Text("jwks_uri") == "" {
			t.Errorf("%s: %d %s", address, r.Status, r.Body)
		}
	}
	if r := h.Send(http.MethodGet, strings.Replace(metadata, "acme", "nobody", 1), "", http.Header{}); r.Status != http.StatusNotFound || strings.Contains(r.Body, "acme") {
		t.Errorf("unknown issuer: %d %s", r.Status, r.Body)
	}
}

// xOAuth2 logs in and refreshes with golang.org/x/oauth2 as it is.
func xOAuth2(t *testing.T, h *harness.Harness, config oauth2.Config, more func() []oauth2.AuthCodeOption) (first, second *oauth2.Token) {
	t.Helper()
	m := discover(t, h)
	config.Endpoint.AuthURL, config.Endpoint.TokenURL, config.RedirectURL = m.Authorize, m.Token, harness.RedirectURI
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, h.HTTP())
	verifier := oauth2.GenerateVerifier()
	b := h.Browser()
	toVendor := b.Get(config.AuthCodeURL("client-state-0123456789", oauth2.S256ChallengeOption(verifier)))
	if toVendor.Location == nil {
		t.Fatalf("authorize: %d %s", toVendor.Status, toVendor.Body)
	}
	back := b.Get(b.Get(toVendor.Location.String()).Location.String())
	if back.Query("iss") != m.Issuer || back.Query("state") != "client-state-0123456789" {
		t.Fatalf("back at the client: %v", back.Location)
	}
	first, err := config.Exchange(ctx, back.Query("code"), append(more(), oauth2.VerifierOption(verifier))...)
	if err != nil {
		t.Fatal(err)
	}
	if config.ClientSecret == "" && len(more()) > 0 {
		return first, nil // x/oauth2 cannot add an assertion to a refresh
	}
	second, err = config.TokenSource(ctx, &oauth2.Token{RefreshToken: first.RefreshToken}).Token()
	if err != nil {
		t.Fatal(err)
	}
	return first, second
}

func TestLogin_xOAuth2(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	none := func() []oauth2.AuthCodeOption { return nil }
	assertion := func() []oauth2.AuthCodeOption {
		return []oauth2.AuthCodeOption{
			oauth2.SetAuthURLParam("client_assertion_type", harness.AssertionType), oauth2.SetAuthURLParam("client_assertion", h.Sign(h.Claims(issuer))),
		}
	}
	for name, c := range map[string]struct {
		id, secret string
		style      oauth2.AuthStyle
		more       func() []oauth2.AuthCodeOption
	}{
		"public":              {harness.PublicClient, "", oauth2.AuthStyleInParams, none},
		"client_secret_basic": {harness.WebClient, harness.WebSecret, oauth2.AuthStyleInHeader, none},
		"client_secret_post":  {harness.WebClient, harness.WebSecret, oauth2.AuthStyleInParams, none},
		"private_key_jwt":     {harness.KeyClient, "", oauth2.AuthStyleInParams, assertion},
	} {
		config := oauth2.Config{ClientID: c.id, ClientSecret: c.secret, Scopes: []string{"read", "write"}, Endpoint: oauth2.Endpoint{AuthStyle: c.style}}
		first, second := xOAuth2(t, h, config, c.more)
		if !h.Fake.AccessTokenWorks(first.AccessToken) || first.Expiry.IsZero() || first.Type() != "Bearer" || first.Extra("scope") != "read write" {
			t.Errorf("%s: first = %+v", name, first)
		}
		if second != nil && (!h.Fake.AccessTokenWorks(second.AccessToken) || second.AccessToken == first.AccessToken || second.RefreshToken == first.RefreshToken) {
			t.Errorf("%s: second = %+v", name, second)
		}
	}
	if s := h.Fake.Stats(); s.CodeReplays != 0 || s.CodesRedeemed != 4 || s.Refreshes != 3 {
		t.Errorf("the vendor saw %+v", s)
	}
}

func TestLogin_privateKeyJWTRefreshes(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.Login(harness.KeyClient)
	good(t, l.Refresh(good(t, l.Redeem()).Text("refresh_token")))
}

func TestLogin_genericEndpoints(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.NewLogin(harness.WebClient)
	l.Authorization, l.TokenURL = harness.PublicURL+"/v1/authorize", harness.PublicURL+"/v1/token"
	l.Params.Set("vendor", harness.VendorName)
	if r := l.Finish(l.Authorize()); r.Query("iss") != issuer {
		t.Errorf("iss = %q, want the vendor's issuer also here", r.Query("iss"))
	}
	good(t, l.Refresh(good(t, l.Redeem()).Text("refresh_token")))
}

func TestLogin_bothLegsHavePKCE(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.NewLogin(harness.PublicClient)
	toVendor := l.Authorize()
	l.Finish(toVendor)
	good(t, l.Redeem())
	sent := h.Fake.Last(fakevendor.Token).Form.Get("code_verifier")
	if sent == "" || sent == l.Verifier || toVendor.Query("code_challenge") != oauth2.S256ChallengeFromVerifier(sent) || toVendor.Query("code_challenge") == l.Params.Get("code_challenge") {
		t.Error("the vendor's leg has no PKCE of its own")
	}
	if state := toVendor.Query("state"); len(state) > 256 || state == l.State {
		t.Errorf("the state has %d bytes", len(state))
	}
}

func TestLogin_cookie(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.NewLogin(harness.PublicClient)
	set := l.Authorize().Header.Get("Set-Cookie")
	for _, want := range []string{"__Host-ob-", "; Path=/;", "; Secure", "; HttpOnly", "; SameSite=Lax", "; Max-Age=600"} {
		if !strings.Contains(set+";", want) {
			t.Errorf("cookie %q lacks %q", set, want)
		}
	}
	if strings.Contains(set, "Domain") {
		t.Errorf("cookie %q", set)
	}
}

func TestLogin_parallelLoginsInOneBrowser(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	b := h.Browser()
	var logins []*harness.Login
	for range 60 {
		l := h.NewLogin(harness.PublicClient)
		l.Browser = b
		l.Params.Set("state", strings.Repeat("s", 200))
		toVendor := l.Authorize()
		l.Params.Set("callback", l.AtVendor(toVendor))
		logins = append(logins, l)
		if n := len(b.Cookies()); n > 8 {
			t.Fatalf("%d cookies", n)
		}
	}
	size := 0
	for _, c := range b.Cookies() {
		size += len(c.Name) + len(c.Value)
	}
	if size > 8<<10 {
		t.Errorf("the cookies have %d bytes", size)
	}
	last := logins[len(logins)-1]
	if r := b.Get(last.Params.Get("callback")); r.Query("code") == "" {
		t.Errorf("the newest login: %d", r.Status)
	}
	if r := b.Get(logins[0].Params.Get("callback")); r.Status != http.StatusForbidden {
		t.Errorf("the oldest login: %d", r.Status)
	}
}
