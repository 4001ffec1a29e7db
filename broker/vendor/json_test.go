// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
)

func TestParseObject(t *testing.T) {
	for s, want := range map[string]bool{
		`{}`: true, ` {"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]} `: true, `{"a":12345678901234567890}`: true, `{"é":"\u0000"}`: true,
		``: false, `null`: false, `[]`: false, `"x"`: false, `1`: false, `{"a":1}{}`: false, `{"a":1} x`: false, `{"a":1`: false, `{"a":}`: false, `{a:1}`: false,
		`{"a":1,"a":1}`: false, `{"b":{"a":1,"a":2}}`: false, `{"b":[{"a":1,"a":2}]}`: false, `{"a":1,"\u0061":2}`: false, "{\"a\":\"\xff\"}": false, `{"a":1,}`: false,
		strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40): false, strings.Repeat("[", 100000): false, "\ufeff{}": false,
	} {
		if m, err := oauth.ParseObject(s); (err == nil) != want || want && m == nil {
			t.Errorf("ParseObject(%.40q) = %v, %v", s, m, err)
		}
	}
}

func TestAtAndReplaceAt(t *testing.T) {
	m, err := oauth.ParseObject(`{"a":{"b":{"c":"x","n":12345678901234567890}},"s":"text","z":null}`)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"a.b.c": `"x"`, "s": `"text"`, "a.b.missing": "", "a.missing.c": "", "s.b": "", "z": "", "z.b": "", "": "", "a.b.c.d": ""} {
		if v, ok := at(m, path); ok != (want != "") || ok && v != want {
			t.Errorf("at(%q) = %s, %v", path, v, ok)
		}
	}
	for _, path := range []string{"a.b.c", "a.b.missing", "s.b", "missing", "z.b", "a.missing.c"} {
		replaceAt(&m, path, `"new"`)
	}
	b, err := json.Marshal(m)
	if want := `{"a":{"b":{"c":"new","n":12345678901234567890}},"s":"text","z":null}`; err != nil || string(b) != want {
		t.Errorf("after replaceAt: %s, %v", b, err)
	}
}
