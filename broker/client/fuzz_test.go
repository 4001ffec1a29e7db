// SPDX-License-Identifier: Apache-2.0

package client

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/broker/once"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// harmless tells of a redirect URI that may be redirected to: https, or http of
// a loopback host.
func harmless(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || u.Fragment != "" || u.User != nil {
		return false
	}
	h := u.Hostname()
	return u.Scheme == "https" || u.Scheme == "http" && (h == "localhost" || h == "127.0.0.1" || h == "::1")
}

func FuzzParseMetadata(f *testing.F) {
	for _, s := range []string{
		`{"redirect_uris":["https://a.example/cb"]}`,
		`{"redirect_uris":["http://127.0.0.1:7/cb"],"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"]}`,
		`{"redirect_uris":["javascript:alert(1)"]}`, `{"redirect_uris":["https://a.example/../cb"]}`, `{"REDIRECT_URIS":["https://a.example/"]}`,
		`{"redirect_uris":["https://a.example/cb"],"jwks":{"keys":[{"kty":"oct","k":"AA"}]},"token_endpoint_auth_method":"private_key_jwt"}`,
		`{"redirect_uris":["https://a.example/cb"],"client_name":"\u202egood","jwks_uri":"https://a.example/"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMetadata(b)
		if err != nil {
			e, ok := errors.AsType[*oauth.Error](err)
			if !ok || !oauth.Printable(e.Description) {
				t.Errorf("the error %v is none for a client", err)
			}
			return
		}
		for _, uri := range m.RedirectURIs {
			if !harmless(uri) {
				t.Errorf("accepted %q", uri)
			}
		}
		if len(m.RedirectURIs) == 0 || !clean(m.ClientName) || len(m.ClientName) > maxClientName || (m.AuthMethod == authPrivateKeyJWT) != (m.JWKS != nil) {
			t.Errorf("accepted %+v", m)
		}
	})
}

func FuzzParseDocument(f *testing.F) {
	const id = "https://app.example/client.json"
	f.Add([]byte(`{"client_id":"` + id + `","redirect_uris":["https://app.example/cb"]}`))
	f.Add([]byte(`{"client_id":"` + id + `","redirect_uris":["https://app.example/cb"],"client_secret":"x"}`))
	f.Add([]byte(`{"client_id":"` + id + `","redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"client_secret_basic"}`))
	f.Add([]byte(`{"client_id":"https://other.example/","redirect_uris":["https://app.example/cb"]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseDocument(id, b)
		if err != nil {
			return
		}
		if c.ID != id || !c.SelfRegistered || c.Auth == runtimeconfig.ClientSecret || c.Namespace != "" || len(c.Vendors) != 0 {
			t.Errorf("accepted %q as %+v", b, c)
		}
		for _, uri := range c.RedirectURIs {
			if !harmless(uri) {
				t.Errorf("accepted %q", uri)
			}
		}
	})
}

func FuzzCheckDocumentURL(f *testing.F) {
	for _, s := range []string{
		"https://app.example/client.json", "https://app.example/", "https://127.0.0.1/a", "https://[::1]/a", "https://localhost/a", "http://app.example/a",
		"https://u@app.example/a", "https://app.example/a/../b", "https://app.example/%2e%2e/b", "https://app.example/a#b", "https://0x7f000001/a", "https://app.example\\@b/a",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if checkDocumentURL(id) != nil {
			return
		}
		u, err := url.Parse(id)
		if err != nil || u.Scheme != "https" || u.User != nil || u.Fragment != "" || len(u.Path) < 2 || strings.Contains(u.Path, "/../") ||
			!strings.Contains(u.Hostname(), ".") || u.String() == "" || strings.ContainsAny(id, "\\ \r\n\t") {
			t.Errorf("accepted %q", id)
		}
	})
}

// No assertion is accepted that the client's key did not sign.
func FuzzAssertion(f *testing.F) {
	now := time.Unix(1_700_000_000, 0)
	claims := jwt.MapClaims{"iss": "a.b", "sub": "a.b", "aud": "https://broker.example", "jti": "1", "exp": now.Add(30 * time.Second).Unix()}
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, claims).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		f.Fatal(err)
	}
	symmetric, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("public"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(unsigned)
	f.Add(symmetric)
	f.Add("eyJhbGciOiJFUzI1NiIsImtpZCI6ImsifQ.e30.AAAA")
	f.Add("..")
	// The public half of a key whose private half nobody has (RFC 7517 appendix A.1).
	const jwks = `{"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`
	a := Authenticator{Once: once.Stateless{}, Now: func() time.Time { return now }}
	c := &runtimeconfig.Client{ID: "a.b", Auth: runtimeconfig.ClientPrivateKeyJWT, JWKS: jwks}
	if !json.Valid([]byte(jwks)) {
		f.Fatal("the key set is not JSON")
	}
	f.Fuzz(func(t *testing.T, raw string) {
		shown := presented{assertion: secret.New(raw)}
		_ = assertedID(shown)
		if a.checkAssertion(t.Context(), c, shown.assertion, "https://broker.example") == nil {
			t.Errorf("accepted %q", raw)
		}
	})
}
