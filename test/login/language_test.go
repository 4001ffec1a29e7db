// SPDX-License-Identifier: Apache-2.0

package login_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// asking is a broker that asks for consent, and a login whose client asks for
// languages.
func asking(t *testing.T, locales ...string) (*harness.Harness, *harness.Login) {
	t.Helper()
	h := harness.Standard(t, harness.Setup{Edit: func(d *runtimeconfig.Document) {
		for i := range d.Clients {
			d.Clients[i].AlwaysConsent = true
		}
	}})
	l := h.NewLogin(harness.WebClient)
	if len(locales) > 0 {
		l.Params["ui_locales"] = locales
	}
	return h, l
}

// get opens a page with a browser that prefers languages.
func get(t *testing.T, b *harness.Browser, address, accepted string) *harness.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Language", accepted)
	return b.Do(r)
}

func wantLanguage(t *testing.T, what string, r *harness.Response, want string) {
	t.Helper()
	if got := r.Header.Get("Content-Language"); got != want || !strings.Contains(r.Body, `<html lang="`+want+`">`) {
		t.Errorf("%s: a page in %q, want %s: %d %s", what, got, want, r.Status, r.Body)
	}
}

// TestLanguage_uiLocales: the client's wish comes before the browser's, tag by
// tag, and one that nobody can meet is no error (OpenID Connect Core 3.1.2.1).
func TestLanguage_uiLocales(t *testing.T) {
	h, l := asking(t)
	for _, tt := range []struct{ locales, accepted, want string }{
		{"de", "en", "de"},
		{"en", "de", "en"},
		{"de-AT en", "en", "de"},
		{"fr-CA fr de", "en", "de"},
		{"en de", "de", "en"},
		{"fr", "de", "de"},
		{"fr", "", "en"},
		{"", "de", "de"},
		{" ", "de", "de"},
		{"not_a_tag! * de", "en", "de"},
		{"de,en;q=0.1", "en", "en"}, // that is how browsers say it, and no tag
		{strings.Repeat("de ", 1000), "en", "en"},
		{"<script>", "de", "de"},
	} {
		l.Params.Set("ui_locales", tt.locales)
		r := get(t, h.Browser(), l.Authorization+"?"+l.Params.Encode(), tt.accepted)
		wantLanguage(t, fmt.Sprintf("%.30q, browser %q", tt.locales, tt.accepted), r, tt.want)
		if r.Status != http.StatusOK {
			t.Errorf("%.30q: %d", tt.locales, r.Status)
		}
	}
	l.Params["ui_locales"] = []string{"de", "en"}
	if r := l.Authorize(); r.Status != http.StatusBadRequest {
		t.Errorf("twice: got %d, want it refused as any parameter is", r.Status)
	}
}

// TestLanguage_ofTheWholeLogin: consent, and the errors on the way and after.
func TestLanguage_ofTheWholeLogin(t *testing.T) {
	h, l := asking(t, "de")
	page := get(t, l.Browser, l.Authorization+"?"+l.Params.Encode(), "en")
	wantLanguage(t, "consent", page, "de")
	form := consentForm(page, "neither")
	wantLanguage(t, "no answer", l.Browser.Post(harness.PublicURL+"/v1/consent", form), "de")

	page = l.Authorize()
	h.Pin(2) // the wish travels with the login
	toVendor := l.Browser.Post(harness.PublicURL+"/v1/consent", consentForm(page, "allow"))
	if toVendor.Location == nil || toVendor.Query("ui_locales") != "" {
		t.Fatalf("the vendor is sent %v: it was not configured", toVendor.Location)
	}
	callback, err := url.Parse(l.AtVendor(toVendor))
	if err != nil {
		t.Fatal(err)
	}
	query := callback.Query()
	query.Set("iss", "https://evil.example")
	callback.RawQuery = query.Encode()
	h.Pin(1)
	r := get(t, l.Browser, callback.String(), "en")
	if r.Status != http.StatusBadRequest {
		t.Errorf("another issuer: %d", r.Status)
	}
	wantLanguage(t, "callback", r, "de")

	l.Params.Set("client_id", "tenant-a.nobody")
	wantLanguage(t, "unknown client", get(t, l.Browser, l.Authorization+"?"+l.Params.Encode(), "en"), "de")
}

// TestLanguage_pushed: in a pushed request, where the address says nothing.
func TestLanguage_pushed(t *testing.T) {
	h, l := asking(t, "de")
	pushed := h.Token(harness.PublicURL+"/v1/vendors/"+harness.VendorName+"/par", l.Params, h.Auth(l.Client))
	l.Params = url.Values{"client_id": {l.Client}, "request_uri": {pushed.Text("request_uri")}}
	wantLanguage(t, "pushed", get(t, l.Browser, l.Authorization+"?"+l.Params.Encode(), "en"), "de")
}

// TestLanguage_passedOn: the vendor gets the parameter as the client sent it, where
// it is configured, with or without a language of ours in it.
func TestLanguage_passedOn(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Edit: func(d *runtimeconfig.Document) {
		d.Vendors[0].Authorize.PassParameters = []string{"ui_locales"}
	}})
	for _, locales := range []string{"fr-CA fr", "de"} {
		l := h.NewLogin(harness.WebClient)
		l.Params.Set("ui_locales", locales)
		if got := l.Authorize().Query("ui_locales"); got != locales {
			t.Errorf("the vendor gets %q, want %q", got, locales)
		}
	}
}

// TestLanguage_metadata: a client finds the languages where RFC 8414 section 2 says.
func TestLanguage_metadata(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	const issuer = "/v1/vendors/" + harness.VendorName
	for _, path := range []string{"/.well-known/oauth-authorization-server" + issuer, issuer + "/.well-known/openid-configuration"} {
		r := h.Send(http.MethodGet, harness.PublicURL+path, "", nil)
		listed, _ := r.JSON()["ui_locales_supported"].([]any)
		if len(listed) < 2 || listed[0] != "en" {
			t.Fatalf("%s: %d, languages %v", path, r.Status, listed)
		}
		for _, tag := range listed {
			l := h.NewLogin("tenant-a.nobody")
			l.Params.Set("ui_locales", fmt.Sprint(tag))
			wantLanguage(t, path, l.Authorize(), fmt.Sprint(tag))
		}
	}
}
