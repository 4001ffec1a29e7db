// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

const (
	consentURL  = harness.PublicURL + "/v1/consent"
	registerURL = harness.PublicURL + "/v1/register"
)

// untrusted is a Setup in which the clients' namespace may use the shared app,
// and the vendor does not trust it to skip the question.
func untrusted(change func(d *runtimeconfig.Document)) harness.Setup {
	return harness.Setup{Edit: func(d *runtimeconfig.Document) {
		d.Vendors[0].Trusted = runtimeconfig.NamespaceSet{}
		if change != nil {
			change(d)
		}
	}}
}

// open is a Setup in which anybody can register at the broker, and the vendor
// takes such clients.
func open() harness.Setup {
	return harness.Setup{
		Options: harness.Options{Registration: broker.Registration{Mode: broker.RegistrationOpen}},
		Edit:    func(d *runtimeconfig.Document) { d.Vendors[0].SelfRegisteredUse = true },
	}
}

// metadata is good client metadata of a public client.
func metadata() map[string]any {
	return map[string]any{
		"client_name": "Claude", "redirect_uris": []string{harness.RedirectURI}, "token_endpoint_auth_method": "none",
		"grant_types": []string{"authorization_code", "refresh_token"},
	}
}

// sendJSON posts a document, with an Authorization header where one is given.
func sendJSON(t *testing.T, h *harness.Harness, address string, document any, authorization ...string) *harness.Response {
	t.Helper()
	body, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if len(authorization) > 0 {
		header.Set("Authorization", authorization[0])
	}
	h.Clock.Advance(2 * time.Second) // slower than the limit of registrations
	return h.Send(http.MethodPost, address, string(body), header)
}

// registered registers a client and returns its id and secret.
func registered(t *testing.T, h *harness.Harness, document map[string]any) (id, clientSecret string) {
	t.Helper()
	r := sendJSON(t, h, registerURL, document)
	if r.Status != http.StatusCreated || r.Text("client_id") == "" {
		t.Fatalf("registration: %d %s", r.Status, r.Body)
	}
	return r.Text("client_id"), r.Text("client_secret")
}

// consentPage is a consent page in one browser.
type consentPage struct {
	*harness.Response
	browser *harness.Browser
	// id and request are the hidden fields of its form.
	id, request string
	// text is what a person reads, without markup.
	text string
}

// wantConsent: the consent page, and nothing of a login in the browser yet.
func wantConsent(t *testing.T, what string, l *harness.Login, r *harness.Response) consentPage {
	t.Helper()
	p := consentPage{Response: r, browser: l.Browser, id: field(r.Body, "id"), request: field(r.Body, "request")}
	if r.Status != http.StatusOK || r.Location != nil || p.id == "" || p.request == "" {
		t.Fatalf("%s: got %d to %v, want the consent page\n%s", what, r.Status, r.Location, r.Body)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Frame-Options": "DENY",
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %s = %q, want %q", what, name, got, want)
		}
	}
	for _, directive := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self' https:"} {
		if csp := r.Header.Get("Content-Security-Policy"); !strings.Contains(csp, directive) || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: Content-Security-Policy = %q", what, csp)
		}
	}
	for _, c := range r.Header.Values("Set-Cookie") {
		if strings.HasPrefix(c, "__Host-ob-") && !strings.Contains(c, "Max-Age=0") {
			t.Errorf("%s: a login's cookie before consent: %s", what, c)
		}
	}
	page := regexp.MustCompile(`(?s)<style>.*?</style>|<[^>]*>`).ReplaceAllString(r.Body, " ")
	p.text = strings.Join(strings.Fields(html.UnescapeString(page)), " ")
	return p
}

func field(body, name string) string {
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// form is the page's form with one of its buttons.
func (p consentPage) form(action string, more ...string) url.Values {
	f := url.Values{"id": {p.id}, "request": {p.request}, "action": {action}}
	for i := 0; i+1 < len(more); i += 2 {
		f.Add(more[i], more[i+1])
	}
	return f
}

// answer presses a button, as the browser does it.
func (p consentPage) answer(t *testing.T, action string, more ...string) *harness.Response {
	t.Helper()
	return send(t, p.browser, p.form(action, more...), "Sec-Fetch-Site", "same-origin", "Origin", harness.PublicURL)
}

// send posts a form to the consent endpoint with headers, name by value.
func send(t *testing.T, b *harness.Browser, form url.Values, headers ...string) *harness.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, consentURL, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return b.Do(r)
}

// navigate opens the authorization URL from a place (Sec-Fetch-Site); "" sends
// no such header.
func navigate(t *testing.T, l *harness.Login, site string) *harness.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.Authorization+"?"+l.Params.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if site != "" {
		r.Header.Set("Sec-Fetch-Site", site)
	}
	return l.Browser.Do(r)
}

// wantVendor: a redirect to the vendor, with the login in a cookie.
func wantVendor(t *testing.T, what string, h *harness.Harness, r *harness.Response) {
	t.Helper()
	if r.Location == nil || !strings.HasPrefix(r.Location.String(), h.Fake.Issuer()+"/") || r.Status != http.StatusFound && r.Status != http.StatusSeeOther {
		t.Fatalf("%s: got %d to %v, want the vendor\n%s", what, r.Status, r.Location, r.Body)
	}
	if cookies := strings.Join(r.Header.Values("Set-Cookie"), "\n"); !strings.Contains(cookies, "__Host-ob-") {
		t.Errorf("%s: no cookie of a login: %s", what, cookies)
	}
}

// wantForgery: a page that says that the answer cannot be used, and no vendor.
func wantForgery(t *testing.T, what string, r *harness.Response) {
	t.Helper()
	wantPage(t, what, r, http.StatusForbidden)
	for _, c := range r.Header.Values("Set-Cookie") {
		if strings.HasPrefix(c, "__Host-ob-") {
			t.Errorf("%s: a login's cookie: %s", what, c)
		}
	}
}
