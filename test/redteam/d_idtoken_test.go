// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"encoding/json"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

func TestRedTeam_D18_IDTokenSurvivesJSONAndEncryption(t *testing.T) {
	key, encryption := newEncryption(t)
	for _, encrypted := range []bool{false, true} {
		h := harness.Standard(t, harness.Setup{Edit: func(d *runtimeconfig.Document) {
			if encrypted {
				d.Clients[0].Encryption = encryption
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
