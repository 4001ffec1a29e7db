// SPDX-License-Identifier: Apache-2.0

package fakevendor_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// raw redeems a fresh code and returns the answer as it is.
func (p *party) raw(change func(r *http.Request)) (status int, contentType, body string) {
	p.t.Helper()
	verifier := oauth2.GenerateVerifier()
	callback := p.authorize(oauth2.S256ChallengeOption(verifier))
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {callback.Get("code")}, "redirect_uri": {redirectURI}, "code_verifier": {verifier},
		"client_id": {"app"}, "client_secret": {"s3cret"},
	}
	r, err := http.NewRequestWithContext(p.ctx, http.MethodPost, p.vendor.URL(fakevendor.Token), strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if change != nil {
		change(r)
	}
	answer, err := p.vendor.Client().Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer.StatusCode, answer.Header.Get("Content-Type"), string(b)
}

func TestShape_gitHub(t *testing.T) {
	p := start(t, fakevendor.Options{Shape: fakevendor.GitHub()})
	p.config.Scopes = []string{"repo,read:org"}
	_, kind, body := p.raw(nil)
	form, err := url.ParseQuery(body)
	if err != nil || !strings.HasPrefix(kind, "application/x-www-form-urlencoded") || form.Get("scope") != "repo,read:org" || form.Has("expires_in") {
		t.Errorf("%s %s", kind, body)
	}
	status, kind, body := p.raw(func(r *http.Request) {
		r.Header.Set("Accept", "application/json")
		r.Body = io.NopCloser(strings.NewReader("grant_type=authorization_code&code=x&client_id=app&client_secret=s3cret"))
		r.ContentLength = -1
	})
	if status != http.StatusOK || kind != "application/json" || !strings.Contains(body, "bad_verification_code") {
		t.Errorf("%d %s %s", status, kind, body)
	}
}

func TestShape_slack(t *testing.T) {
	p := start(t, fakevendor.Options{Shape: fakevendor.Slack()})
	p.config.Scopes = nil
	_, _, body := p.raw(nil)
	var answer struct {
		OK          bool   `json:"ok"`
		AccessToken string `json:"access_token"`
		AuthedUser  struct {
			AccessToken string `json:"access_token"`
			TokenType   string `json:"token_type"`
		} `json:"authed_user"`
		Team struct{ ID string } `json:"team"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	if !answer.OK || answer.AccessToken != "" || answer.AuthedUser.AccessToken == "" || answer.AuthedUser.TokenType != "user" || answer.Team.ID != "T1" {
		t.Errorf("answer = %s", body)
	}
}

func TestShape_expiry(t *testing.T) {
	for expiry, want := range map[fakevendor.Expiry]string{
		fakevendor.ExpirySeconds: `"expires_in":3600`, fakevendor.ExpiryString: `"expires_in":"3600"`, fakevendor.ExpiryFloat: `"expires_in":3600.0`,
		fakevendor.ExpiryMilliseconds: `"expires_in":3600000`, fakevendor.ExpiryZero: `"expires_in":0`, fakevendor.ExpiryNegative: `"expires_in":-1`,
		fakevendor.ExpiryHuge: `"expires_in":1e18`, fakevendor.ExpiryAbsent: "",
	} {
		p := start(t, fakevendor.Options{Shape: fakevendor.Shape{Expiry: expiry, TokenType: fakevendor.Omitted}})
		p.config.Scopes = nil
		_, _, body := p.raw(nil)
		if !strings.Contains(body, want) || want == "" && strings.Contains(body, "expires_in") || strings.Contains(body, "token_type") {
			t.Errorf("%s: %s", expiry, body)
		}
	}
}

func TestShape_jsonRequestsAndRenames(t *testing.T) {
	p := start(t, fakevendor.Options{PKCE: fakevendor.PKCEIgnored, Shape: fakevendor.Shape{
		JSONRequests: true, CodeParameter: "spapi_oauth_code", Renames: map[string]string{"client_id": "client_key"}, OmitResponseType: true,
		CallbackExtra: url.Values{"realmId": {"42"}},
	}})
	callback := p.get(p.vendor.URL(fakevendor.Authorize) + "?client_key=app&state=s&redirect_uri=" + url.QueryEscape(redirectURI))
	if callback.Get("spapi_oauth_code") == "" || callback.Get("realmId") != "42" || callback.Get("state") != "s" {
		t.Fatalf("callback = %v", callback)
	}
	body := `{"grant_type":"authorization_code","code":"` + callback.Get("spapi_oauth_code") + `","redirect_uri":"` + redirectURI + `","client_id":"app","client_secret":"s3cret"}`
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.vendor.URL(fakevendor.Token), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := p.vendor.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("status = %d, recorded %+v", answer.StatusCode, p.vendor.Last(fakevendor.Token))
	}
}

func TestFormPost_answersAPage(t *testing.T) {
	p := start(t, fakevendor.Options{FormPost: true})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.config.AuthCodeURL(`"><script>`, oauth2.S256ChallengeOption(oauth2.GenerateVerifier())), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := p.vendor.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), `action="`+redirectURI+`"`) || !strings.Contains(string(page), "vendor-code-") || strings.Contains(string(page), "<script>") {
		t.Errorf("page = %s", page)
	}
}
