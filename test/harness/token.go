// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// AssertionType is the client_assertion_type of private_key_jwt.
const AssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// ClientAuth authenticates a token request.
type ClientAuth func(form url.Values, header http.Header)

// None names a public client.
func None(id string) ClientAuth {
	return func(form url.Values, _ http.Header) { form.Set("client_id", id) }
}

// Post sends the secret in the form (client_secret_post).
func Post(id, clientSecret string) ClientAuth {
	return func(form url.Values, _ http.Header) {
		form.Set("client_id", id)
		form.Set("client_secret", clientSecret)
	}
}

// Basic sends the secret in the Authorization header (client_secret_basic).
func Basic(id, clientSecret string) ClientAuth {
	return func(_ url.Values, header http.Header) {
		r := http.Request{Header: header}
		r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(clientSecret))
	}
}

// Assertion sends a signed assertion (private_key_jwt).
func Assertion(signed string) ClientAuth {
	return func(form url.Values, _ http.Header) {
		form.Set("client_assertion_type", AssertionType)
		form.Set("client_assertion", signed)
	}
}

// Claims of a good assertion of KeyClient, for one issuer.
func (h *Harness) Claims(issuer string) jwt.MapClaims {
	now := h.Clock.Now()
	return jwt.MapClaims{"iss": KeyClient, "sub": KeyClient, "aud": issuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(50 * time.Second).Unix()}
}

// Sign signs an assertion with the key of KeyClient.
func (h *Harness) Sign(claims jwt.MapClaims) string {
	h.t.Helper()
	t := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	t.Header["kid"] = "key-1"
	signed, err := t.SignedString(h.Key())
	if err != nil {
		h.t.Fatal(err)
	}
	return signed
}

// Auth is how a client of Standard authenticates at the vendor's own token
// endpoint; any other client is public.
func (h *Harness) Auth(client string) ClientAuth {
	h.t.Helper()
	switch client {
	case WebClient:
		return Basic(WebClient, WebSecret)
	case KeyClient:
		return Assertion(h.Sign(h.Claims(PublicURL + "/v1/vendors/" + VendorName)))
	}
	return None(client)
}

// Token sends a form to a token endpoint.
func (h *Harness) Token(address string, form url.Values, auth ClientAuth) *Response {
	h.t.Helper()
	form, header := maps.Clone(form), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	if auth != nil {
		auth(form, header)
	}
	return h.Send(http.MethodPost, address, form.Encode(), header)
}

// Send sends any request to a broker, without cookies.
func (h *Harness) Send(method, address, body string, header http.Header) *Response {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header = header
	if host := header.Get("Host"); host != "" {
		r.Host = host
	}
	resp, err := h.HTTP().Do(r)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, address, err)
	}
	return read(h.t, resp)
}

// PEM writes a private key as PEM.
func PEM(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
