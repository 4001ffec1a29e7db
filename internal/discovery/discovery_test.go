// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/discovery"
	"github.com/oauthbroker/oauth-broker/test/authority"
)

const marker = "MARKER-vendor-text"

func specOf(issuer string, kind oauthv1alpha1.DiscoveryType) *oauthv1alpha1.OAuthVendorSpec {
	return &oauthv1alpha1.OAuthVendorSpec{Issuer: oauthv1alpha1.EndpointURL(issuer), Discovery: &oauthv1alpha1.Discovery{Type: kind}}
}

func TestURL(t *testing.T) {
	for _, c := range []struct {
		issuer string
		kind   oauthv1alpha1.DiscoveryType
		want   string
	}{
		{"https://op.example", oauthv1alpha1.DiscoveryOpenIDConnect, "https://op.example/.well-known/openid-configuration"},
		{"https://op.example/", oauthv1alpha1.DiscoveryOpenIDConnect, "https://op.example/.well-known/openid-configuration"},
		{"https://op.example/t/a", oauthv1alpha1.DiscoveryOpenIDConnect, "https://op.example/t/a/.well-known/openid-configuration"},
		{"https://op.example", oauthv1alpha1.DiscoveryOAuth, "https://op.example/.well-known/oauth-authorization-server"},
		{"https://op.example:8443/t/a", oauthv1alpha1.DiscoveryOAuth, "https://op.example:8443/.well-known/oauth-authorization-server/t/a"},
		{"https://op.example/t/a/", oauthv1alpha1.DiscoveryOAuth, "https://op.example/.well-known/oauth-authorization-server/t/a"},
		{"https://op.example/?a=b", oauthv1alpha1.DiscoveryOAuth, ""},
		{"https://op.example/?", oauthv1alpha1.DiscoveryOAuth, ""},
		{"http://op.example", oauthv1alpha1.DiscoveryOAuth, ""},
		{"https://u:p@op.example", oauthv1alpha1.DiscoveryOAuth, ""},
		{"", oauthv1alpha1.DiscoveryOAuth, ""},
	} {
		got, err := discovery.URL(specOf(c.issuer, c.kind))
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s of %s: got %q, %v, want %q", c.kind, c.issuer, got, err, c.want)
		}
	}
	spec := specOf("https://op.example", oauthv1alpha1.DiscoveryOAuth)
	spec.Discovery.URL = "https://elsewhere.example/doc"
	if got, err := discovery.URL(spec); err != nil || got != "https://elsewhere.example/doc" {
		t.Errorf("discovery.url: got %q, %v", got, err)
	}
	spec.Discovery.URL = "http://elsewhere.example/doc"
	if got, err := discovery.URL(spec); err == nil {
		t.Errorf("a discovery.url that is not https: got %q", got)
	}
}

// vendor serves one metadata document over TLS.
func vendor(t *testing.T, h http.HandlerFunc) (*httptest.Server, *oauthv1alpha1.OAuthVendorSpec) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	spec := specOf(s.URL, oauthv1alpha1.DiscoveryOpenIDConnect)
	spec.Transport = &oauthv1alpha1.Transport{TimeoutSeconds: 5, CABundle: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))}
	return s, spec
}

func good(issuer string) map[string]any {
	return map[string]any{
		"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token",
		"jwks_uri": issuer + "/jwks", "revocation_endpoint": issuer + "/revoke", "registration_endpoint": issuer + "/register",
		"userinfo_endpoint": issuer + "/userinfo", "introspection_endpoint": issuer + "/introspect",
		"authorization_response_iss_parameter_supported": true, "anything_else": marker,
	}
}

