// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// signingKey is a key that the vendor signs with for a while.
type signingKey struct {
	id  string
	key *ecdsa.PrivateKey
}

func newSigningKey(t *testing.T, id string) signingKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signingKey{id, key}
}

// signs lets the vendor sign ID tokens with k.
func (k signingKey) signs() fakevendor.Behaviour {
	return fakevendor.Behaviour{Name: "signed by " + k.id, IDToken: func(t *fakevendor.IDToken) {
		t.Header["alg"], t.Header["kid"] = "ES256", k.id
		t.Sign = func(input []byte) ([]byte, error) {
			sum := sha256.Sum256(input)
			r, s, err := ecdsa.Sign(rand.Reader, k.key, sum[:])
			if err != nil {
				return nil, err
			}
			return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), nil
		}
	}}
}

// published lets the key set of the vendor hold these keys and no others.
func published(cacheControl string, keys ...signingKey) fakevendor.Behaviour {
	var set jose.JSONWebKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.key.Public(), KeyID: k.id, Use: "sig"})
	}
	return fakevendor.Behaviour{Name: "published", Write: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", cacheControl)
		_ = json.NewEncoder(w).Encode(set)
	}}
}

func keysHarness(t *testing.T) *harness.Harness {
	t.Helper()
	return harness.Standard(t, harness.Setup{Options: harness.Options{Replicas: 1}, Edit: func(d *runtimeconfig.Document) {
		d.Vendors[0].Identity.Algorithms = []string{"ES256"}
	}})
}

// signIn is a sign-in at a vendor whose ID token is signed by k.
func signIn(h *harness.Harness, k signingKey) *harness.Response {
	h.Fake.Set(fakevendor.Token, k.signs())
	l := h.NewLogin(harness.WebClient)
	l.Params.Set("scope", "openid read")
	l.Walk()
	return l.Redeem()
}

// TestVendorKeys_withdrawn: a key that the vendor has taken out of its set counts
// no longer than the vendor lets the set be kept, within bounds of ours.
func TestVendorKeys_withdrawn(t *testing.T) {
	for cacheControl, kept := range map[string]time.Duration{
		"": 15 * time.Minute, "max-age=3600": time.Hour, "max-age=15": 5 * time.Minute, "no-store": 5 * time.Minute, "max-age=5184000": 24 * time.Hour,
	} {
		t.Run(cacheControl, func(t *testing.T) {
			h := keysHarness(t)
			stolen, next := newSigningKey(t, "stolen"), newSigningKey(t, "next")
			h.Fake.Set(fakevendor.JWKS, published(cacheControl, stolen))
			wantTokens(t, "at first", signIn(h, stolen))
			h.Fake.Set(fakevendor.JWKS, published(cacheControl, next))
			h.Clock.Advance(kept - time.Minute)
			wantTokens(t, "while the set may be kept", signIn(h, stolen))
			h.Clock.Advance(2 * time.Minute)
			wantRefusal(t, "afterwards", signIn(h, stolen), badAnswer())
			wantTokens(t, "the next key", signIn(h, next))
		})
	}
}

// TestVendorKeys_rotated: a token of a new key is good at once, also right after
// the set was read; and made-up keys make no more reads than the bound.
func TestVendorKeys_rotated(t *testing.T) {
	h := keysHarness(t)
	first, second := newSigningKey(t, "first"), newSigningKey(t, "second")
	h.Fake.Set(fakevendor.JWKS, published("", first))
	wantTokens(t, "at first", signIn(h, first))
	h.Fake.Set(fakevendor.JWKS, published("", first, second))
	wantTokens(t, "a new key, in the same moment", signIn(h, second))
	for range 10 {
		wantRefusal(t, "made up", signIn(h, newSigningKey(t, rand.Text())), badAnswer())
	}
	if n := h.Fake.Count(fakevendor.JWKS); n != 3 {
		t.Errorf("the keys were read %d times in one moment, want 3", n)
	}
	for range 60 {
		h.Clock.Advance(time.Second)
		wantRefusal(t, "made up", signIn(h, newSigningKey(t, rand.Text())), badAnswer())
	}
	if n := h.Fake.Count(fakevendor.JWKS); n != 9 {
		t.Errorf("the keys were read %d times in the minute after it, want 6", n-3)
	}
	third := newSigningKey(t, "third")
	h.Fake.Set(fakevendor.JWKS, published("", third))
	h.Clock.Advance(10 * time.Second)
	wantTokens(t, "a new key, ten seconds later", signIn(h, third))
}

// TestVendorKeys_away: keys that cannot be read again go on for a day, and a
// vendor that does not answer costs two seconds and no sign-in.
func TestVendorKeys_away(t *testing.T) {
	h := keysHarness(t)
	key, other := newSigningKey(t, "key"), newSigningKey(t, "other")
	h.Fake.Set(fakevendor.JWKS, published("", key))
	wantTokens(t, "at first", signIn(h, key))
	for _, b := range []fakevendor.Behaviour{fakevendor.Answer(http.StatusServiceUnavailable, "text/plain", "away"), fakevendor.Answer(http.StatusOK, "text/html", "<p>"), h.Fake.Hang()} {
		h.Fake.Set(fakevendor.JWKS, b)
		h.Clock.Advance(30 * time.Minute)
		reads := h.Fake.Count(fakevendor.JWKS)
		wantTokens(t, b.Name, signIn(h, key))
		if n := h.Fake.Count(fakevendor.JWKS); n != reads+1 {
			t.Errorf("%s: %d reads, want one more than %d", b.Name, n, reads)
		}
	}
	h.Fake.Set(fakevendor.JWKS, fakevendor.Answer(http.StatusServiceUnavailable, "text/plain", "away"))
	h.Clock.Advance(22 * time.Hour)
	wantTokens(t, "a known key, for a day", signIn(h, key))
	wantRefusal(t, "an unknown key", signIn(h, other), badAnswer())
	h.Clock.Advance(2 * time.Hour)
	wantRefusal(t, "a known key, after a day", signIn(h, key), badAnswer())
	h.Fake.Set(fakevendor.JWKS, published("", key))
	wantTokens(t, "when the keys are back", signIn(h, key))
}
