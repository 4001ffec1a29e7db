// SPDX-License-Identifier: Apache-2.0

package oauth_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
)

func TestMatchRedirectURI(t *testing.T) {
	registered := []string{"https://app.example/cb", "https://app.example/cb?tenant=a", "http://127.0.0.1/cb", "http://localhost:3000/cb", "http://[::1]/cb?x=y", "com.example.app:/cb", "http://intranet.example/cb", "http://10.0.0.1/cb"}
	for uri, want := range map[string]bool{
		"https://app.example/cb": true, "https://app.example/cb?tenant=a": true, "com.example.app:/cb": true, "http://127.0.0.1/cb": true,
		// Only the port of a loopback URI may vary.
		"http://127.0.0.1:1/cb": true, "http://127.0.0.1:65535/cb": true, "http://localhost/cb": true, "http://localhost:4000/cb": true, "http://[::1]:5/cb?x=y": true,
		"http://127.0.0.1:123456/cb": false, "http://127.0.0.1:65536/cb": false, "http://[::1]:99999/cb?x=y": false, "http://127.0.0.1:/cb": false, "http://127.0.0.1:-1/cb": false, "http://127.0.0.1:0x50/cb": false, "http://127.0.0.1: 80/cb": false,
		"http://127.0.0.2/cb": false, "http://127.0.0.1:1/cb/": false, "http://127.0.0.1:1/CB": false, "http://127.0.0.1:1/cb#": false, "http://127.0.0.1:1/cb#x": false,
		"http://127.0.0.1:1/cb?": false, "http://[::1]:5/cb": false, "http://LOCALHOST:3000/cb": false, "HTTP://127.0.0.1:1/cb": false, "http://127.0.0.1:1//cb": false,
		"https://127.0.0.1:1/cb": false, "http://127.0.0.1:1/./cb": false, "http://127.0.0.1:1/%63b": false, "http://[0:0:0:0:0:0:0:1]:5/cb?x=y": false, "http://[::1%25lo]:5/cb?x=y": false,
		"http://user@127.0.0.1:1/cb": false, "http://127.0.0.1:1@evil.example/cb": false, "http://127.0.0.1.evil.example:1/cb": false, "http://2130706433/cb": false, "http://127.1/cb": false,
		"http://intranet.example/cb": true, "http://intranet.example:8080/cb": false, "http://10.0.0.1:8080/cb": false,
		// A2, A4, A5, A6 of the attack list.
		"https://app.example:443/cb": false, "https://app.example:8443/cb": false, "https://APP.example/cb": false, "https://app.example/cb/": false, "https://app.example/cb?": false,
		"https://app.example/cb?tenant=b": false, "https://app.example/cb#x": false, "https://app.example@evil.example/cb": false, "https://app.example/cb/../cb": false,
		`https://app.example\@evil.example/cb`: false, "https://app.example/%63b": false, "": false, "//app.example/cb": false, "http://app.example/cb": false, "com.example.app://cb": false,
	} {
		if got := oauth.MatchRedirectURI(registered, uri); got != want {
			t.Errorf("MatchRedirectURI(%q) = %v", uri, got)
		}
	}
	if oauth.MatchRedirectURI(nil, "") || oauth.MatchRedirectURI([]string{}, "https://app.example/cb") {
		t.Error("matched nothing")
	}
}

func FuzzMatchRedirectURI(f *testing.F) {
	f.Add("http://127.0.0.1/cb", "http://127.0.0.1:8080/cb")
	f.Add("http://[::1]:1/cb?x", "http://[::1]/cb?x")
	f.Add("https://app.example/cb", "https://app.example@evil.example/cb")
	f.Add("http://localhost/", "http://localhost:80@evil.example/")
	f.Fuzz(func(t *testing.T, registered, uri string) {
		if !oauth.MatchRedirectURI([]string{registered}, uri) || registered == uri {
			return
		}
		r, err1 := url.Parse(registered)
		u, err2 := url.Parse(uri)
		if err1 != nil || err2 != nil {
			t.Fatalf("%q matched %q, and one cannot be parsed", uri, registered)
		}
		if !oauth.IsLoopback(u.Hostname()) || u.Scheme != "http" || u.User != nil {
			t.Errorf("%q is no loopback URI", uri)
		}
		r.Host, u.Host = strings.TrimSuffix(r.Host, ":"+r.Port()), strings.TrimSuffix(u.Host, ":"+u.Port())
		if r.String() != u.String() {
			t.Errorf("%q matched %q, and more than the port differs", uri, registered)
		}
	})
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.255.255.254": true, "::1": true, "": false, "LOCALHOST": false, "localhost.": false, "localhost.evil.example": false,
		"127.1": false, "0x7f000001": false, "10.0.0.1": false, "0.0.0.0": false, "::": false, "::1%lo": false, "[::1]": false, "127.0.0.1.nip.io": false,
	} {
		if got := oauth.IsLoopback(host); got != want {
			t.Errorf("IsLoopback(%q) = %v", host, got)
		}
	}
}

func TestWithQuery(t *testing.T) {
	for uri, want := range map[string]string{
		"https://a.example/cb": "https://a.example/cb?code=c+%26&iss=i", "https://a.example/cb?x=1&y": "https://a.example/cb?x=1&y&code=c+%26&iss=i", "app:/cb": "app:/cb?code=c+%26&iss=i", "https://a.example/cb?": "https://a.example/cb?code=c+%26&iss=i",
	} {
		if got, err := oauth.WithQuery(uri, query("code", "c &", "iss", "i")); err != nil || got != want {
			t.Errorf("WithQuery(%q) = %q, %v", uri, got, err)
		}
	}
	for _, uri := range []string{"https://a.example/cb", "https://a.example/cb?x=1", "https://a.example/cb?"} {
		if got, err := oauth.WithQuery(uri, nil); err != nil || got != uri {
			t.Errorf("WithQuery(%q) without parameters: %q, %v", uri, got, err)
		}
	}
	// None of these may come into a Location header.
	for _, uri := range []string{"https://a.example/cb#", "https://a.example/cb?x#y", "https://a.example/\r\nSet-Cookie: a=b", "https://a.example/cb?\x00", "https://a.example/\x7f", "app:/\xff"} {
		for _, q := range []oauth.Query{nil, query("code", "c")} {
			if got, err := oauth.WithQuery(uri, q); err == nil {
				t.Errorf("WithQuery(%q) = %q", uri, got)
			}
		}
	}
}

func TestValidResource(t *testing.T) {
	for s, want := range map[string]bool{
		"https://api.example": true, "https://api.example/v1?x=y": true, "urn:example:api": true, "api.example": false, "/v1": false, "https://api.example/#": false,
		"https://api.example/#x": false, "": false, "https://": false, "//api.example": false, "https://api.example/%zz": false, "https://a/" + strings.Repeat("a", 1014): true, "https://a/" + strings.Repeat("a", 1015): false, "https://" + strings.Repeat("a", 1024): false,
	} {
		if got := oauth.ValidResource(s); got != want {
			t.Errorf("ValidResource(%.40q) = %v", s, got)
		}
	}
}