func TestDiscover_good(t *testing.T) {
	s, spec := vendor(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/openid-configuration" || r.Header.Get("Accept") != "application/json" {
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(good("https://" + r.Host))
	})
	got := (&discovery.Client{}).Discover(t.Context(), spec)
	u := func(path string) oauthv1alpha1.EndpointURL { return oauthv1alpha1.EndpointURL(s.URL + path) }
	want := translate.Discovered{IssuerParameter: true, Endpoints: &oauthv1alpha1.Endpoints{
		Authorization: u("/authorize"), Token: u("/token"), JWKS: u("/jwks"), Revocation: u("/revoke"),
		Registration: u("/register"), Userinfo: u("/userinfo"), Introspection: u("/introspect"),
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Some servers write what they leave out, or a byte order mark before the document.
func TestDiscover_nullsAndByteOrderMark(t *testing.T) {
	_, spec := vendor(t, func(w http.ResponseWriter, r *http.Request) {
		d := good("https://" + r.Host)
		d["registration_endpoint"], d["revocation_endpoint"], d["authorization_response_iss_parameter_supported"] = nil, nil, nil
		_, _ = fmt.Fprint(w, "\ufeff")
		_ = json.NewEncoder(w).Encode(d)
	})
	if got := (&discovery.Client{}).Discover(t.Context(), spec); got.Problem != "" || got.Endpoints == nil || got.Endpoints.Registration != "" || got.Endpoints.Revocation != "" || got.IssuerParameter {
		t.Errorf("got %+v", got)
	}
}

// TestDiscover_refused holds rows C7, I1 and I2 of the attack list.
func TestDiscover_refused(t *testing.T) {
	change := func(set map[string]any) func(string) string {
		return func(issuer string) string {
			d := good(issuer)
			maps.Copy(d, set)
			for k, v := range d {
				if v == nil {
					delete(d, k)
				}
			}
			b, _ := json.Marshal(d)
			return string(b)
		}
	}
	text := func(s string) func(string) string { return func(string) string { return s } }
	for _, c := range []struct {
		name string
		body func(issuer string) string
		want string
	}{
		{"issuer of another", change(map[string]any{"issuer": "https://evil.example"}), "issuer is not identical"},
		{"issuer missing", change(map[string]any{"issuer": nil}), "issuer is not identical"},
		{"issuer in other case", change(map[string]any{"issuer": nil, "Issuer": "x"}), "issuer is not identical"},
		{"issuer a number", change(map[string]any{"issuer": 1}), "issuer is not a string"},
		{"issuer and another member no strings", change(map[string]any{"issuer": 1, "registration_endpoint": 2}), "issuer is not a string"},
		{"token on another host", change(map[string]any{"token_endpoint": "https://" + marker + ".example/token"}), "token_endpoint is on a host"},
		{"registration on another host", change(map[string]any{"registration_endpoint": "https://evil.example/r"}), "registration_endpoint is on a host"},
		{"jwks on another host", change(map[string]any{"jwks_uri": "https://evil.example/r"}), "jwks_uri is on a host"},
		{"another port", change(map[string]any{"token_endpoint": "https://127.0.0.1:1/token"}), "token_endpoint is on a host"},
		{"user information", change(map[string]any{"token_endpoint": "https://127.0.0.1@" + marker + ".example/t"}), "token_endpoint has user information"},
		{"http", change(map[string]any{"token_endpoint": "http://op.example/token"}), "token_endpoint must be https"},
		{"http on loopback under an https issuer", change(map[string]any{"token_endpoint": "http://127.0.0.1/token"}), "token_endpoint is not https"},
		{"a template", change(map[string]any{"token_endpoint": "https://{x}/token"}), "token_endpoint holds a brace"},
		{"javascript", change(map[string]any{"authorization_endpoint": "javascript:alert(1)"}), "authorization_endpoint is not an absolute URL"},
		{"relative", change(map[string]any{"authorization_endpoint": "/authorize"}), "authorization_endpoint is not an absolute URL"},
		{"long", change(map[string]any{"authorization_endpoint": "https://a.example/" + strings.Repeat("a", 1100)}), "authorization_endpoint is longer"},
		{"no token endpoint", change(map[string]any{"token_endpoint": nil}), "it has no token_endpoint"},
		{"token endpoint null", func(issuer string) string {
			return fmt.Sprintf(`{"issuer":%q,"authorization_endpoint":"%[1]s/a","token_endpoint":null}`, issuer)
		}, "it has no token_endpoint"},
		{"issuer null", text(`{"issuer":null}`), "issuer is not identical"},
		{"no jwks_uri", change(map[string]any{"jwks_uri": nil}), "it has no jwks_uri"},
		{"iss flag a string", change(map[string]any{"authorization_response_iss_parameter_supported": "true"}), "is not true or false"},
		{"array", text("[]"), "not a JSON object"},
		{"null", text("null"), "not a JSON object"},
		{"html", text("<html>" + marker), "not a JSON object"},
		{"empty", text(""), "not a JSON object"},
		{"two objects", text("{} {}"), "something follows"},
		{"too large", text(`{"a":"` + strings.Repeat("x", discovery.MaxBytes) + `"}`), "larger than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, spec := vendor(t, func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, c.body("https://"+r.Host)) })
			check(t, (&discovery.Client{}).Discover(t.Context(), spec), c.want)
		})
	}
}

func check(t *testing.T, got translate.Discovered, want string) {
	t.Helper()
	if got.Endpoints != nil || !strings.Contains(got.Problem, want) || got.Problem == "" {
		t.Errorf("got %+v, want problem %q", got, want)
	}
	if strings.Contains(got.Problem, marker) || strings.Contains(got.Problem, "127.0.0.1:") {
		t.Errorf("the problem repeats the vendor's text or an address: %q", got.Problem)
	}
}

func TestDiscover_allowedHost(t *testing.T) {
	_, spec := vendor(t, func(w http.ResponseWriter, r *http.Request) {
		d := good("https://" + r.Host)
		d["token_endpoint"], d["jwks_uri"] = "https://tokens.op.example/t", "https://keys.op.example:8443/k"
		_ = json.NewEncoder(w).Encode(d)
	})
	spec.Discovery.AllowedHosts = []string{"Tokens.op.example", "keys.op.example"}
	check(t, (&discovery.Client{}).Discover(t.Context(), spec), "jwks_uri is on a host")
	spec.Discovery.AllowedHosts = append(spec.Discovery.AllowedHosts, "keys.op.example:8443")
	if got := (&discovery.Client{}).Discover(t.Context(), spec); got.Endpoints == nil || got.Endpoints.Token != "https://tokens.op.example/t" {
		t.Errorf("got %+v", got)
	}
}

func TestDiscover_noRedirect(t *testing.T) {
	var followed atomic.Bool
	_, spec := vendor(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			followed.Store(true)
		}
		http.Redirect(w, r, "/moved", http.StatusTemporaryRedirect)
	})
	check(t, (&discovery.Client{}).Discover(t.Context(), spec), "redirect, which is not followed")
	if followed.Load() {
		t.Error("the redirect was followed")
	}
}

