// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// TestFileSource_logins: each kind of client with the credential that is its.
func TestFileSource_logins(t *testing.T) {
	s := newSite(t)
	s.Env = []string{"OAUTH_BROKER_ENVY_CLIENT_ID=environment-app", "OAUTH_BROKER_ENVY_CLIENT_SECRET=" + envSecret}
	s.Start().Ready()
	for _, c := range []struct {
		client  *binary.Client
		vendor  *fakevendor.Server
		app     string
		options []oauth2.AuthCodeOption
	}{
		{client: s.cli("acme"), vendor: s.acme, app: "platform-app"},
		{client: s.cli("envy"), vendor: s.envy, app: "environment-app"},
		{client: s.web(), vendor: s.acme, app: "globex-app"},
		{client: s.batch(), vendor: s.acme, app: "platform-app", options: s.assertion(t)},
	} {
		t.Run(c.client.ClientID+" by "+c.app, func(t *testing.T) {
			token := login(t, c.client, c.options...)
			if got := c.vendor.Last(fakevendor.Token).ClientID; got != c.app {
				t.Errorf("the vendor saw app %q, want %q", got, c.app)
			}
			if !strings.HasPrefix(token.AccessToken, "vendor-access-") || !strings.HasPrefix(token.RefreshToken, "obr1.") {
				t.Errorf("got access token %.14s... and refresh token %.6s...", token.AccessToken, token.RefreshToken)
			}
			if c.options != nil {
				s.refreshByAssertion(t, token)
				return
			}
			fresh, err := c.client.Renew(token)
			if err != nil || fresh.AccessToken == token.AccessToken || fresh.RefreshToken == "" {
				t.Errorf("refresh: %v", err)
			}
		})
	}
}

// refreshByAssertion: x/oauth2 sends no assertion with a refresh.
func (s *site) refreshByAssertion(t *testing.T, token *oauth2.Token) {
	t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.RefreshToken}}
	c, u := s.batch(), &url.URL{}
	for _, o := range s.assertion(t) {
		// AuthCodeURL is how the options come out.
		var err error
		if u, err = url.Parse(c.AuthCodeURL("", o)); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"client_assertion_type", "client_assertion"} {
			if v := u.Query().Get(name); v != "" {
				form.Set(name, v)
			}
		}
	}
	answer, err := s.HTTP().PostForm(c.Endpoint.TokenURL, form)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("refresh: status %d", answer.StatusCode)
	}
}

// asks tells what an authorization request for a scope meets.
func (s *site) asks(scope string) error {
	c := s.cli("acme")
	c.Scopes = strings.Fields(scope)
	_, err := c.Login()
	return err
}

func TestFileSource_editIsServedSoon(t *testing.T) {
	s := newSite(t)
	b := s.Start().Ready()
	if err := s.asks("mail"); err == nil || !strings.Contains(err.Error(), "invalid_scope") {
		t.Fatalf("got %v, want invalid_scope", err)
	}
	before := b.Revision().Revision
	s.Write("config/acme.yaml", strings.Replace(s.manifests(t)["acme.yaml"], "[openid, files]", "[openid, files, mail]", 1))
	start := time.Now()
	binary.Eventually(t, func() error { return s.asks("mail") })
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("served after %s", took)
	}
	if b.Revision().Revision == before {
		t.Error("the revision is the same")
	}
}

func TestFileSource_badEditKeepsTheLastGood(t *testing.T) {
	s := newSite(t)
	b := s.Start().Ready()
	good := s.manifests(t)["acme.yaml"]
	before := b.Revision().Revision
	for name, c := range map[string]struct {
		old, new string
		want     []string
	}{
		"unknown field":   {"  scopes:", "  colour: blue\n  scopes:", []string{"acme.yaml", "spec.colour"}},
		"CEL violation":   {"  discovery: {type: OpenIDConnect}", "  discovery: {type: OpenIDConnect}\n  endpoints: {authorization: https://a.example/a, token: https://a.example/t}", []string{"acme.yaml", "discovery", "endpoints"}},
		"wrong type":      {"[openid, files]", "7", []string{"acme.yaml", "spec.scopes.allowed"}},
		"broken YAML":     {"  scopes: {", "  scopes: {{", []string{"acme.yaml", "YAML"}},
		"tab":             {"  scopes:", "\tscopes:", []string{"acme.yaml", "YAML", "line"}},
		"there twice":     {"kind: Secret", "kind: Secret\nmetadata: {name: acme-app, namespace: oauth-broker-system}\n---\napiVersion: v1\nkind: Secret", []string{"acme.yaml", "there twice"}},
		"another kind":    {"kind: Secret", "kind: ConfigMap", []string{"acme.yaml", "ConfigMap"}},
		"empty the whole": {good, "- nonsense", []string{"acme.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			bad := strings.Replace(good, c.old, c.new, 1)
			if bad == good {
				t.Fatal("nothing was changed")
			}
			s.Write("config/acme.yaml", bad)
			line := b.LogHas(append([]string{`"level":"ERROR"`, "the last good one stays"}, c.want...)...)
			if err := s.asks("files"); err != nil {
				t.Errorf("the last good configuration is not served: %v", err)
			}
			if got := b.Revision().Revision; got != before {
				t.Errorf("revision %s is served, want %s", got, before)
			}
			s.Write("config/acme.yaml", good)
			binary.Eventually(t, func() error {
				if _, after, _ := strings.Cut(b.Log(), line); !strings.Contains(after, "can be read again") {
					return errors.New("the log does not say that it is good again")
				}
				return nil
			})
		})
	}
}

