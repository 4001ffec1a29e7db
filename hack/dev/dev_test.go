// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

func TestParameters_hidesValues(t *testing.T) {
	got := parameters(url.Values{"code": {"s3cret"}, "state": {"st4te"}, "iss": {"https://v.example"}, "client_id": {"a"}})
	if want := "client_id=a & iss=https://v.example & (code, state)"; got != want {
		t.Errorf("parameters = %s", got)
	}
}

func TestMasked_showsTheEndsOfLongTokens(t *testing.T) {
	if got := masked("short-secret"); strings.Contains(got, "sho") {
		t.Errorf("masked = %s", got)
	}
	if got := masked(strings.Repeat("a", 10) + strings.Repeat("b", 30)); strings.Contains(got, "aaaaa") || strings.Contains(got, "bbbbb") {
		t.Errorf("masked = %s", got)
	}
}

func TestParseForm_takesTheFirstForm(t *testing.T) {
	page, err := url.Parse("http://localhost:9998/login/username?authRequestID=1")
	if err != nil {
		t.Fatal(err)
	}
	f, err := parseForm(page, []byte(`<form method="post" action="/login/username"><div><input type="hidden" name="id" value="1">
		<input name="username"><input name="password" type="password"><button>Login</button></div></form>`))
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.request(t.Context(), map[string]string{"username": "u", "password": "p", "absent": "x"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.ParseForm(); err != nil {
		t.Fatal(err)
	}
	if r.Method != "POST" || r.URL.String() != "http://localhost:9998/login/username" || r.PostForm.Encode() != "id=1&password=p&username=u" {
		t.Errorf("%s %s %s", r.Method, r.URL, r.PostForm.Encode())
	}
	if _, err := parseForm(page, []byte("<h1>Oh <b>no</b></h1><style>p{}</style>")); err == nil || !strings.HasSuffix(err.Error(), "Oh no") {
		t.Errorf("error = %v", err)
	}
}

func TestSummary(t *testing.T) {
	median, worst := summary([]time.Duration{4, 1, 3, 2})
	if median != 2 || worst != 4 {
		t.Errorf("median %d, worst %d", median, worst)
	}
}

func TestInNamespacesFirst(t *testing.T) {
	got := inNamespacesFirst("kind: A\n---\nx: 1\nkind: Namespace\n\n---\nkind: B")
	if !strings.HasPrefix(got, "x: 1") {
		t.Errorf("got %q", got)
	}
}

func TestFront_passesOverABrokerThatIsDown(t *testing.T) {
	up := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(up.Close)
	down, _, err := listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	dead := down.Addr().String()
	_ = down.Close()
	listener, _, err := listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	f := newFront(t.Context(), listener, dead, strings.TrimPrefix(up.URL, "http://"))
	t.Cleanup(func() { _ = f.close() })
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range 4 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
	}
}

func TestBrowser_signsInAtTheProvider(t *testing.T) {
	d := &demo{report: report{out: t.Output(), start: time.Now()}, dir: t.TempDir(), fail: func(err error) { t.Error(err) }}
	t.Cleanup(func() {
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})
	if err := d.startProvider(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := d.newTrust(); err != nil {
		t.Fatal(err)
	}
	callback := d.ports.publicURL() + "/v1/callback"
	config := oauth2.Config{
		ClientID: "platform-app", ClientSecret: "sample-platform-app-secret", RedirectURL: callback, Scopes: []string{"openid", "profile", "offline_access"},
		Endpoint: oauth2.Endpoint{AuthURL: d.provider.issuer + "/auth", TokenURL: d.provider.issuer + "/oauth/token", AuthStyle: oauth2.AuthStyleInHeader},
	}
	verifier := oauth2.GenerateVerifier()
	b := d.newBrowser(login{redirectURI: callback, vendorApp: "platform-app"})
	back, err := b.visit(t.Context(), config.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier)))
	if err != nil {
		t.Fatal(err)
	}
	token, err := config.Exchange(t.Context(), back.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.showTokens(t.Context(), token); err != nil || !b.sawApp {
		t.Errorf("error = %v, saw the app: %v", err, b.sawApp)
	}
}
