// SPDX-License-Identifier: Apache-2.0

package login_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

func TestLogin_replicasServeDifferentSteps(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for _, order := range [][4]int{{1, 2, 1, 2}, {2, 1, 2, 1}} {
		l := h.NewLogin(harness.WebClient)
		h.Pin(order[0])
		toVendor := l.Authorize()
		h.Pin(order[1])
		l.Finish(toVendor)
		h.Pin(order[2])
		r := good(t, l.Redeem())
		h.Pin(order[3])
		good(t, l.Refresh(r.Text("refresh_token")))
	}
}

func TestLogin_killingAReplicaLosesNothing(t *testing.T) {
	for step := range 3 {
		h := harness.Standard(t, harness.Setup{})
		l := h.NewLogin(harness.WebClient)
		die := func(at int) {
			if at == step {
				h.Kill(1)
				h.Pin(0)
			}
		}
		h.Pin(1)
		toVendor := l.Authorize()
		die(0)
		l.Finish(toVendor)
		die(1)
		r := good(t, l.Redeem())
		die(2)
		good(t, l.Refresh(r.Text("refresh_token")))
	}
}

// A reload in the middle of a login, at one replica before the other.
func TestLogin_reloadBetweenSteps(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.NewLogin(harness.WebClient)
	toVendor := l.Authorize()
	d := h.Document()
	d.Vendors[0].Scopes.Allowed = []string{"read", "new"}
	h.ApplyTo(2, d)
	h.Pin(2)
	l.Finish(toVendor)
	h.Pin(1)
	good(t, l.Redeem())
}

func TestLogin_callbackPaths(t *testing.T) {
	for path, want := range map[runtimeconfig.CallbackPath]string{
		runtimeconfig.CallbackShared: "/v1/callback", runtimeconfig.CallbackVendor: "/v1/callback/acme", runtimeconfig.CallbackCredential: "/v1/callback/acme/tenant-a.byoc-app",
	} {
		h := threeApps(t)
		d := h.Document()
		d.Vendors[0].Callback.Path = path
		d.Credentials = append(d.Credentials, harness.BYOC(harness.Namespace, "acme", "byoc-app", byocSecret))
		h.Fake.AddClient(fakevendor.Client{ID: "byoc-app", Secret: byocSecret, RedirectURIs: []string{harness.PublicURL + want}})
		h.Apply(d)
		l := h.NewLogin(harness.WebClient)
		toVendor := l.Authorize()
		if got := toVendor.Query("redirect_uri"); got != harness.PublicURL+want {
			t.Errorf("%s: redirect_uri = %s", path, got)
		}
		l.Finish(toVendor)
		good(t, l.Redeem())
	}
}

func TestLogin_handleState(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Vendor: fakevendor.Options{MaxState: 64}, Edit: vendor(func(v *runtimeconfig.Vendor) { v.Authorize.HandleState = true })})
	good(t, h.Login(harness.WebClient).Redeem())
}

func TestLogin_issuerParameter(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Vendor: fakevendor.Options{IssuerParameter: true}, Edit: vendor(func(v *runtimeconfig.Vendor) { v.Target.IssuerParameter = true })})
	good(t, h.Login(harness.WebClient).Redeem())
}

// Everything that is in flight lives as long as it says, and no longer.
func TestLogin_slowUser(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.NewLogin(harness.WebClient)
	toVendor := l.Authorize()
	h.Clock.Advance(9 * time.Minute)
	l.Finish(toVendor)
	h.Clock.Advance(50 * time.Second)
	r := good(t, l.Redeem())
	h.Clock.Advance(179 * 24 * time.Hour)
	r = good(t, l.Refresh(r.Text("refresh_token")))
	h.Clock.Advance(181 * 24 * time.Hour)
	if r := l.Refresh(r.Text("refresh_token")); r.Status != http.StatusBadRequest || r.Text("error") != "invalid_grant" {
		t.Errorf("an old refresh token: %d %s", r.Status, r.Body)
	}
}

func TestLogin_beforeTheFirstConfiguration(t *testing.T) {
	h := harness.Start(t, harness.Options{})
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	if r := h.Send(http.MethodPost, issuer+"/token", "grant_type=x", form); r.Status != http.StatusServiceUnavailable || r.Text("error") != "temporarily_unavailable" {
		t.Errorf("token: %d %s", r.Status, r.Body)
	}
	for path, want := range map[string]int{"/v1/authorize": 503, "/readyz": 503, "/healthz": 200} {
		if r := h.Send(http.MethodGet, harness.PublicURL+path, "", http.Header{}); r.Status != want {
			t.Errorf("%s: %d, want %d", path, r.Status, want)
		}
	}
}
