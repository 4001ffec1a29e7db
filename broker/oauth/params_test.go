// SPDX-License-Identifier: Apache-2.0

package oauth_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
)

func TestParseParams_good(t *testing.T) {
	p, err := oauth.ParseParams("a=1&empty=&b=x+y%26&resource=https%3A%2F%2Fa&resource=&resource=https%3A%2F%2Fb&c=%C3%A9")
	if err != nil {
		t.Fatal(err)
	}
	if p.Get("a") != "1" || p.Get("b") != "x y&" || p.Get("c") != "é" || p.Has("empty") || p.Get("absent") != "" || p.Has("resource") {
		t.Errorf("params = %+v", p)
	}
	if got := p.Resource(); !slices.Equal(got, []string{"https://a", "https://b"}) {
		t.Errorf("resources = %q", got)
	}
	for encoded, want := range map[string]bool{"": true, "&": true, "x=&y": true, "resource=": true, "x=&y=1": false, "resource=https%3A%2F%2Fa": false} {
		if p, err := oauth.ParseParams(encoded); err != nil || p.Empty() != want {
			t.Errorf("%q: %+v, %v, empty %v", encoded, p, err, p.Empty())
		}
	}
	if got := p.With("c", "2").Without("a", "absent").Encode(); got != "b=x+y%26&c=2&resource=https%3A%2F%2Fa&resource=https%3A%2F%2Fb" {
		t.Errorf("encoded %q", got)
	}
}

func TestParseParams_bad(t *testing.T) {
	for _, s := range []string{
		"a=1&a=2", "a=&a=", "a=1&a=", "a=%zz", "%zz=1", "a=%", "a;b", "a=%00", "a=%0a", "a=%7f", "a=%ff", "%00=a", "%ff=a", "resource=%0d", "a=1&%61=1", strings.Repeat("a&", 2), manyParams(300),
	} {
		if _, err := oauth.ParseParams(s); err == nil {
			t.Errorf("accepted %q", s)
		} else if strings.Contains(err.Error(), s) {
			t.Errorf("the error holds the input: %v", err)
		}
	}
}

// Only what decides must be flawless. All else is absent where it is not.
func TestParseAnswer(t *testing.T) {
	for _, text := range []string{"a%0D%0Ab", "%ff", "%zz", "a;b", "x&text=%00", "x&text=y", "x&text=y&text=z", "%00&text=y", "%zz&text", "x&te%78t=y", "x&%zz=1&%00=2&;&=&text=y"} {
		p, err := oauth.ParseAnswer("error=access_denied&text=" + text + "&state=s&good=g")
		if err != nil || p.Get("error") != "access_denied" || p.Get("state") != "s" || p.Has("text") || p.Get("good") != "g" {
			t.Errorf("%s: %+v, %v", text, p, err)
		}
	}
	for _, s := range []string{
		"error=a%0D%0Ab", "state=%00", "code=a&code=b", "iss=%ff", "iss=a&iss=a", "iss=a;b", "err%6Fr=%0A", "c%6Fde=a&code=b", "code=&code=b", "iss=%zz", "error=a&error",
		"a&x%00&state=a&state=b", manyParams(257),
	} {
		if _, err := oauth.ParseAnswer(s); err == nil {
			t.Errorf("accepted %.40q", s)
		}
	}
}

func TestPrintable(t *testing.T) {
	for s, want := range map[string]bool{"": true, "plain text, 7!": true, " ~": true, `"`: false, `\`: false, "\n": false, "é": false, "\x7f": false} {
		if got := oauth.Printable(s); got != want {
			t.Errorf("Printable(%q) = %v", s, got)
		}
	}
}

func FuzzParseParams(f *testing.F) {
	f.Add("client_id=a&redirect_uri=https%3A%2F%2Fb%2Fcb&state=x")
	f.Add("resource=a&resource=b&resource=")
	f.Add("a=%00&b")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := oauth.ParseParams(s)
		if err != nil {
			return
		}
		all, err := url.ParseQuery(s)
		if err != nil {
			t.Fatal("accepted what net/url refuses")
		}
		for name, values := range all {
			for _, v := range values {
				if !utf8.ValidString(v) || strings.ContainsAny(v, "\x00\r\n\t\x7f") {
					t.Errorf("accepted %q", v)
				}
			}
			if name != "resource" && (len(values) != 1 || p.Get(name) != values[0]) {
				t.Errorf("%q = %q, got %q", name, values, p.Get(name))
			}
		}
		if slices.Contains(p.Resource(), "") {
			t.Error("an empty resource")
		}
	})
}

// manyParams has n parameters, all different.
func manyParams(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "p%d=1&", i)
	}
	return b.String()
}

func TestParseParams_many(t *testing.T) {
	if p, err := oauth.ParseParams(manyParams(256)); err != nil || p.Get("p255") != "1" {
		t.Errorf("256 parameters: %v", err)
	}
}
