// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

const (
	issuer   = harness.PublicURL + "/v1/vendors/" + harness.VendorName
	tokenURL = issuer + "/token"
)

// edit is a Setup that changes the vendor of the document.
func edit(change func(v *runtimeconfig.Vendor)) harness.Setup {
	return harness.Setup{Edit: func(d *runtimeconfig.Document) { change(&d.Vendors[0]) }}
}

// newEncryption is what a client that wants its tokens encrypted registers, and the
// key that opens them.
func newEncryption(t *testing.T) (*ecdsa.PrivateKey, *runtimeconfig.Encryption) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(jose.JSONWebKey{Key: key.Public(), KeyID: "enc-1"})
	if err != nil {
		t.Fatal(err)
	}
	return key, &runtimeconfig.Encryption{Algorithm: "ECDH-ES", JWK: string(jwk)}
}

// wantPage: a page at the broker, and nobody is redirected anywhere.
func wantPage(t *testing.T, what string, r *harness.Response, status int) {
	t.Helper()
	if r.Status != status || r.Location != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
		t.Errorf("%s: got %d %q to %v, want a page with %d", what, r.Status, r.Header.Get("Content-Type"), r.Location, status)
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %s = %q, want %q", what, name, got, want)
		}
	}
	if csp := r.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("%s: Content-Security-Policy = %q", what, csp)
	}
}

// back is what came back to a login.
type back struct {
	*harness.Response
	login *harness.Login
}

// wantRedirect: an error to the registered URI, with state and iss.
func wantRedirect(t *testing.T, what string, r back, code string) {
	t.Helper()
	if r.Status != http.StatusFound || r.Location == nil {
		t.Errorf("%s: got %d %v %s, want a redirect with %s", what, r.Status, r.Location, r.Body, code)
		return
	}
	to := *r.Location
	to.RawQuery = ""
	if to.String() != harness.RedirectURI {
		t.Errorf("%s: the browser is sent to %s", what, &to)
	}
	q := r.Location.Query()
	if q.Get("error") != code || q.Get("state") != r.login.Params.Get("state") || q.Get("iss") != issuer || q.Has("code") {
		t.Errorf("%s: got %v, want %s with state and iss", what, q, code)
	}
	if r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: may be cached", what)
	}
}

// failure is an error of the token endpoint.
type failure struct {
	status int
	code   string
}

// wantJSON: an error of the token endpoint.
func wantJSON(t *testing.T, what string, r *harness.Response, want failure) {
	t.Helper()
	if r.Status != want.status || r.Text("error") != want.code || r.Header.Get("Content-Type") != "application/json" || r.Location != nil {
		t.Errorf("%s: got %d %s %s, want %d %s", what, r.Status, r.Header.Get("Content-Type"), r.Body, want.status, want.code)
	}
	if r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: may be cached", what)
	}
	if r.JSON()["access_token"] != nil {
		t.Errorf("%s: an error with a token", what)
	}
}

// wantTokens: a good token answer.
func wantTokens(t *testing.T, what string, r *harness.Response) {
	t.Helper()
	if r.Status != http.StatusOK || r.Text("access_token") == "" || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: got %d %s, want tokens", what, r.Status, r.Body)
	}
}

// wantCalls: how many token requests the vendor saw so far.
func wantCalls(t *testing.T, what string, v *fakevendor.Server, want int) {
	t.Helper()
	if got := v.Count(fakevendor.Token) + v.Count(fakevendor.Refresh); got != want {
		t.Errorf("%s: the vendor saw %d token requests, want %d", what, got, want)
	}
}

// wantUntouched: the vendor saw nothing at all.
func wantUntouched(t *testing.T, v *fakevendor.Server) {
	t.Helper()
	if all := v.Requests(); len(all) != 0 {
		t.Errorf("the vendor was contacted: %d requests, the first to %s", len(all), all[0].Path)
	}
}

// with gives a changed copy of a form; a nil value leaves the parameter out.
func with(form url.Values, name string, values ...string) url.Values {
	out := maps.Clone(form)
	if len(values) == 0 {
		delete(out, name)
		return out
	}
	out[name] = values
	return out
}
