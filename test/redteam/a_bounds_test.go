// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// The nonce travels in the login's cookie, as the state does.
func TestRedTeam_A12_Nonce(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for length, good := range map[int]bool{1: true, 256: true, 257: false, 4096: false} {
		l := h.NewLogin(harness.PublicClient)
		l.Params.Set("scope", "openid")
		l.Params.Set("nonce", strings.Repeat("n", length))
		r := l.Authorize()
		if !good {
			wantRedirect(t, fmt.Sprint(length), back{r, l}, "invalid_request")
		} else if r.Query("nonce") != l.Params.Get("nonce") {
			t.Errorf("%d bytes: %d to %v", length, r.Status, r.Location)
		}
	}
}

// What does not fit into a cookie that browsers keep is refused before the user
// signs in, and not lost after it.
func TestRedTeam_A12_TooLargeForACookie(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.NewLogin(harness.PublicClient)
	for range 4 {
		l.Params.Add("resource", "https://api.acme.example/"+strings.Repeat("r", 900))
	}
	r := l.Authorize()
	wantRedirect(t, "4 long resources", back{r, l}, "invalid_request")
	if !strings.Contains(r.Query("error_description"), "too large") {
		t.Errorf("the client is told %q", r.Query("error_description"))
	}
	if r.Header.Get("Set-Cookie") != "" {
		t.Errorf("a cookie of %d bytes", len(r.Header.Get("Set-Cookie")))
	}
	wantUntouched(t, h.Fake)
}

// The vendor of the address is part of the issuer: no parameter names another one.
func TestRedTeam_A14_TwoVendors(t *testing.T) {
	h, evil := twoVendors(t, runtimeconfig.CallbackShared)
	for _, vendor := range []string{"evil", "nobody", "ACME"} {
		l := h.NewLogin(harness.PublicClient)
		l.Params.Set("vendor", vendor)
		wantRedirect(t, vendor, back{l.Authorize(), l}, "invalid_request")
	}
	l := h.NewLogin(harness.PublicClient)
	l.Params.Set("vendor", harness.VendorName)
	wantVendor(t, "the same vendor", h, l.Authorize())
	wantUntouched(t, evil)
}

// A client that asks for no scope gets the vendor's default ones, as far as it may
// have them, and always those that the vendor needs.
func TestRedTeam_A15_DefaultScopes(t *testing.T) {
	for what, c := range map[string]struct {
		client []string
		scope  string
		want   string
	}{
		"a client without limits":           {nil, "", "read write always"},
		"a client that may have less":       {[]string{"write"}, "", "write always"},
		"a client that may have more":       {[]string{"read", "write", "admin"}, "", "read write always"},
		"what is always asked, asked again": {[]string{"write"}, "write always", "write always"},
	} {
		h := harness.Standard(t, harness.Setup{Edit: func(d *runtimeconfig.Document) {
			d.Vendors[0].Scopes.Default, d.Vendors[0].Scopes.Allowed, d.Vendors[0].Scopes.Always = []string{"read", "write"}, []string{"read", "write", "admin"}, []string{"always"}
			d.Clients[0].Vendors[0].Scopes = c.client
		}})
		l := h.NewLogin(harness.PublicClient)
		l.Params.Set("scope", c.scope)
		if got := l.Authorize().Query("scope"); got != c.want {
			t.Errorf("%s: the vendor is asked for %q, want %q", what, got, c.want)
		}
	}
}

func TestRedTeam_A16_ManyResources(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.NewLogin(harness.PublicClient)
	for n := range 9 {
		if n == 8 {
			wantVendor(t, "8 resources", h, l.Authorize())
		}
		l.Params.Add("resource", fmt.Sprintf("https://api.acme.example/%d", n))
	}
	wantRedirect(t, "9 resources", back{l.Authorize(), l}, "invalid_target")
	h = harness.Standard(t, edit(func(v *runtimeconfig.Vendor) {
		v.Resource.Allowed = []string{"https://a.example/", "https://b.example/"}
	}))
	l = h.NewLogin(harness.PublicClient)
	l.Params["resource"] = []string{"https://b.example/", "https://a.example/"}
	r := l.Authorize()
	wantVendor(t, "allowed", h, r)
	if got := r.Location.Query()["resource"]; len(got) != 2 || r.Status != http.StatusFound {
		t.Errorf("the vendor is asked for %v", got)
	}
}
