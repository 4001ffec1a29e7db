// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/cli"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// login runs the command, and the user's browser once it shows a URL.
func (s *site) login(p cli.Program, args ...string) cli.Result {
	p.T.Helper()
	running, wait := p.Start(append([]string{"login", "--no-browser", "--broker", s.PublicURL, "--vendor", "acme", "--ca-file", s.ca}, args...)...)
	binary.Eventually(p.T, func() error {
		if strings.Contains(running.Stderr(), "\n\n") {
			return nil
		}
		return errors.New("no URL yet: " + running.Stderr())
	})
	address := regexp.MustCompile(`(?m)^https://\S+$`).FindString(running.Stderr())
	// The browser follows every redirect, the last one to the program itself.
	answer, err := s.Browser("none:", s.vendor).Get(address)
	if err != nil {
		p.T.Fatal(err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	if strings.Contains(string(body), `action="/v1/consent"`) {
		p.T.Fatal("the consent page came; use a trusted client")
	}
	wait()
	return running.Result()
}

func wantCode(t *testing.T, r cli.Result, code int) {
	t.Helper()
	if r.Code != code {
		t.Fatalf("exit code %d, want %d\n%s%s", r.Code, code, r.Stdout, r.Stderr)
	}
}

func wantIn(t *testing.T, text string, parts ...string) {
	t.Helper()
	flat := strings.Join(strings.Fields(text), " ")
	for _, part := range parts {
		if !strings.Contains(flat, part) {
			t.Errorf("no %q in:\n%s", part, text)
		}
	}
}

// TestLogin_public: login, refresh and revocation, shown masked.
func TestLogin_public(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.login(oauthBroker(t), "--client-id", "team.cli", "--refresh", "--revoke")
	wantCode(t, r, 0)
	wantIn(t, r.Stdout, "issuer "+s.PublicURL+"/v1/vendors/acme", "client team.cli", "Logged in:", "access_token vend********", "token_type Bearer", "refresh_token obr1********", "Refreshed:", "Revoked:")
	if strings.Contains(r.Stdout+r.Stderr, "vendor-access-") {
		t.Error("an access token is shown")
	}
	if s.vendor.Last(fakevendor.Revocation).ClientID != "platform-app" {
		t.Error("nothing was revoked at the vendor")
	}
}

// TestLogin_json: for scripts, masked unless asked otherwise; the secret of a
// confidential client from each place that it may come from.
func TestLogin_json(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(webSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fromEnvironment, fromInput := oauthBroker(t), oauthBroker(t)
	fromEnvironment.Env = append(fromEnvironment.Env, "OAUTH_BROKER_LOGIN_SECRET="+webSecret)
	fromInput.Input = webSecret
	for _, tt := range []struct {
		name    string
		program cli.Program
		args    []string
	}{
		{"file", oauthBroker(t), []string{"--client-secret-file", file}},
		{"environment", fromEnvironment, nil},
		{"standard input", fromInput, []string{"--client-secret-file", "-"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.program.T = t
			r := s.login(tt.program, append([]string{"--client-id", "team.web", "--redirect-uri", "http://127.0.0.1/done", "--scope", "openid", "--json"}, tt.args...)...)
			wantCode(t, r, 0)
			var got struct {
				Issuer, ClientID string
				Masked           bool
				Token            map[string]any
			}
			if err := json.Unmarshal([]byte(r.Stdout), &got); err != nil {
				t.Fatalf("%v in %s", err, r.Stdout)
			}
			access, _ := got.Token["access_token"].(string)
			if got.ClientID != "team.web" || !got.Masked || !strings.Contains(access, "****") || got.Token["scope"] != "openid" {
				t.Errorf("got %s", r.Stdout)
			}
		})
	}
}

// TestLogin_showTokens: only on request.
func TestLogin_showTokens(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.login(oauthBroker(t), "--client-id", "team.cli", "--json", "--show-tokens")
	wantCode(t, r, 0)
	wantIn(t, r.Stdout, `"masked": false`, `"access_token": "vendor-access-`)
}

// TestLogin_registers: without a client id, after the consent page.
func TestLogin_registers(t *testing.T) {
	t.Parallel()
	s := newSite(t, "--registration", "Open")
	p := oauthBroker(t)
	running, wait := p.Start("login", "--no-browser", "--broker", s.PublicURL, "--vendor", "acme", "--ca-file", s.ca)
	binary.Eventually(t, func() error {
		if strings.Contains(running.Stderr(), "\n\n") {
			return nil
		}
		return errors.New("no URL yet: " + running.Stderr())
	})
	browser := s.Browser("none:", s.vendor)
	answer, err := browser.Get(regexp.MustCompile(`(?m)^https://\S+$`).FindString(running.Stderr()))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, _ := io.ReadAll(answer.Body)
	form := url.Values{"action": {"allow"}}
	for _, m := range regexp.MustCompile(`name="(id|request)" value="([^"]*)"`).FindAllStringSubmatch(string(page), -1) {
		form.Set(m[1], m[2])
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.PublicURL+"/v1/consent", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", s.PublicURL)
	after, err := browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer after.Body.Close()
	wait()
	wantCode(t, running.Result(), 0)
	wantIn(t, running.Result().Stdout, "client registered for this login", "access_token vend****")
}

// TestLogin_denied: the user's refusal is told as one.
func TestLogin_denied(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.vendor.Set(fakevendor.Authorize, fakevendor.Deny())
	r := s.login(oauthBroker(t), "--client-id", "team.cli")
	wantCode(t, r, 1)
	wantIn(t, r.Stderr, "the login was refused: access_denied", "Somebody pressed Cancel")
}

// TestLogin_refused: what the broker refuses is told without a browser.
func TestLogin_refused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := oauthBroker(t)
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"unregistered redirect URI", []string{"--client-id", "team.cli", "--redirect-uri", "http://127.0.0.1/elsewhere"}, []string{"redirect_uri) is not registered", "Add http://127.0.0.1/elsewhere to spec.redirectURIs", "oauth-broker explain "}},
		{"unknown client", []string{"--client-id", "team.nobody"}, []string{"not registered here (client_id)", "<namespace>.<name>"}},
		{"no credential for the namespace", []string{"--client-id", "elsewhere.stranger"}, []string{"the login was refused", "allowedNamespaces"}},
		{"scope", []string{"--client-id", "team.cli", "--scope", "admin"}, []string{"invalid_scope", "spec.scopes.allowed"}},
		{"no client, and no registration", nil, []string{"Make a BrokerClient"}},
		{"unknown vendor", []string{"--client-id", "team.cli", "--vendor", "nobody"}, []string{`serves no vendor "nobody"`}},
		{"remote redirect URI", []string{"--client-id", "team.cli", "--redirect-uri", "http://example.com/callback"}, []string{"must be 127.0.0.1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.T = t
			r := p.Run(append([]string{"login", "--no-browser", "--broker", s.PublicURL, "--vendor", "acme", "--ca-file", s.ca}, tt.args...)...)
			wantCode(t, r, 1)
			wantIn(t, r.Stderr, tt.want...)
		})
	}
}

// TestLogin_unreachable: the reason is said in words.
func TestLogin_unreachable(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := oauthBroker(t)
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"nobody there", []string{"--broker", "https://127.0.0.1:1"}, "connection refused"},
		{"unknown CA", []string{"--broker", s.PublicURL}, "pass the CA's certificate with --ca-file"},
		{"another name", []string{"--broker", strings.Replace(s.PublicURL, "127.0.0.1", "localhost", 1), "--ca-file", s.ca}, "is for another name"},
		{"no TLS", []string{"--broker", "https://" + s.Admin}, "does not speak TLS"},
		{"time-out", []string{"--broker", s.PublicURL, "--ca-file", s.ca, "--timeout", "3s"}, "in time"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.T = t
			r := p.Run(append([]string{"login", "--no-browser", "--client-id", "team.cli", "--vendor", "acme"}, tt.args...)...)
			wantCode(t, r, 1)
			wantIn(t, strings.ToLower(r.Stderr), strings.ToLower(tt.want))
		})
	}
}

