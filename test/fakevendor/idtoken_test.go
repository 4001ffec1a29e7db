// SPDX-License-Identifier: Apache-2.0

package fakevendor_test

import (
	"testing"

	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// lenient are those that go-oidc accepts, as its documentation says (nonce, azp
// and further audiences, iat and sub are left to the caller) or as we found.
func lenient(name string) bool {
	switch name {
	case "aud array without azp", "aud array with azp of another", "azp of another", "no iat", "iat in the far future",
		"no sub", "empty sub", "no nonce", "other nonce", "RSA key of 1024 bits", "empty crit header",
		"bits after the end in the signature", "a line break in the signature", "a line break at last in the signature":
		return true
	}
	return false
}

func TestBadIDTokens_standardClient(t *testing.T) {
	keys := &fakevendor.Keys{}
	p := start(t, fakevendor.Options{Keys: keys})
	sink := p.vendor.NewSink(t)
	for _, b := range fakevendor.BadIDTokens(sink.URL) {
		p.vendor.Set(fakevendor.Token, b)
		token, err := p.login()
		if err != nil {
			t.Errorf("%s: the answer itself must be good: %v", b.Name, err)
			continue
		}
		err = p.verifyIgnoringNonce(token)
		if (err == nil) != lenient(b.Name) {
			t.Errorf("%s: go-oidc says %v", b.Name, err)
		}
	}
	if n := len(sink.Requests()); n != 0 {
		t.Errorf("%d requests went to a URL of a header", n)
	}
}

func TestGoodIDTokens_standardClient(t *testing.T) {
	p := start(t, fakevendor.Options{})
	for _, b := range fakevendor.GoodIDTokens() {
		p.vendor.Set(fakevendor.Token, b)
		if err := p.verifyIgnoringNonce(p.mustLogin()); err != nil && b.Name != "no at_hash" {
			t.Errorf("%s: %v", b.Name, err)
		}
	}
}

func TestBadKeySets_standardClient(t *testing.T) {
	p := start(t, fakevendor.Options{})
	token := p.mustLogin()
	for _, b := range fakevendor.BadKeySets() {
		p.vendor.Set(fakevendor.JWKS, b)
		if err := p.verify(token); err == nil {
			t.Errorf("%s: the token was verified", b.Name)
		}
	}
	p.vendor.Set(fakevendor.JWKS, fakevendor.HugeKeySet())
	if err := p.verify(token); err != nil {
		t.Errorf("huge key set: %v", err) // go-oidc has no limit
	}
}

func TestUnknownKey_floodIsCounted(t *testing.T) {
	p := start(t, fakevendor.Options{})
	p.vendor.Set(fakevendor.Token, fakevendor.UnknownKey())
	for range 3 {
		if p.verify(p.mustLogin()) == nil {
			t.Error("a token of an unknown key was verified")
		}
	}
	if got := p.vendor.Count(fakevendor.JWKS); got < 3 {
		t.Errorf("key set fetches = %d", got)
	}
}
