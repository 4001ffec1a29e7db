// SPDX-License-Identifier: Apache-2.0

package oauth_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
)

// Whatever is accepted is one object for every parser: writing it again and
// reading that gives the same members.
func FuzzDecodeObject(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":1}`, `{"a":{"b":[1,2,{"c":null}]}}`, `{"a":1,"a":2}`, `{"a":1} `, `{"a":1}x`, `[]`, `null`, `"a"`, `{"A":1,"a":2}`,
		`{"\u0061":1,"a":2}`, `{"a":1e999}`, strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 40), "{\"a\":\"\xff\"}", `{"a":"\ud800"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := oauth.DecodeObject(b)
		if err != nil {
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatalf("accepted %q, which cannot be written again: %v", b, err)
		}
		back, err := oauth.DecodeObject(again)
		if err != nil || len(back) != len(m) {
			t.Errorf("accepted %q with %d members, and read back %d from %q: %v", b, len(m), len(back), again, err)
		}
	})
}
