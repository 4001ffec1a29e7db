// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

func TestRedTeam_F16_AssertionClaims(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.Login(harness.KeyClient)
	at := func(d time.Duration) int64 { return h.Clock.Now().Add(d).Unix() }
	for what, c := range map[string]struct {
		claim string
		value any
	}{
		"aud of the generic issuer": {"aud", harness.PublicURL}, "aud of the token endpoint": {"aud", tokenURL}, "aud with a slash": {"aud", issuer + "/"},
		"aud of another": {"aud", "https://evil.example"}, "aud of two": {"aud", []string{issuer, "https://evil.example"}}, "aud twice": {"aud", []string{issuer, issuer}},
		"aud empty": {"aud", []string{}}, "no aud": {"aud", nil}, "exp in a year": {"exp", at(365 * 24 * time.Hour)}, "exp in two minutes": {"exp", at(2 * time.Minute)},
		"expired": {"exp", at(-10 * time.Second)}, "no exp": {"exp", nil}, "exp is text": {"exp", "soon"}, "no jti": {"jti", nil}, "long jti": {"jti", strings.Repeat("j", 300)},
		"iss of another": {"iss", harness.WebClient}, "no iss": {"iss", nil}, "sub of another": {"sub", harness.WebClient}, "no sub": {"sub", nil}, "nbf in the future": {"nbf", at(time.Minute)}, "more than 8 KB": {"padding", strings.Repeat("x", 8<<10)},
	} {
		claims := h.Claims(issuer)
		claims[c.claim] = c.value
		if c.value == nil {
			delete(claims, c.claim)
		}
		wantJSON(t, what, h.Token(tokenURL, l.Form(), harness.Assertion(h.Sign(claims))), failure{http.StatusUnauthorized, "invalid_client"})
	}
	other := func(f url.Values, header http.Header) {
		harness.Assertion(h.Sign(h.Claims(issuer)))(f, header)
		f.Set("client_id", harness.WebClient)
	}
	wantJSON(t, "client_id of another", h.Token(tokenURL, l.Form(), other), failure{http.StatusUnauthorized, "invalid_client"})
	wantCalls(t, "bad assertions", h.Fake, 0)
	claims := h.Claims(issuer)
	claims["aud"] = []string{issuer}
	wantTokens(t, "aud in an array of one", h.Token(tokenURL, l.Form(), harness.Assertion(h.Sign(claims))))
}

func TestRedTeam_F16_AssertionSignature(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.Login(harness.KeyClient)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(h.Key().Public())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	sign := func(method jwt.SigningMethod, key any, header map[string]any) string {
		token := jwt.NewWithClaims(method, h.Claims(issuer))
		maps.Copy(token.Header, header)
		signed, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	good := h.Sign(h.Claims(issuer))
	for what, assertion := range map[string]string{
		"alg none":                  sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil),
		"HS256 with the public key": sign(jwt.SigningMethodHS256, public, nil),
		"HS256 with the JWKS":       sign(jwt.SigningMethodHS256, []byte(harness.JWKS(h.Key().Public())), nil),
		"another key":               sign(jwt.SigningMethodES256, stranger, map[string]any{"kid": "key-1"}),
		"unknown kid":               sign(jwt.SigningMethodES256, h.Key(), map[string]any{"kid": "key-2"}),
		"own key in the header":     sign(jwt.SigningMethodES256, stranger, map[string]any{"jwk": map[string]any{"kty": "EC"}, "jku": "https://evil.example/jwks"}),
		"crit":                      sign(jwt.SigningMethodES256, h.Key(), map[string]any{"crit": []string{"exp2"}, "exp2": 1}),
		"crit of nothing":           sign(jwt.SigningMethodES256, h.Key(), map[string]any{"crit": []string{}}),
		"unencoded payload":         sign(jwt.SigningMethodES256, h.Key(), map[string]any{"crit": []string{"b64"}, "b64": false}),
		"no signature":              good[:strings.LastIndex(good, ".")+1],
		"signature of another":      good[:strings.LastIndex(good, ".")] + h.Sign(h.Claims(issuer))[strings.LastIndex(good, "."):],
		"10,000 dots":               strings.Repeat(".", 10_000),
		"20 KB":                     good + strings.Repeat("A", 20<<10),
	} {
		wantJSON(t, what, h.Token(tokenURL, l.Form(), harness.Assertion(assertion)), failure{http.StatusUnauthorized, "invalid_client"})
	}
	wantCalls(t, "bad signatures", h.Fake, 0)
	wantTokens(t, "a good one", l.Redeem())
}

