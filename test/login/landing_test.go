// SPDX-License-Identifier: Apache-2.0

package login_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

const landingURL = harness.PublicURL + "/"

func TestLanding_tellsWhatThisHostIs(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Edit: func(d *runtimeconfig.Document) { d.Vendors[0].DisplayName = "Acme <b>Documents</b>" }})
	r := h.Browser().Get(landingURL)
	if r.Status != http.StatusOK || !strings.Contains(r.Body, "Acme &lt;b&gt;Documents") || !strings.Contains(r.Body, "Status: ready") {
		t.Errorf("got %d %s", r.Status, r.Body)
	}
	for _, kept := range []string{harness.WebClient, "tenant-a", harness.App, "http"} {
		if strings.Contains(r.Body, kept) {
			t.Errorf("the page tells of %s", kept)
		}
	}
	if csp := r.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "img-src") {
		t.Errorf("the policy is %s", csp)
	}
	if r := h.Send(http.MethodPost, landingURL, "", nil); r.Status != http.StatusMethodNotAllowed {
		t.Errorf("POST: got %d", r.Status)
	}
	if r := h.Browser().Get(landingURL + "index.html"); r.Status != http.StatusNotFound {
		t.Errorf("another page: got %d", r.Status)
	}
}

func TestLanding_beforeAConfiguration(t *testing.T) {
	h := harness.Start(t, harness.Options{})
	if r := h.Browser().Get(landingURL); r.Status != http.StatusServiceUnavailable || !strings.Contains(r.Body, "Not ready") {
		t.Errorf("got %d %s", r.Status, r.Body)
	}
}

// TestLanding_forPrograms: who asks for JSON gets the same in JSON, and a browser
// never does.
func TestLanding_forPrograms(t *testing.T) {
	ask := func(h *harness.Harness, accept string) *harness.Response {
		return h.Send(http.MethodGet, landingURL, "", http.Header{"Accept": {accept}})
	}
	name := func(d *runtimeconfig.Document) { d.Vendors[0].DisplayName = "Acme Documents" }
	h := harness.Standard(t, harness.Setup{Edit: name})
	want := `{"vendors":[{"name":"acme","displayName":"Acme Documents","issuer":"` + harness.PublicURL + `/v1/vendors/acme"}]}`
	for accept, json := range map[string]bool{
		"application/json": true, "application/json, */*;q=0.1": true, "": false, "*/*": false, "text/html": false, "text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8": false,
	} {
		r := ask(h, accept)
		if got := r.Header.Get("Content-Type") == "application/json"; r.Status != http.StatusOK || got != json || (json && r.Body != want) {
			t.Errorf("%q: got %d %s %s", accept, r.Status, r.Header.Get("Content-Type"), r.Body)
		}
	}
	h = harness.Standard(t, harness.Setup{Options: harness.Options{Theme: broker.Theme{HideVendors: true}}, Edit: name})
	if r := ask(h, "application/json"); r.Status != http.StatusOK || r.Body != "{}" {
		t.Errorf("hidden: got %d %s", r.Status, r.Body)
	}
	if r := ask(h, "text/html"); strings.Contains(r.Body, "Acme") {
		t.Errorf("hidden: %s", r.Body)
	}
}

func TestTheme_isOnEveryPage(t *testing.T) {
	logo, err := broker.LogoURI([]byte(`<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>`))
	if err != nil {
		t.Fatal(err)
	}
	h := harness.Standard(t, harness.Setup{Options: harness.Options{Theme: broker.Theme{
		Name: "Acme & Sons", Logo: logo, Color: "#7a1f5c", SupportURL: "mailto:help@acme.example", HideVendors: true,
	}}, Edit: func(d *runtimeconfig.Document) { d.Clients[1].AlwaysConsent = true }})
	for what, r := range map[string]*harness.Response{
		"landing": h.Browser().Get(landingURL), "error": h.Browser().Get(landingURL + "nothing"), "consent": h.NewLogin(harness.WebClient).Authorize(),
	} {
		for _, want := range []string{"Acme &amp; Sons", `src="data:image/svg`, "--act: #7a1f5c; --on-act: #ffffff", `href="mailto:help@acme.example"`} {
			if !strings.Contains(r.Body, want) {
				t.Errorf("%s has no %q:\n%s", what, want, r.Body)
			}
		}
		if !strings.Contains(r.Header.Get("Content-Security-Policy"), "img-src data:;") {
			t.Errorf("%s: the policy is %s", what, r.Header.Get("Content-Security-Policy"))
		}
		if what == "landing" && strings.Contains(r.Body, "<li>") {
			t.Error("the landing page names vendors")
		}
	}
}

func TestLanguage_isTheBrowsers(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for accepted, want := range map[string]string{
		"": "en", "de": "de", "de-CH, en;q=0.5": "de", "fr, de;q=0.1": "de", "fr": "en", "en, de;q=0.9": "en", "nonsense;;;": "en", strings.Repeat("de,", 1000): "en",
	} {
		r := h.Send(http.MethodGet, landingURL, "", http.Header{"Accept-Language": {accepted}})
		text := map[string]string{"en": "Status: ready", "de": "Status: bereit"}[want]
		if r.Header.Get("Content-Language") != want || !strings.Contains(r.Body, `<html lang="`+want+`">`) || !strings.Contains(r.Body, text) {
			t.Errorf("%.20q: got %q, want %s", accepted, r.Header.Get("Content-Language"), want)
		}
	}
	r := h.Send(http.MethodGet, landingURL+"nothing", "", http.Header{"Accept-Language": {"de"}})
	if !strings.Contains(r.Body, "<h1>Seite nicht gefunden</h1>") {
		t.Errorf("error page: %s", r.Body)
	}
}
