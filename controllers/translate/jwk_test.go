// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

// TestTranslate_keysThatCannotSign: a client whose every assertion the broker would
// refuse is told so; a key of such a kind beside a good one does no harm.
func TestTranslate_keysThatCannotSign(t *testing.T) {
	curve := func(c elliptic.Curve) any {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k.Public()
	}
	big, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		keys []jose.JSONWebKey
		good bool
	}{
		"RSA":           {[]jose.JSONWebKey{{Key: big.Public()}}, true},
		"PS256":         {[]jose.JSONWebKey{{Key: big.Public(), Algorithm: "PS256"}}, true},
		"RS512":         {[]jose.JSONWebKey{{Key: big.Public(), Algorithm: "RS512"}}, false},
		"P-256":         {[]jose.JSONWebKey{{Key: curve(elliptic.P256())}}, true},
		"P-384":         {[]jose.JSONWebKey{{Key: curve(elliptic.P384()), Algorithm: "ES384"}}, true},
		"P-521":         {[]jose.JSONWebKey{{Key: curve(elliptic.P521())}}, false},
		"another curve": {[]jose.JSONWebKey{{Key: curve(elliptic.P384()), Algorithm: "ES256"}}, false},
		"Ed25519":       {[]jose.JSONWebKey{{Key: ed}}, true},
		"encryption":    {[]jose.JSONWebKey{{Key: ed, Use: "enc"}}, false},
		"one of two":    {[]jose.JSONWebKey{{Key: curve(elliptic.P521()), KeyID: "a"}, {Key: ed, KeyID: "b"}}, true},
	} {
		jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: c.keys})
		if err != nil {
			t.Fatal(err)
		}
		in := limited(oauthv1alpha1.AuthNone, nil)
		in.Clients[0].Spec.Authentication = oauthv1alpha1.BrokerClientAuthentication{Method: oauthv1alpha1.ClientAuthPrivateKeyJWT, JWKS: string(jwks)}
		for _, v := range translate.Translate(in).Verdicts {
			if v.Ref.Kind == "BrokerClient" && (v.Accepted.OK != c.good || !c.good && !strings.Contains(v.Accepted.Message, "ES384")) {
				t.Errorf("%s: got %+v", name, v.Accepted)
			}
		}
	}
}