// TestLogin_forged: answers that are not this login's are not used.
func TestLogin_forged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := oauthBroker(t)
	for _, tt := range []struct{ name, change, want string }{
		{"another issuer", "iss=https://evil.example&state=STATE&code=x", "iss is not"},
		{"neither code nor error", "iss=" + s.PublicURL + "/v1/vendors/acme&state=STATE", "neither code nor error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.T = t
			running, wait := p.Start("login", "--no-browser", "--broker", s.PublicURL, "--vendor", "acme", "--ca-file", s.ca, "--client-id", "team.cli")
			binary.Eventually(t, func() error {
				if strings.Contains(running.Stderr(), "\n\n") {
					return nil
				}
				return errors.New("no URL yet")
			})
			shown, err := url.Parse(regexp.MustCompile(`(?m)^https://\S+$`).FindString(running.Stderr()))
			if err != nil {
				t.Fatal(err)
			}
			back, state := shown.Query().Get("redirect_uri"), shown.Query().Get("state")
			plain := &http.Client{Timeout: binary.Patience}
			stray, err := plain.Get(back + "?state=guessed&code=x&iss=" + url.QueryEscape(s.PublicURL+"/v1/vendors/acme"))
			if err != nil || stray.StatusCode != http.StatusNotFound {
				t.Fatalf("another state was not turned away: %v %v", stray, err)
			}
			stray.Body.Close()
			answer, err := plain.Get(back + "?" + strings.Replace(tt.change, "STATE", state, 1))
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			wait()
			wantCode(t, running.Result(), 1)
			wantIn(t, running.Stderr(), tt.want)
		})
	}
}

// TestLogin_noRefreshToken: the login that went well is shown, and the rest told.
func TestLogin_noRefreshToken(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.vendor.Set(fakevendor.Token, fakevendor.Behaviour{Name: "no refresh token", Edit: func(m map[string]any) { delete(m, "refresh_token") }})
	r := s.login(oauthBroker(t), "--client-id", "team.cli", "--refresh")
	wantCode(t, r, 1)
	wantIn(t, r.Stdout, "Logged in:", "access_token vend********")
	wantIn(t, r.Stderr, "no refresh token came")
}
