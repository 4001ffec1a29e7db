// SPDX-License-Identifier: Apache-2.0

package oauth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
)

// FuzzDecodeObject holds the walk through the bytes against encoding/json's own
// tokens: both accept the same, and find the same members.
func FuzzDecodeObject(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { "a" : 1 , "b" : { "a" : [ 1 , {} ] } } `, `{"a":1,"\u0061":2}`, `{"a\"b":"}","c\\":[]}`, `{"a":[{"b":1,"b":2}]}`, `{"a":-1.5e+3,"b":true,"c":null}`,
		`null`, `[]`, `{"a":1}{}`, "{\"a\":\"\xff\"}", strings.Repeat(`{"a":`, 32) + "1" + strings.Repeat("}", 32), strings.Repeat(`{"a":`, 33) + "{}" + strings.Repeat("}", 33),
		`[]`, `"a"`, `{"A":1,"a":2}`, `{"a":1e999}`, `{"a":"\ud800"}`, `{"":{"":""}}`, `{"\ud800":1,"\ufffd":2}`, `{"a":[[[]]],"b":"\u0022"}`, "{\"a\":1\n,\t\"b\":\r2}",
		"{}\x00", "\x00{}", `{"a":"\`, `{"a`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":"\q"}`, `{"a":"\u00"}`, "{\"a\":\"\n\"}", `{"a":01}`, `{"a":tru}`, `{"a":1 2}`, `{"a":[1,]}`, `{"a":[,]}`, `{,}`, `{"a":1"b":2}`, `{"a":{}}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want, wantErr := reference(b)
		got, err := oauth.DecodeObject(b)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("got error %v, want %v for %q", err, wantErr, b)
		}
		if err != nil {
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", b, diff)
		}
		var o oauth.Object
		if err := json.Unmarshal(b, &o); err != nil {
			t.Errorf("%q as an Object: %v", b, err)
		}
		after, err := reference(o.AppendJSON(nil))
		if diff := cmp.Diff(want, after); err != nil || diff != "" {
			t.Errorf("encoded and decoded again: %v %s", err, diff)
		}
	})
}

// A member may be named like another one far away, and there may be many.
func TestParseObject_repeatedAmongMany(t *testing.T) {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, `,"m%d":%d`, i, i)
	}
	many := b.String()[1:]
	if o, err := oauth.ParseObject("{" + many + "}"); err != nil || len(o) != 1000 || o.Get("m999") != "999" {
		t.Errorf("%d members, %v", len(o), err)
	}
	for _, name := range []string{"m0", "m17", "m999"} {
		if _, err := oauth.ParseObject("{" + many + `,"` + name + `":1}`); err == nil {
			t.Errorf("%s is there twice", name)
		}
	}
}

// reference is DecodeObject by the tokens of encoding/json.
func reference(b []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("not valid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := referenceValue(d, 0); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("trailing bytes")
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil || m == nil {
		return nil, errors.New("not a JSON object")
	}
	return m, nil
}

func referenceValue(d *json.Decoder, depth int) error {
	const maxDepth = 32
	if depth > maxDepth {
		return errors.New("nested too deeply")
	}
	t, err := d.Token()
	if err != nil {
		return err
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	names := map[string]bool{}
	for d.More() {
		if delim == '{' {
			t, err := d.Token()
			name, ok := t.(string)
			if err != nil || !ok || names[name] {
				return errors.New("no name, or repeated")
			}
			names[name] = true
		}
		if err := referenceValue(d, depth+1); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

func TestQuote(t *testing.T) {
	for _, s := range []string{"", "plain", `a"b`, `a\b`, "<&>", "\x00\x1f\x7f", "é\u2028", "\xff"} {
		want, err := json.Marshal(s)
		if got := oauth.Quote(s); err != nil || got != string(want) {
			t.Errorf("Quote(%q) = %s, want %s", s, got, want)
		}
		var content string
		if err := json.Unmarshal(want, &content); err != nil || oauth.Unquote(string(want)) != content {
			t.Errorf("Unquote(%s) = %q, want %q", want, oauth.Unquote(string(want)), content)
		}
	}
	for _, no := range []string{"", "1", "null", "{}", `["a"]`} {
		if got := oauth.Unquote(no); got != "" {
			t.Errorf("Unquote(%s) = %q", no, got)
		}
	}
}

func BenchmarkParseObject(b *testing.B) {
	text := []byte(`{"access_token":"` + strings.Repeat("a", 120) + `","expires_in":3599,"id_token":"` + strings.Repeat("b", 900) + `","refresh_token":"` + strings.Repeat("c", 100) + `","scope":"openid profile","token_type":"Bearer"}`)
	for name, decode := range map[string]func() error{
		"ParseObject": func() error { _, err := oauth.ParseObject(string(text)); return err },
		"tokens":      func() error { _, err := reference(text); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := decode(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkObject_AppendJSON(b *testing.B) {
	var o oauth.Object
	for _, name := range []string{"access_token", "expires_in", "id_token", "refresh_token", "scope", "token_type"} {
		o.Set(name, oauth.Quote(strings.Repeat("a", 200)))
	}
	b.ReportAllocs()
	var text []byte
	for b.Loop() {
		text = o.AppendJSON(text[:0])
	}
}
