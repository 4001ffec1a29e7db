// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/broker/live"
	"github.com/oauthbroker/oauth-broker/broker/once"
	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// handler is a broker without a listener, before a vendor without one.
func handler(tb testing.TB) http.Handler {
	tb.Helper()
	v := harness.Vendor(harness.VendorName, fakevendor.New(fakevendor.Options{}))
	t := v.Target
	t.Issuer = "https://vendor.example"
	t.Endpoints = runtimeconfig.Endpoints{Authorization: t.Issuer + "/a", Token: t.Issuer + "/t", Refresh: t.Issuer + "/t", JWKS: t.Issuer + "/j"}
	v.Transport.CABundle, v.SelfRegisteredUse = "", true
	d := runtimeconfig.Document{
		Vendors: []runtimeconfig.Vendor{v}, Credentials: []runtimeconfig.Credential{harness.Shared(harness.VendorName, harness.App, harness.AppSecret)},
		Clients: []runtimeconfig.Client{harness.Client(harness.PublicClient, harness.VendorName), harness.WithSecret(harness.Client(harness.WebClient, harness.VendorName), harness.WebSecret)},
	}
	snapshot, err := runtimeconfig.NewSnapshot(d, "test", 1, runtimeconfig.Options{LookupEnv: func(string) (string, bool) { return "", false }, Now: time.Now})
	if err != nil {
		tb.Fatal(err)
	}
	keys, err := seal.NewKeys(keyring.New(time.Now()), time.Now)
	if err != nil {
		tb.Fatal(err)
	}
	config := &live.Config{}
	config.Set(snapshot)
	s, err := broker.New(broker.Config{
		PublicURL: harness.PublicURL, Config: config, Keys: keys, Once: once.Stateless{}, Registry: prometheus.NewRegistry(),
		Logger: slog.New(slog.DiscardHandler), Now: time.Now, Registration: broker.Registration{Mode: broker.RegistrationOpen}, CORSOrigins: []string{"*"},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return s.Public()
}

// FuzzRequest sends a request of any kind. Whatever comes, the answer is none of
// the broker's own failures, nobody is redirected to a place that is not
// registered, and no answer may be cached or framed.
func FuzzRequest(f *testing.F) {
	const ask = "client_id=" + harness.PublicClient + "&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&response_type=code&code_challenge_method=S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	const form = "application/x-www-form-urlencoded"
	for _, s := range [][5]string{
		{"GET", "/v1/vendors/acme/authorize", ask, "", ""}, {"GET", "/v1/authorize", ask + "&vendor=acme&state=x&scope=openid", "", ""},
		{"GET", "/v1/callback", "code=x&state=ABCDEFGHIJKLMNOPQRSTUVWXYZ", "", "__Host-ob-ABCDEFGHIJKLMNOPQRSTUVWXYZ=obl1.x.y"},
		{"POST", "/v1/vendors/acme/token", "", "grant_type=authorization_code&client_id=" + harness.PublicClient + "&code=obc1.x.y&code_verifier=z", form},
		{"POST", "/v1/token", "", "grant_type=refresh_token&client_id=" + harness.PublicClient + "&refresh_token=obr1.x.y", form},
		{"POST", "/v1/register", "", `{"redirect_uris":["https://a.example/cb"]}`, "application/json"},
		{"POST", "/v1/vendors/acme/par", "", ask, form}, {"POST", "/v1/revoke", "", "token=x", form}, {"POST", "/v1/consent", "", "answer=allow", form},
		{"GET", "/.well-known/oauth-authorization-server/v1/vendors/acme", "", "", ""}, {"OPTIONS", "/v1/token", "", "", ""}, {"TRACE", "//v1/../token", "%", "", ""},
	} {
		f.Add(s[0], s[1], s[2], s[3], s[4])
	}
	h := handler(f)
	f.Fuzz(func(t *testing.T, method, path, query, body, header string) {
		r, err := http.NewRequestWithContext(t.Context(), method, harness.PublicURL, strings.NewReader(body))
		if err != nil {
			return
		}
		r.URL.Path, r.URL.RawQuery, r.RemoteAddr = path, query, "203.0.113.9:1"
		if strings.Contains(header, "=") {
			r.Header.Set("Cookie", header)
			header = form
		}
		r.Header.Set("Content-Type", header)
		r.Header.Set("Authorization", "Basic "+header)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError || w.Code == http.StatusBadGateway {
			t.Errorf("%s %q?%q %q: %d %s", method, path, query, body, w.Code, w.Body)
		}
		if to := w.Header().Get("Location"); to != "" && w.Code != http.StatusMovedPermanently && w.Code != http.StatusTemporaryRedirect {
			u, err := url.Parse(to)
			if err != nil || u.Scheme != "https" || u.Host != "app.example" && u.Host != "vendor.example" {
				t.Errorf("%s %q?%q: sent to %q", method, path, query, to)
			}
		}
	})
}
