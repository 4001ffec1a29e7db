// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

func TestRedTeam_D18_IDTokenSurvivesJSONAndEncryption(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(jose.JSONWebKey{Key: key.Public(), KeyID: "enc-1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, encrypted := range []bool{false, true} {
		h := harness.Standard(t, harness.Setup{Edit: func(d *runtimeconfig.Document) {
			if encrypted {
				d.Clients[0].Encryption = &runtimeconfig.Encryption{Algorithm: "ECDH-ES", JWK: string(jwk)}
			}
		}})
		var sent string
		r, _ := idTokenAt(t, h, fakevendor.Behaviour{Name: "look", Edit: func(a map[string]any) { sent, _ = a["id_token"].(string) }})
		body := []byte(r.Body)
		if encrypted {
			jwe, err := jose.ParseEncryptedCompact(r.Body, []jose.KeyAlgorithm{jose.ECDH_ES}, []jose.ContentEncryption{jose.A256GCM})
			if err != nil {
				t.Fatalf("%d %s: %v", r.Status, r.Body, err)
			}
			if body, err = jwe.Decrypt(key); err != nil {
				t.Fatal(err)
			}
		}
		var answer map[string]any
		if err := json.Unmarshal(body, &answer); err != nil || sent == "" || answer["id_token"] != sent {
			t.Errorf("encrypted %v: the id_token is not the vendor's: %v", encrypted, err)
		}
	}
}
