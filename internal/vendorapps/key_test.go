// SPDX-License-Identifier: Apache-2.0

package vendorapps

import (
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// TestKeyFor: an app keeps a key that fits, and else gets one that does; what
// vendors see of it is public.
func TestKeyFor(t *testing.T) {
	has := secret.New("not a key")
	for _, algorithm := range []string{"ES256", "EdDSA", "RS256", "PS256"} {
		r := &translate.Registration{Algorithm: algorithm, KeyID: "kid-1"}
		key, err := keyFor(r, has)
		if err != nil {
			t.Fatal(err)
		}
		if fits := algorithm == "PS256"; key.Equal(has) != fits { // any RSA key fits both RS256 and PS256
			t.Errorf("%s: the key was kept: %v, want %v", algorithm, !fits, fits)
		}
		jwks := translate.PublicJWKS(key, algorithm, r.KeyID)
		if !strings.Contains(jwks, `"kid":"kid-1"`) || !strings.Contains(jwks, `"alg":"`+algorithm+`"`) || strings.Contains(jwks, `"d":`) {
			t.Errorf("%s: got the key set %s", algorithm, jwks)
		}
		has = key
	}
	if key, err := keyFor(&translate.Registration{}, has); err != nil || !key.Empty() {
		t.Errorf("an app without key got one (%v)", err)
	}
	if _, err := keyFor(&translate.Registration{Algorithm: "HS256"}, has); err == nil {
		t.Error("an algorithm without key pairs was taken")
	}
}