// TestFileSource_environment: what is missing is named to the client, and the
// log tells the operator which variable.
func TestFileSource_environment(t *testing.T) {
	for missing, env := range map[string][]string{
		"OAUTH_BROKER_ENVY_CLIENT_ID":     {"OAUTH_BROKER_ENVY_CLIENT_SECRET=" + envSecret},
		"OAUTH_BROKER_ENVY_CLIENT_SECRET": {"OAUTH_BROKER_ENVY_CLIENT_ID=environment-app", "OAUTH_BROKER_ENVY_CLIENT_SECRET="},
	} {
		t.Run(missing, func(t *testing.T) {
			s := newSite(t)
			s.Env = env
			b := s.Start().Ready()
			_, err := s.cli("envy").Login()
			if err == nil || !strings.Contains(err.Error(), "temporarily_unavailable") || !strings.Contains(err.Error(), "envy") {
				t.Errorf("got %v, want temporarily_unavailable and the credential's name", err)
			}
			b.LogHas(`"outcome":"temporarily_unavailable"`, missing)
			if s.envy.Count(fakevendor.Authorize) != 0 {
				t.Error("the vendor was asked")
			}
			if err := s.asks("files"); err != nil {
				t.Errorf("another vendor: %v", err)
			}
		})
	}
}

// TestFileSource_byocFailsClosed: the tenant's credential without its Secret is
// an error for the tenant, and never the shared app instead.
func TestFileSource_byocFailsClosed(t *testing.T) {
	s := newSite(t)
	b := s.Start().Ready()
	token := login(t, s.web())
	l, err := s.web().Login() // waits for its token
	if err != nil {
		t.Fatal(err)
	}
	s.Remove("config/byoc-secret.yaml")
	b.LogHas("unresolved references", "globex", "own-app")
	seen := len(s.acme.Requests())
	_, err = s.web().Login()
	if err == nil || !strings.Contains(err.Error(), "temporarily_unavailable") || !strings.Contains(err.Error(), "BYOCCredential globex/acme") {
		t.Errorf("login: got %v", err)
	}
	if _, err := s.web().Token(l); err == nil {
		t.Error("the code of a login that was under way was redeemed")
	}
	if _, err := s.web().Renew(token); err == nil {
		t.Error("a token was refreshed")
	}
	for _, r := range s.acme.Requests()[seen:] {
		if r.Endpoint != fakevendor.Discovery {
			t.Errorf("the vendor was asked at %s as %q", r.Endpoint, r.ClientID)
		}
	}
	if err := s.asks("files"); err != nil {
		t.Errorf("another tenant, by the shared app: %v", err)
	}
	s.Write("config/byoc-secret.yaml", s.manifests(t)["byoc-secret.yaml"])
	binary.Eventually(t, func() error { _, err := s.web().Login(); return err })
	if _, err := s.web().Renew(token); err != nil {
		t.Errorf("after the Secret came back: %v", err)
	}
}

// TestFileSource_startsAlone: a vendor whose metadata is away does not stop a
// broker from serving the others.
func TestFileSource_startsAlone(t *testing.T) {
	s := newSite(t)
	s.Env = []string{"OAUTH_BROKER_ENVY_CLIENT_ID=environment-app", "OAUTH_BROKER_ENVY_CLIENT_SECRET=" + envSecret}
	s.acme.Set(fakevendor.Discovery, fakevendor.RetryLater(http.StatusServiceUnavailable, "1"))
	b := s.Start().Ready()
	b.LogHas("acme", "503")
	login(t, s.cli("envy"))
	if err := s.asks("files"); err == nil {
		t.Error("a vendor without metadata is served")
	}
	s.acme.Behave()
	binary.Eventually(t, func() error {
		if err := s.asks("files"); err != nil {
			return fmt.Errorf("the vendor is not served again: %w", err)
		}
		return nil
	})
}
