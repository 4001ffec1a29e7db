// SPDX-License-Identifier: Apache-2.0

package seal_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
)

// inner and outer say the same twice: in tags for encoding/json, in Fields.
type inner struct {
	A string `json:"a,omitempty"`
	N int64  `json:"n,omitempty"`
}

func (i *inner) Fields(f *seal.Fields) {
	f.Text("a", &i.A)
	f.Int("n", &i.N)
}

type outer struct {
	Text  string            `json:"text,omitempty"`
	Inner inner             `json:"inner"`
	Texts []string          `json:"texts,omitempty"`
	Yes   bool              `json:"yes,omitempty"`
	Map   map[string]string `json:"map,omitempty"`
	Time  time.Time         `json:"time"`
	Last  string            `json:"last,omitempty"`
}

func (o *outer) Fields(f *seal.Fields) {
	f.Text("text", &o.Text)
	f.Object("inner", &o.Inner)
	f.Texts("texts", &o.Texts)
	f.Bool("yes", &o.Yes)
	f.Map("map", &o.Map)
	f.Time("time", &o.Time)
	f.Text("last", &o.Last)
}

// plain has no Fields, so that it is sealed by encoding/json.
type plain outer

// awkward are texts that JSON escapes, or that look like its syntax.
func awkward() []string {
	return []string{"", "plain", `"`, `\`, `a","b":"c`, "}{][,:", "ä→\u2028", "\x00\x1f\x7f", "<&>", "broken \xff utf-8", `ends with \`, strings.Repeat("x", 3000)}
}

// Whoever seals, by Fields or by encoding/json, the other can open it: an older
// version of the broker did the latter.
func TestFields_agreeWithEncodingJSON(t *testing.T) {
	c := start()
	r := ring(t, keyring.New(c.t), c)
	for _, text := range awkward() {
		in := outer{
			Text: text, Inner: inner{A: text, N: -1 << 63}, Texts: []string{text, "second", text}, Yes: true,
			Map: map[string]string{"k" + text: text}, Time: c.t.Add(time.Nanosecond), Last: text,
		}
		want := in
		b, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		want = outer{}
		if err := json.Unmarshal(b, &want); err != nil { // broken UTF-8 is replaced
			t.Fatal(err)
		}
		for name, sealed := range map[string]any{"Fields": &in, "encoding/json": (*plain)(&in)} {
			s, err := r.Seal(seal.Code, c.t.Add(time.Minute), "", sealed)
			if err != nil {
				t.Fatal(err)
			}
			var byFields outer
			var byJSON plain
			if err := errors.Join(r.Open(seal.Code, s, "", &byFields), r.Open(seal.Code, s, "", &byJSON)); err != nil {
				t.Fatalf("%s sealed %q: %v", name, text, err)
			}
			if d := cmp.Diff(want, byFields); d != "" {
				t.Errorf("%s sealed, Fields opened: %s", name, d)
			}
			if d := cmp.Diff(want, outer(byJSON)); d != "" {
				t.Errorf("%s sealed, encoding/json opened: %s", name, d)
			}
		}
	}
}

// A newer version may have more members, an older one fewer.
func TestFields_passOverWhatTheyDoNotKnow(t *testing.T) {
	c := start()
	r := ring(t, keyring.New(c.t), c)
	s, err := r.Seal(seal.Code, c.t.Add(time.Minute), "", map[string]any{
		"aaa": map[string]any{"x": []any{1, "}", nil}}, "text": "t", "zzz": []any{}, "inner": map[string]any{"b": 1.5, "n": 7}, "texts": nil, "yes": false,
	})
	if err != nil {
		t.Fatal(err)
	}
	var got outer
	if err := r.Open(seal.Code, s, "", &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(outer{Text: "t", Inner: inner{N: 7}}, got); d != "" {
		t.Error(d)
	}
}

func TestFields_refuseOtherTypes(t *testing.T) {
	c := start()
	r := ring(t, keyring.New(c.t), c)
	for name, v := range map[string]any{
		"no object": "text", "text": map[string]any{"text": 1}, "texts": map[string]any{"texts": "a"}, "texts within": map[string]any{"texts": []any{"a", 1}},
		"bool": map[string]any{"yes": "true"}, "int": map[string]any{"inner": map[string]any{"n": 1.5}}, "object": map[string]any{"inner": []int{1}},
		"map": map[string]any{"map": []string{"a"}}, "time": map[string]any{"time": "yesterday"}, "time as a number": map[string]any{"time": 1},
	} {
		s, err := r.Seal(seal.Code, c.t.Add(time.Minute), "", v)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Open(seal.Code, s, "", &outer{}); !errors.Is(err, seal.ErrMalformed) {
			t.Errorf("%s: Open() = %v, want ErrMalformed", name, err)
		}
	}
}

func FuzzFields(f *testing.F) {
	for _, text := range awkward() {
		f.Add(text, text)
	}
	c := start()
	r, err := seal.NewRing(keyring.New(c.t), c.now)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		in := outer{Text: a, Inner: inner{A: b}, Texts: []string{b, a}, Map: map[string]string{a: b}, Time: c.t, Last: b}
		s, err := r.Seal(seal.Code, c.t.Add(time.Minute), a, &in)
		if err != nil {
			t.Fatal(err)
		}
		var byFields outer
		var byJSON plain
		if err := errors.Join(r.Open(seal.Code, s, a, &byFields), r.Open(seal.Code, s, a, &byJSON)); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(outer(byJSON), byFields); d != "" {
			t.Error(d)
		}
	})
}

// FuzzFields_anyText reads what nobody wrote: it must not panic, and take no more
// than encoding/json takes.
func FuzzFields_anyText(f *testing.F) {
	for _, text := range []string{`{}`, `{"a":"b"}`, `{"a":"b","n":1}`, `{"a":{"n":[]}}`, `{`, `{"`, `{"a":}`, `{"a":"\`, `[`, `{"a":"b",}`, `{,}`, `{"a"}`} {
		f.Add(text)
	}
	f.Fuzz(func(_ *testing.T, text string) { _ = seal.ReadContent(text, &outer{}) })
}

func BenchmarkSealOpen(b *testing.B) {
	c := start()
	r, err := seal.NewRing(keyring.New(c.t), c.now)
	if err != nil {
		b.Fatal(err)
	}
	in := outer{Text: strings.Repeat("t", 43), Inner: inner{A: strings.Repeat("i", 36)}, Texts: []string{"openid", "profile"}, Time: c.t, Last: strings.Repeat("l", 300)}
	for name, content := range map[string]struct{ in, out any }{"fields": {&in, &outer{}}, "json": {(*plain)(&in), &plain{}}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s, err := r.Seal(seal.Code, c.t.Add(time.Minute), "", content.in)
				if err != nil {
					b.Fatal(err)
				}
				if err := r.Open(seal.Code, s, "", content.out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkState(b *testing.B) {
	c := start()
	r, err := seal.NewRing(keyring.New(c.t), c.now)
	if err != nil {
		b.Fatal(err)
	}
	s := seal.State{ID: strings.Repeat("A", 26), Vendor: "example", Expires: c.t.Add(time.Minute)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.VerifyState(r.SignState(s)); err != nil {
			b.Fatal(err)
		}
	}
}