// Metadata names the algorithms that work, and no others do.
func TestRedTeam_F16_AlgorithmsAreThoseOfTheMetadata(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ec := map[elliptic.Curve]*ecdsa.PrivateKey{}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		if ec[curve], err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	works := []string{}
	for method, key := range map[jwt.SigningMethod]crypto.Signer{
		jwt.SigningMethodRS256: rsaKey, jwt.SigningMethodRS384: rsaKey, jwt.SigningMethodRS512: rsaKey,
		jwt.SigningMethodPS256: rsaKey, jwt.SigningMethodPS384: rsaKey, jwt.SigningMethodPS512: rsaKey,
		jwt.SigningMethodES256: ec[elliptic.P256()], jwt.SigningMethodES384: ec[elliptic.P384()], jwt.SigningMethodES512: ec[elliptic.P521()], jwt.SigningMethodEdDSA: ed,
	} {
		h := harness.Standard(t, harness.Setup{Edit: func(d *runtimeconfig.Document) { d.Clients[2].JWKS = harness.JWKS(key.Public()) }})
		signed, err := jwt.NewWithClaims(method, h.Claims(issuer)).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		if h.Token(tokenURL, h.Login(harness.KeyClient).Form(), harness.Assertion(signed)).Status == http.StatusOK {
			works = append(works, method.Alg())
		}
	}
	var m struct {
		Named []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	}
	h := harness.Standard(t, harness.Setup{})
	if err := json.Unmarshal([]byte(h.Send(http.MethodGet, harness.PublicURL+metadataPaths()[0], "", http.Header{}).Body), &m); err != nil {
		t.Fatal(err)
	}
	slices.Sort(works)
	slices.Sort(m.Named)
	if diff := cmp.Diff(m.Named, works); diff != "" || len(works) < 5 {
		t.Errorf("named and working: %s", diff)
	}
}

// A key that can be broken proves nothing, whoever wrote it down (RFC 7518 section 3.3).
func TestRedTeam_F16_ShortRSAKey(t *testing.T) {
	for bits, good := range map[int]bool{1024: false, 2040: false, 2048: true} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		s := open()
		s.Edit = func(d *runtimeconfig.Document) { d.Clients[2].JWKS = harness.JWKS(key.Public()) }
		h := harness.Standard(t, s)
		signed, err := jwt.NewWithClaims(jwt.SigningMethodPS256, h.Claims(issuer)).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		m := metadata()
		m["token_endpoint_auth_method"], m["jwks"] = "private_key_jwt", json.RawMessage(harness.JWKS(key.Public()))
		registration := sendJSON(t, h, registerURL, m)
		answer := h.Token(tokenURL, h.Login(harness.KeyClient).Form(), harness.Assertion(signed))
		if good {
			wantTokens(t, "2048 bits", answer)
			if registration.Status != http.StatusCreated {
				t.Errorf("registration with 2048 bits: %d %s", registration.Status, registration.Body)
			}
			continue
		}
		wantJSON(t, "too short", answer, failure{http.StatusUnauthorized, "invalid_client"})
		wantJSON(t, "registration", registration, failure{http.StatusBadRequest, "invalid_client_metadata"})
	}
}

// Without Redis an assertion can be used again until it expires, at most a
// minute after it was made: it is bound to one issuer, and proves no more than
// the client's key does.
func TestRedTeam_F16_ReplayEndsWithTheMinute(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	stolen := harness.Assertion(h.Sign(h.Claims(issuer)))
	h.Clock.Advance(66 * time.Second)
	l := h.Login(harness.KeyClient)
	wantJSON(t, "after a minute", h.Token(tokenURL, l.Form(), stolen), failure{http.StatusUnauthorized, "invalid_client"})
	wantJSON(t, "at another issuer", h.Token(harness.PublicURL+"/v1/token", l.Form(), harness.Assertion(h.Sign(h.Claims(issuer)))), failure{http.StatusUnauthorized, "invalid_client"})
	wantTokens(t, "at its own", h.Token(harness.PublicURL+"/v1/token", l.Form(), harness.Assertion(h.Sign(h.Claims(harness.PublicURL)))))
}
