// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"crypto/rand"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// oddNumber has so many bits; nobody checks whether the factors of a key are prime.
func oddNumber(t *testing.T, bits int) *big.Int {
	t.Helper()
	b := make([]byte, bits/8)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	b[0] |= 0xc0
	b[len(b)-1] |= 1
	return new(big.Int).SetBytes(b)
}

// hugeKey is a PKCS #1 key in PEM that Go reads.
func hugeKey(t *testing.T, bits int) string {
	t.Helper()
	one, e := big.NewInt(1), big.NewInt(65537)
	for {
		p, q := oddNumber(t, bits/2), oddNumber(t, bits/2)
		p1, q1 := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
		d, inverse := new(big.Int).ModInverse(e, new(big.Int).Mul(p1, q1)), new(big.Int).ModInverse(q, p)
		if d == nil || inverse == nil {
			continue
		}
		der, err := asn1.Marshal(struct {
			Version             int
			N                   *big.Int
			E                   int
			D, P, Q, Dp, Dq, Qi *big.Int
		}{0, new(big.Int).Mul(p, q), 65537, d, p, q, new(big.Int).Mod(d, p1), new(big.Int).Mod(d, q1), inverse})
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: der}))
	}
}

// TestTranslate_hugePrivateKey: a tenant's key makes work for every broker, which
// grows with the cube of its size.
func TestTranslate_hugePrivateKey(t *testing.T) {
	in := limited(oauthv1alpha1.AuthPrivateKeyJWT, map[string]secret.Text{"clientID": secret.New("app"), "privateKey": secret.New(hugeKey(t, 8<<10+16))})
	for _, v := range translate.Translate(in).Verdicts {
		if says := v.ResolvedRefs.Message; v.Ref.Kind == "BYOCCredential" && (v.ResolvedRefs.OK || !strings.Contains(says, "privateKey") || !strings.Contains(says, "8192")) {
			t.Errorf("%s: got %s", v.Ref, says)
		}
	}
}
