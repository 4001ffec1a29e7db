// SPDX-License-Identifier: Apache-2.0

package fakevendor_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

func TestLogin_standardClients(t *testing.T) {
	for _, algorithm := range []string{"RS256", "ES256"} {
		for _, path := range []string{"", "/tenant"} {
			p := start(t, fakevendor.Options{IDTokenAlgorithm: algorithm, IssuerPath: path, IssuerParameter: true})
			token := p.mustLogin()
			if err := p.verify(token); err != nil {
				t.Errorf("%s %s: %v", algorithm, path, err)
			}
			if !p.vendor.AccessTokenWorks(token.AccessToken) || token.RefreshToken == "" || token.Expiry.IsZero() {
				t.Errorf("token = %+v", token)
			}
			if r := p.vendor.Last(fakevendor.Token); r.ClientID != "app" || r.AuthMethod != fakevendor.MethodBasic || r.Error != "" {
				t.Errorf("recorded %+v", r)
			}
		}
	}
}

func TestLogin_issuerParameter(t *testing.T) {
	p := start(t, fakevendor.Options{IssuerParameter: true})
	if got := p.authorize(oauth2.S256ChallengeOption(oauth2.GenerateVerifier())).Get("iss"); got != p.vendor.Issuer() {
		t.Errorf("iss = %q", got)
	}
}

func TestAuthorize_refuses(t *testing.T) {
	p := start(t, fakevendor.Options{Scopes: []string{"openid", "read"}, MaxState: 20})
	pkce := oauth2.S256ChallengeOption(oauth2.GenerateVerifier())
	for name, c := range map[string]struct {
		option oauth2.AuthCodeOption
		want   string // empty: a page, no redirect
	}{
		"unknown client":      {oauth2.SetAuthURLParam("client_id", "other"), ""},
		"other redirect URI":  {oauth2.SetAuthURLParam("redirect_uri", redirectURI+"/"), ""},
		"long state":          {oauth2.SetAuthURLParam("state", "123456789012345678901"), ""},
		"other response type": {oauth2.SetAuthURLParam("response_type", "token"), "unsupported_response_type"},
		"plain PKCE":          {oauth2.SetAuthURLParam("code_challenge_method", "plain"), "invalid_request"},
		"no PKCE":             {oauth2.SetAuthURLParam("code_challenge", ""), "invalid_request"},
		"unknown scope":       {oauth2.SetAuthURLParam("scope", "openid admin"), "invalid_scope"},
		"request object":      {oauth2.SetAuthURLParam("request", "x"), "request_not_supported"},
	} {
		got := p.authorize(pkce, c.option)
		if got.Get("error") != c.want || got.Has("code") {
			t.Errorf("%s: callback = %v", name, got)
		}
		if p.vendor.Last(fakevendor.Authorize).Error == "" {
			t.Errorf("%s: no error was recorded", name)
		}
	}
	if got := p.get(p.config.AuthCodeURL("s", pkce) + "&state=t"); len(got) != 0 {
		t.Errorf("repeated parameter: callback = %v", got)
	}
}

func TestToken_codeIsBound(t *testing.T) {
	now := time.Now()
	p := start(t, fakevendor.Options{
		Now: func() time.Time { return now },
		Clients: []fakevendor.Client{
			{ID: "app", Secret: "s3cret", RedirectURIs: []string{redirectURI}}, {ID: "other", Secret: "0ther"},
		},
	})
	verifier := oauth2.GenerateVerifier()
	code := func() string { return p.authorize(oauth2.S256ChallengeOption(verifier)).Get("code") }
	other := p.config
	other.ClientID, other.ClientSecret = "other", "0ther"
	wrongSecret := p.config
	wrongSecret.ClientSecret = "wrong"
	elsewhere := p.config
	elsewhere.RedirectURL += "/x"
	expired := code()
	now = now.Add(2 * time.Minute)
	for name, c := range map[string]struct {
		config oauth2.Config
		code   string
		with   string
		want   string
	}{
		"unknown code":       {p.config, "x", verifier, "invalid_grant"},
		"expired code":       {p.config, expired, verifier, "invalid_grant"},
		"other client":       {other, code(), verifier, "invalid_grant"},
		"other redirect URI": {elsewhere, code(), verifier, "invalid_grant"},
		"wrong verifier":     {p.config, code(), oauth2.GenerateVerifier(), "invalid_grant"},
		"wrong secret":       {wrongSecret, code(), verifier, "invalid_client"},
	} {
		_, err := c.config.Exchange(p.ctx, c.code, oauth2.VerifierOption(c.with))
		wantError(t, name, err, c.want)
	}
	if _, err := p.config.Exchange(p.ctx, code()); err == nil {
		t.Error("a code was redeemed without its verifier")
	}
}

