// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// What the platform says of iss counts, whatever the vendor's metadata says.
func TestRedTeam_C04_IssuerAsThePlatformSays(t *testing.T) {
	const wrong, missing = "https://evil.example", ""
	for what, c := range map[string]struct {
		mode    runtimeconfig.IssuerParameter
		path    runtimeconfig.CallbackPath
		unknown bool // the vendor's issuer is not configured
		iss     string
		good    bool
	}{
		"required, missing":                      {runtimeconfig.IssuerRequired, runtimeconfig.CallbackShared, false, missing, false},
		"required, missing, a path of its own":   {runtimeconfig.IssuerRequired, runtimeconfig.CallbackVendor, false, missing, false},
		"required, wrong":                        {runtimeconfig.IssuerRequired, runtimeconfig.CallbackShared, false, wrong, false},
		"required, right":                        {runtimeconfig.IssuerRequired, runtimeconfig.CallbackShared, false, "RIGHT", true},
		"when present, missing":                  {runtimeconfig.IssuerWhenPresent, runtimeconfig.CallbackShared, false, missing, true},
		"when present, wrong, a path of its own": {runtimeconfig.IssuerWhenPresent, runtimeconfig.CallbackVendor, false, wrong, false},
		"nothing to compare with":                {runtimeconfig.IssuerWhenPresent, runtimeconfig.CallbackShared, true, "RIGHT", false},
		"nothing to compare with, its own path":  {runtimeconfig.IssuerWhenPresent, runtimeconfig.CallbackVendor, true, "RIGHT", true},
		"ignored, wrong":                         {runtimeconfig.IssuerIgnored, runtimeconfig.CallbackShared, false, wrong, true},
	} {
		h := harness.Standard(t, edit(func(v *runtimeconfig.Vendor) {
			v.Callback.IssuerParameter, v.Callback.Path = c.mode, c.path
			if c.unknown {
				v.Target.Issuer = ""
			}
		}))
		l := h.NewLogin(harness.PublicClient)
		r := l.Browser.Get(changed(callbackOf(t, l), "iss", strings.Replace(c.iss, "RIGHT", h.Fake.Issuer(), 1)))
		if c.good && r.Query("code") == "" {
			t.Errorf("%s: refused: %d %s", what, r.Status, r.Body)
		}
		if !c.good {
			wantPage(t, what, r, http.StatusBadRequest)
			wantNoCookie(t, what, l.Browser)
		}
		wantCalls(t, what, h.Fake, 0)
	}
}

// The way over form_post loses nothing that the callback looks at: where the answer
// is from, a state under another name, a state that is a handle, what is captured.
func TestRedTeam_C10_FormPostLosesNothing(t *testing.T) {
	h := harness.Standard(t, edit(func(v *runtimeconfig.Vendor) {
		v.Authorize.FormPost, v.Authorize.HandleState = true, true
		v.Authorize.Renames = map[string]string{"state": "oauth_state"}
		v.Callback.Path, v.Callback.CaptureParameters = runtimeconfig.CallbackVendor, []string{"location"}
	}))
	path := harness.PublicURL + "/v1/callback/" + harness.VendorName
	posted := func(l *harness.Login, iss string) string {
		toVendor := l.Authorize()
		form := url.Values{"oauth_state": {toVendor.Query("oauth_state")}, "code": {"vendors-code"}, "location": {"us"}, "iss": {iss}, "extra": {"dropped"}}
		r := h.Browser().Post(path, form)
		if r.Status != http.StatusSeeOther || !strings.HasPrefix(r.Location.String(), path+"?") || r.Location.Query().Has("extra") {
			t.Fatalf("POST: %d to %v", r.Status, r.Location)
		}
		return r.Location.String()
	}
	l := h.NewLogin(harness.PublicClient)
	wantPage(t, "the wrong issuer", l.Browser.Get(posted(l, "https://evil.example")), http.StatusBadRequest)
	wantNoCookie(t, "the wrong issuer", l.Browser)
	l = h.NewLogin(harness.PublicClient)
	back, err := url.Parse(posted(l, h.Fake.Issuer()))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"code": "vendors-code", "location": "us", "iss": h.Fake.Issuer()} {
		if got := back.Query().Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if r := l.Browser.Get(back.String()); r.Query("code") == "" {
		t.Errorf("the right issuer: %d %s", r.Status, r.Body)
	}
	wantPage(t, "another vendor's address", h.Browser().Post(harness.PublicURL+"/v1/callback/nobody", url.Values{"state": {strings.Repeat("A", 26)}, "code": {"x"}}), http.StatusMethodNotAllowed)
}