func TestDiscover_network(t *testing.T) {
	s, spec := vendor(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	check(t, (&discovery.Client{}).Discover(t.Context(), spec), "HTTP status 503")
	untrusted := spec.DeepCopy()
	untrusted.Transport.CABundle = ""
	check(t, (&discovery.Client{}).Discover(t.Context(), untrusted), "TLS certificate is not trusted")
	broken := spec.DeepCopy()
	broken.Transport.CABundle = "nonsense"
	check(t, (&discovery.Client{}).Discover(t.Context(), broken), "caBundle holds no PEM")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	check(t, (&discovery.Client{}).Discover(ctx, spec), "cancelled")
	s.Close()
	check(t, (&discovery.Client{}).Discover(t.Context(), spec), "cannot be reached")
}

func TestDiscover_timeout(t *testing.T) {
	release := make(chan struct{})
	_, spec := vendor(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		<-release
	})
	defer close(release)
	spec.Transport.TimeoutSeconds = 1
	start := time.Now()
	check(t, (&discovery.Client{}).Discover(t.Context(), spec), "did not answer in time")
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s, and transport.timeoutSeconds is 1", took)
	}
}

func TestDiscover_loopbackHTTP(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d := good("http://" + r.Host)
		delete(d, "jwks_uri") // OAuth metadata needs none
		_ = json.NewEncoder(w).Encode(d)
	}))
	defer s.Close()
	if got := (&discovery.Client{}).Discover(t.Context(), specOf(s.URL, oauthv1alpha1.DiscoveryOAuth)); got.Problem != "" || got.Endpoints == nil {
		t.Errorf("got %+v", got)
	}
}

// A client of the caller's follows no redirect here either, sends no cookies, and
// trusts the vendor's own certificates alone where the vendor names some.
func TestDiscover_clientOfTheCaller(t *testing.T) {
	s, spec := vendor(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/openid-configuration" || r.Header.Get("Cookie") != "" {
			http.Redirect(w, r, "/.well-known/openid-configuration", http.StatusFound)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		_ = json.NewEncoder(w).Encode(good("https://" + r.Host))
	})
	jar, err1 := cookiejar.New(nil)
	other, err2 := authority.New()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	c := &discovery.Client{HTTP: s.Client()}
	c.HTTP.Jar = jar
	spec.Transport.CABundle = ""
	for range 2 {
		if got := c.Discover(t.Context(), spec); got.Problem != "" {
			t.Errorf("got %+v", got)
		}
	}
	moved, others := spec.DeepCopy(), spec.DeepCopy()
	moved.Discovery.URL = oauthv1alpha1.EndpointURL(s.URL + "/moved")
	check(t, c.Discover(t.Context(), moved), "redirect, which is not followed")
	others.Transport.CABundle = string(other.PEM())
	check(t, c.Discover(t.Context(), others), "TLS certificate is not trusted")
	if got := c.Discover(t.Context(), spec); got.Problem != "" {
		t.Errorf("after a vendor with certificates of its own: %+v", got)
	}
}
