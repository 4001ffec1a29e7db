// SPDX-License-Identifier: Apache-2.0

package fakevendor_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// call posts a body and decodes the JSON answer.
func (p *party) call(e fakevendor.Endpoint, contentType, authorization, body string) (int, map[string]any) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.ctx, http.MethodPost, p.vendor.URL(e), strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	answer, err := p.vendor.Client().Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	var out map[string]any
	_ = json.NewDecoder(answer.Body).Decode(&out)
	return answer.StatusCode, out
}

const (
	form  = "application/x-www-form-urlencoded"
	basic = "Basic YXBwOnMzY3JldA==" // app:s3cret
)

func TestIntrospectionAndRevocation(t *testing.T) {
	p := start(t, fakevendor.Options{})
	token := p.mustLogin()
	active := func(token string) bool {
		_, answer := p.call(fakevendor.Introspection, form, basic, url.Values{"token": {token}}.Encode())
		return answer["active"] == true
	}
	if !active(token.AccessToken) || !active(token.RefreshToken) || active("other") {
		t.Error("introspection is wrong before revocation")
	}
	if status, _ := p.call(fakevendor.Revocation, form, "", "token="+token.RefreshToken); status != http.StatusUnauthorized {
		t.Errorf("revocation without authentication: %d", status)
	}
	if status, _ := p.call(fakevendor.Revocation, form, basic, "token=unknown"); status != http.StatusOK {
		t.Errorf("revocation of an unknown token: %d", status)
	}
	if status, _ := p.call(fakevendor.Revocation, form, basic, "token="+token.RefreshToken); status != http.StatusOK {
		t.Errorf("revocation: %d", status)
	}
	if active(token.AccessToken) || active(token.RefreshToken) || p.vendor.Stats().Revocations != 1 {
		t.Errorf("still active after revocation; stats = %+v", p.vendor.Stats())
	}
}

func TestRegistration(t *testing.T) {
	p := start(t, fakevendor.Options{InitialAccessToken: "iat", RegistrationStatus: http.StatusOK})
	metadata := `{"redirect_uris":["` + redirectURI + `"],"client_name":"x"}`
	if status, _ := p.call(fakevendor.Registration, "application/json", "", metadata); status != http.StatusUnauthorized {
		t.Errorf("without the initial access token: %d", status)
	}
	if status, answer := p.call(fakevendor.Registration, "application/json", "Bearer iat", `{"redirect_uris":[]}`); status != http.StatusBadRequest || answer["error"] != "invalid_redirect_uri" {
		t.Errorf("without redirect URIs: %d %v", status, answer)
	}
	status, answer := p.call(fakevendor.Registration, "application/json", "Bearer iat", metadata)
	if status != http.StatusOK || answer["client_name"] != "x" {
		t.Fatalf("registration: %d %v", status, answer)
	}
	p.config.ClientID, _ = answer["client_id"].(string)
	p.config.ClientSecret, _ = answer["client_secret"].(string)
	p.mustLogin()
}

func TestUserinfo_acceptsLiveTokensOnly(t *testing.T) {
	p := start(t, fakevendor.Options{Subject: "alice"})
	token := p.mustLogin()
	if _, answer := p.call(fakevendor.Userinfo, form, "Bearer "+token.AccessToken, ""); answer["sub"] != "alice" {
		t.Errorf("answer = %v", answer)
	}
	if status, _ := p.call(fakevendor.Userinfo, form, "Bearer x", ""); status != http.StatusUnauthorized {
		t.Errorf("status = %d", status)
	}
}
