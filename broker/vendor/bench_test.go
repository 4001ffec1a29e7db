// SPDX-License-Identifier: Apache-2.0

package vendor_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/oauthbroker/oauth-broker/broker/vendor"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// What a login costs between broker and vendor. "null" makes the same call and
// checks nothing: the difference is what our part costs. Both hold the vendor's
// own work, which answers from memory over HTTP/2.
func BenchmarkExchange(b *testing.B) {
	v := newBenchVendor(b)
	b.Run("null", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := v.nullExchange(b); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("broker", func(b *testing.B) {
		c, e := vendor.NewClient(time.Now, nil), v.endpoint()
		c.Calls = 256
		x := vendor.CodeExchange{Code: secret.New(benchCode), Verifier: secret.New(benchVerifier), RedirectURI: benchCallback}
		b.ReportAllocs()
		for b.Loop() {
			r, err := c.Exchange(b.Context(), e, x, vendor.IDTokenCheck{Nonce: benchNonce, Expected: true})
			if err != nil || r.Subject != benchSubject {
				b.Fatal(r, err)
			}
		}
	})
}

const (
	benchApp      = "bench-app-0123456789.apps.vendor.example"
	benchSecret   = "bench-app-secret-0123456789abcdef"
	benchAccess   = "vendor-access-token.ZGVzIGFjY2VzcyB0b2tlbnMgYXJlIGxvbmcgYW5kIG9wYXF1ZSB0byB1cw0123456789"
	benchCode     = "4/0AeaYSHDqVb3k2JmX9n1uTg7pQ5cR8wZyLfKe-0"
	benchVerifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	benchCallback = "https://broker.example/v1/callback"
	benchNonce    = "nonce-of-the-benchmark-0"
	benchSubject  = "110169484474386276334"
)

type benchVendor struct {
	*httptest.Server
	answer []byte
}

func newBenchVendor(tb testing.TB) *benchVendor {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	jwks := encode(tb, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "key-1", Algorithm: "RS256", Use: "sig"}}})
	v := &benchVendor{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(v.answer)
	})
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(jwks)
	})
	v.Server = httptest.NewUnstartedServer(mux)
	v.EnableHTTP2 = true
	v.StartTLS()
	tb.Cleanup(v.Close)
	v.answer = encode(tb, map[string]any{
		"access_token": benchAccess, "expires_in": 3599, "refresh_token": "vendor-refresh-token.QkVOQ0hNQVJLUkVGUkVTSFRPS0VOMDEyMzQ1Njc4OQ",
		"scope": "openid profile offline_access", "token_type": "Bearer", "id_token": v.idToken(tb, key),
	})
	return v
}

// idToken is like those of the large vendors.
func (v *benchVendor) idToken(tb testing.TB, key *rsa.PrivateKey) string {
	e, hash, now := base64.RawURLEncoding.EncodeToString, sha256.Sum256([]byte(benchAccess)), time.Now()
	signed := e([]byte(`{"alg":"RS256","kid":"key-1","typ":"JWT"}`)) + "." + e(encode(tb, map[string]any{
		"iss": v.URL, "aud": benchApp, "azp": benchApp, "sub": benchSubject, "nonce": benchNonce,
		"at_hash": e(hash[:16]), "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"email": "someone@example.com", "email_verified": true, "name": "Some One", "given_name": "Some", "family_name": "One",
		"picture": "https://pictures.vendor.example/a/ACg8ocJXq0123456789abcdef",
	}))
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		tb.Fatal(err)
	}
	return signed + "." + e(signature)
}

func (v *benchVendor) endpoint() vendor.Endpoint {
	return vendor.Endpoint{
		Vendor: &runtimeconfig.Vendor{
			Name: "bench", PKCE: true,
			ClientAuth:    runtimeconfig.ClientAuth{Method: runtimeconfig.AuthBasic},
			TokenResponse: runtimeconfig.TokenResponse{Format: runtimeconfig.FormatJSON, ScopeSeparator: " "},
			Identity:      runtimeconfig.Identity{IDToken: runtimeconfig.IDTokenRequired, Algorithms: []string{"RS256"}},
			Resource:      runtimeconfig.Resource{Mode: runtimeconfig.ResourcePass, Parameter: "resource", OnToken: true, OnRefresh: true},
			Transport: runtimeconfig.Transport{
				TimeoutSeconds: 10, MaxResponseBytes: 1 << 20,
				CABundle: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: v.Certificate().Raw})),
			},
		},
		Credential: &runtimeconfig.Credential{ClientID: benchApp, ClientSecret: secret.New(benchSecret)},
		Target: &runtimeconfig.Target{
			Issuer:    v.URL,
			Endpoints: runtimeconfig.Endpoints{Token: v.URL + "/token", Refresh: v.URL + "/token", JWKS: v.URL + "/jwks"},
		},
	}
}

// nullExchange is the outbound call of the null broker of hack/bench.
func (v *benchVendor) nullExchange(b *testing.B) error {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {benchCode}, "redirect_uri": {benchCallback}, "code_verifier": {benchVerifier}}
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, v.URL+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(benchApp, benchSecret)
	client := http.Client{Transport: v.Client().Transport, Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && !bytes.Equal(body, v.answer) {
		err = fmt.Errorf("answered %d", resp.StatusCode)
	}
	return err
}

func encode(tb testing.TB, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}