func TestToken_replayEndsTheGrant(t *testing.T) {
	p := start(t, fakevendor.Options{})
	verifier := oauth2.GenerateVerifier()
	code := p.authorize(oauth2.S256ChallengeOption(verifier)).Get("code")
	token, err := p.config.Exchange(p.ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.config.Exchange(p.ctx, code, oauth2.VerifierOption(verifier))
	wantError(t, "second use", err, "invalid_grant")
	if p.vendor.Stats().CodeReplays != 1 || p.vendor.AccessTokenWorks(token.AccessToken) {
		t.Errorf("stats = %+v, and the first token must have ended", p.vendor.Stats())
	}
}

func TestToken_clientAuthentication(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	odd := "s:%+é c"
	p := start(t, fakevendor.Options{Clients: []fakevendor.Client{
		{ID: "a:pp", Secret: odd, RedirectURIs: []string{redirectURI}},
		{ID: "public", RedirectURIs: []string{redirectURI}},
		{ID: "keyed", PublicKey: &key.PublicKey, RedirectURIs: []string{redirectURI}},
	}})
	if _, err := p.login(); err != nil {
		t.Errorf("basic: %v", err)
	}
	p.config.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	if _, err := p.login(); err != nil {
		t.Errorf("post: %v", err)
	}
	p.config.ClientID, p.config.ClientSecret = "public", ""
	if _, err := p.login(); err != nil {
		t.Errorf("none: %v", err)
	}
	p.config.ClientID = "keyed"
	claims := jwt.RegisteredClaims{
		Issuer: "keyed", Subject: "keyed", Audience: jwt.ClaimStrings{p.vendor.Issuer()}, ID: "1", ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Minute)),
	}
	assertion, err := jwt.NewWithClaims(jwt.SigningMethodES256, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	redeem := func(extra ...oauth2.AuthCodeOption) error {
		verifier := oauth2.GenerateVerifier()
		code := p.authorize(oauth2.S256ChallengeOption(verifier)).Get("code")
		_, err := p.config.Exchange(p.ctx, code, append(extra, oauth2.VerifierOption(verifier),
			oauth2.SetAuthURLParam("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
			oauth2.SetAuthURLParam("client_assertion", assertion))...)
		return err
	}
	wantError(t, "two methods", redeem(oauth2.SetAuthURLParam("client_secret", "x")), "invalid_request")
	if err := redeem(); err != nil {
		t.Errorf("private_key_jwt: %v", err)
	}
	wantError(t, "assertion used twice", redeem(), "invalid_client")
}

func TestToken_rawBasic(t *testing.T) {
	p := start(t, fakevendor.Options{RawBasic: true, Clients: []fakevendor.Client{{ID: "app", Secret: "a+b", RedirectURIs: []string{redirectURI}}}})
	_, err := p.login() // x/oauth2 encodes
	wantError(t, "encoded secret", err, "invalid_client")
}

func TestPKCE_modes(t *testing.T) {
	for mode, want := range map[fakevendor.PKCEMode]struct{ with, without string }{
		fakevendor.PKCERequired: {"", "invalid_request"},
		fakevendor.PKCEOptional: {"", ""},
		fakevendor.PKCERefused:  {"invalid_request", ""},
		fakevendor.PKCEIgnored:  {"", ""},
	} {
		p := start(t, fakevendor.Options{PKCE: mode})
		if got := p.authorize(oauth2.S256ChallengeOption(oauth2.GenerateVerifier())).Get("error"); got != want.with {
			t.Errorf("%q with a challenge: error = %q", mode, got)
		}
		if got := p.authorize().Get("error"); got != want.without {
			t.Errorf("%q without a challenge: error = %q", mode, got)
		}
	}
}

func TestRefresh_modes(t *testing.T) {
	for mode, c := range map[fakevendor.RefreshMode]struct {
		same, oldWorks bool
	}{
		fakevendor.RefreshRotating:  {false, true},
		fakevendor.RefreshSingleUse: {false, false},
		fakevendor.RefreshStatic:    {true, true},
		fakevendor.RefreshOmitted:   {true, true}, // x/oauth2 keeps the old one
	} {
		p := start(t, fakevendor.Options{Refresh: mode})
		first := p.mustLogin()
		refresh := func() (*oauth2.Token, error) {
			return p.config.TokenSource(p.ctx, &oauth2.Token{RefreshToken: first.RefreshToken}).Token()
		}
		second, err := refresh()
		if err != nil {
			t.Errorf("%q: %v", mode, err)
			continue
		}
		if same := second.RefreshToken == first.RefreshToken; same != c.same {
			t.Errorf("%q: same refresh token = %v", mode, same)
		}
		if _, err := refresh(); (err == nil) != c.oldWorks {
			t.Errorf("%q: second use of the old one: %v", mode, err)
		}
		if !c.oldWorks && p.vendor.AccessTokenWorks(second.AccessToken) {
			t.Errorf("%q: a replay must end the grant", mode)
		}
	}
	if token := start(t, fakevendor.Options{Refresh: fakevendor.RefreshNone}).mustLogin(); token.RefreshToken != "" {
		t.Error("RefreshNone gave a refresh token")
	}
}

func wantError(t *testing.T, name string, err error, code string) {
	t.Helper()
	var failure *oauth2.RetrieveError
	if !errors.As(err, &failure) || failure.ErrorCode != code {
		t.Errorf("%s: error = %v, want %s", name, err, code)
	}
}
