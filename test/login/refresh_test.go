// SPDX-License-Identifier: Apache-2.0

package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// failure is an error of the token endpoint.
type failure struct {
	status int
	code   string
}

// refused fails the test unless r is that error.
func refused(t *testing.T, what string, r *harness.Response, want failure) {
	t.Helper()
	if r.Status != want.status || r.Text("error") != want.code {
		t.Errorf("%s: got %d %s, want %d %s", what, r.Status, r.Body, want.status, want.code)
	}
}

func TestLogin_refreshModes(t *testing.T) {
	for _, mode := range []fakevendor.RefreshMode{fakevendor.RefreshRotating, fakevendor.RefreshSingleUse, fakevendor.RefreshStatic, fakevendor.RefreshOmitted} {
		h := harness.Standard(t, harness.Setup{Vendor: fakevendor.Options{Refresh: mode}})
		l := h.Login(harness.PublicClient)
		token := good(t, l.Redeem()).Text("refresh_token")
		for range 3 { // where the vendor omits it, the old one is kept
			r := good(t, l.Refresh(token))
			token = r.Text("refresh_token")
			if !strings.HasPrefix(token, "obr1.") {
				t.Fatalf("%q: refresh_token = %q", mode, token)
			}
		}
	}
	h := harness.Standard(t, harness.Setup{Vendor: fakevendor.Options{Refresh: fakevendor.RefreshNone}})
	if r := good(t, h.Login(harness.PublicClient).Redeem()); r.JSON()["refresh_token"] != nil {
		t.Error("a refresh token was made up")
	}
}

func TestLogin_refreshScope(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.NewLogin(harness.WebClient)
	l.Params.Set("scope", "read write")
	l.Walk()
	token := good(t, l.Redeem()).Text("refresh_token")
	narrowed := good(t, l.Refresh(token, "scope", "read"))
	if narrowed.Text("scope") != "read" || h.Fake.Last(fakevendor.Refresh).Form.Get("scope") != "read" {
		t.Errorf("narrowed: %s", narrowed.Body)
	}
	// RFC 6749 section 6: the new refresh token's scope is that of the old one.
	if r := good(t, l.Refresh(narrowed.Text("refresh_token"))); r.Text("scope") != "read write" {
		t.Errorf("after a narrowed refresh: %s", r.Body)
	}
	before := h.Fake.Count(fakevendor.Refresh)
	for _, scope := range []string{"read write admin", "admin", "*", `rea"d`} {
		refused(t, scope, l.Refresh(token, "scope", scope), failure{http.StatusBadRequest, "invalid_scope"})
	}
	if h.Fake.Count(fakevendor.Refresh) != before {
		t.Error("the vendor was asked for a wider scope")
	}
}

// Where nobody said what was granted, nothing can be asked for at a refresh.
func TestLogin_refreshScopeOfAnUnknownGrant(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Vendor: fakevendor.Options{Shape: fakevendor.Shape{OmitScope: true}}, Edit: vendor(func(v *runtimeconfig.Vendor) { v.Scopes.Default = nil })})
	l := h.Login(harness.WebClient)
	token := good(t, l.Redeem()).Text("refresh_token")
	refused(t, "admin", l.Refresh(token, "scope", "admin"), failure{http.StatusBadRequest, "invalid_scope"})
	good(t, l.Refresh(token))
	if h.Fake.Count(fakevendor.Refresh) != 1 {
		t.Error("the vendor was asked for a scope that nobody granted")
	}
}

func TestLogin_refreshIsBound(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Edit: func(d *runtimeconfig.Document) {
		d.Clients = append(d.Clients, harness.Client("tenant-b.public", harness.VendorName))
	}})
	l := h.Login(harness.WebClient)
	token := good(t, l.Redeem()).Text("refresh_token")
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	for _, thief := range []string{harness.PublicClient, harness.KeyClient, "tenant-b.public"} {
		refused(t, thief, h.Token(l.TokenURL, form, h.Auth(thief)), failure{http.StatusBadRequest, "invalid_grant"})
	}
	d := h.Document()
	d.Vendors[0].SharedUse = runtimeconfig.NamespaceSet{}
	h.Apply(d)
	refused(t, "shared use withdrawn", l.Refresh(token), failure{http.StatusBadRequest, "invalid_grant"})
	d = h.Document()
	d.Clients[1].Vendors = nil
	h.Apply(d)
	refused(t, "vendor withdrawn", l.Refresh(token), failure{http.StatusBadRequest, "invalid_grant"})
	if n := h.Fake.Count(fakevendor.Refresh); n != 0 {
		t.Errorf("the vendor was called %d times", n)
	}
}

func TestLogin_refreshWhenTheVendorIsAway(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.Login(harness.WebClient)
	token := good(t, l.Redeem()).Text("refresh_token")
	for _, b := range []fakevendor.Behaviour{fakevendor.RetryLater(503, "5"), fakevendor.JSON(500, `{"error":"server_error"}`), fakevendor.ResetConnection()} {
		h.Fake.Set(fakevendor.Refresh, b)
		refused(t, b.Name, l.Refresh(token), failure{http.StatusServiceUnavailable, "temporarily_unavailable"})
	}
	h.Fake.Behave()
	good(t, l.Refresh(token))
	h.Fake.Set(fakevendor.Refresh, fakevendor.OAuthError(http.StatusBadRequest, "invalid_grant"))
	refused(t, "revoked", l.Refresh(token), failure{http.StatusBadRequest, "invalid_grant"})
}

func TestLogin_rawRefreshTokens(t *testing.T) {
	h := threeApps(t)
	d := h.Document()
	d.Vendors[0].Refresh.Raw = true
	d.Credentials = append(d.Credentials, harness.BYOC(harness.Namespace, "acme", "byoc-app", byocSecret))
	d.Clients = append(d.Clients, harness.WithSecret(harness.Client("tenant-b.web", harness.VendorName), harness.WebSecret))
	d.Vendors[0].SharedUse.Names, d.Vendors[0].Trusted.Names = []string{"tenant-a", "tenant-b"}, []string{"tenant-a", "tenant-b"}
	h.Apply(d)
	l := h.Login(harness.WebClient)
	raw := good(t, l.Redeem()).Text("refresh_token")
	if !strings.HasPrefix(raw, "vendor-refresh-") {
		t.Fatal("the refresh token is not the vendor's own")
	}
	second := good(t, l.Refresh(raw))
	good(t, l.Refresh(second.Text("refresh_token"), "scope", "read"))
	before := h.Fake.Count(fakevendor.Refresh)
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {raw}}
	refused(t, "a public client", h.Token(l.TokenURL, form, harness.None(harness.PublicClient)), failure{http.StatusBadRequest, "invalid_grant"})
	refused(t, "a tenant on the shared credential", h.Token(l.TokenURL, form, harness.Basic("tenant-b.web", harness.WebSecret)), failure{http.StatusBadRequest, "invalid_grant"})
	if h.Fake.Count(fakevendor.Refresh) != before {
		t.Error("the vendor was called")
	}
	public := h.Login(harness.PublicClient)
	if r := good(t, public.Redeem()); strings.Contains(r.Body, "vendor-refresh-") {
		t.Error("a public client got the vendor's refresh token")
	}
}
