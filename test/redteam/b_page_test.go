// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

func TestRedTeam_B09_Frames(t *testing.T) {
	h := harness.Standard(t, untrusted(nil))
	l := h.NewLogin(harness.PublicClient)
	r := navigate(t, l, "cross-site")
	if csp := wantConsent(t, "in a frame", l, r).Header.Get("Content-Security-Policy"); strings.Contains(csp, "script-src") {
		t.Errorf("the page may run scripts: %s", csp)
	}
	if strings.Contains(r.Body, "<script") || strings.Contains(r.Body, "src=") || strings.Contains(r.Body, "href=") || strings.Contains(r.Body, "onclick") {
		t.Error("the page loads or runs something")
	}
}

// What strangers may write stands on the page as text, or they cannot register.
func TestRedTeam_B10_HostileText(t *testing.T) {
	loaded := atomic.Bool{}
	pictures := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { loaded.Store(true) }))
	defer pictures.Close()
	s := open()
	s.Edit = func(d *runtimeconfig.Document) {
		d.Vendors[0].SelfRegisteredUse, d.Vendors[0].DisplayName = true, `A&B <i>`
		d.Vendors[0].Scopes.Descriptions = map[string]string{"read": `See "everything" <script>alert(2)</script>`}
	}
	h := harness.Standard(t, s)
	m := metadata()
	m["client_name"], m["logo_uri"], m["client_uri"] = `</h1><script>alert("1")</script>`, pictures.URL+"/logo.png", pictures.URL+"/"
	id, _ := registered(t, h, m)
	l := h.NewLogin(id)
	l.Params.Set("scope", "read <img/src=x/onerror=alert(3)> javascript:alert(4)")
	page := wantConsent(t, "markup", l, l.Authorize())
	for _, text := range []string{"<script", "<img", "<i>", "logo.png", pictures.URL} {
		if strings.Contains(page.Body, text) {
			t.Errorf("the page holds %s\n%s", text, page.Body)
		}
	}
	for _, text := range []string{`</h1><script>alert("1")</script>`, `A&B <i>`, `See "everything" <script>alert(2)</script>`, `<img/src=x/onerror=alert(3)>`} {
		if !strings.Contains(page.text, text) && !strings.Contains(strings.ReplaceAll(page.text, " ", ""), strings.ReplaceAll(text, " ", "")) {
			t.Errorf("the page does not show %s as text: %s", text, page.text)
		}
	}
	for what, name := range map[string]string{
		"right-to-left override": "Claude\u202eedualC", "isolate": "\u2067Claude", "zero width": "Cla\u200bude", "byte order mark": "\ufeffClaude", "line break": "Claude\nverified",
		"line separator": "Claude\u2028verified", "NUL": "Claude\x00", "C1": "Claude\u0085", "10 KB": strings.Repeat("Claude ", 1500), "65 bytes": strings.Repeat("C", 65),
	} {
		m["client_name"] = name
		wantJSON(t, what, sendJSON(t, h, registerURL, m), failure{http.StatusBadRequest, "invalid_client_metadata"})
	}
	if loaded.Load() {
		t.Error("a picture was fetched")
	}
}

// A tenant writes the display name of its BrokerClient; it cannot turn the
// sentence around it.
func TestRedTeam_B10_DisplayNameIsIsolated(t *testing.T) {
	h := harness.Standard(t, untrusted(func(d *runtimeconfig.Document) { d.Clients[0].DisplayName = "\u202eevil<b>" }))
	l := h.NewLogin(harness.PublicClient)
	page := wantConsent(t, "override", l, l.Authorize())
	if !strings.Contains(page.Body, "<bdi>\u202eevil&lt;b&gt;</bdi>") {
		t.Errorf("the name is not isolated: %s", page.Body)
	}
}

func TestRedTeam_B11_BorrowedName(t *testing.T) {
	h := harness.Standard(t, open())
	m := metadata()
	m["redirect_uris"] = []string{"https://evil.example/claude.ai/cb"}
	id, _ := registered(t, h, m)
	l := h.NewLogin(id)
	l.Params.Set("redirect_uri", "https://evil.example/claude.ai/cb")
	page := wantConsent(t, "a stranger called Claude", l, l.Authorize())
	for _, text := range []string{"Claude", "Nobody has checked who this application is", "Access goes to evil.example", "You can take the access back"} {
		if !strings.Contains(page.text, text) {
			t.Errorf("the page does not say %q: %s", text, page.text)
		}
	}
	if strings.Contains(page.text, "claude.ai") {
		t.Error("the page shows the path, which anybody can choose")
	}
	m["client_name"] = ""
	id, _ = registered(t, h, m)
	l.Params.Set("client_id", id)
	if page := wantConsent(t, "no name", l, l.Authorize()); !strings.Contains(page.text, "An application without a name") {
		t.Error("the page does not say that the client has no name")
	}
}

// A host name in letters that look like others is never shown as such.
func TestRedTeam_B10_LookAlikeHost(t *testing.T) {
	h := harness.Standard(t, open())
	m := metadata()
	for _, uri := range []string{"https://\u0430pp.example/cb", "https://app\u3002example/cb", "https://ａpp.example/cb", "https://app.example/c\u0431"} {
		m["redirect_uris"] = []string{uri}
		wantJSON(t, uri, sendJSON(t, h, registerURL, m), failure{http.StatusBadRequest, "invalid_redirect_uri"})
	}
	m["redirect_uris"] = []string{"https://xn--pp-7kc.example/cb"}
	id, _ := registered(t, h, m)
	l := h.NewLogin(id)
	l.Params.Set("redirect_uri", "https://xn--pp-7kc.example/cb")
	if page := wantConsent(t, "punycode", l, l.Authorize()); !strings.Contains(page.text, "xn--pp-7kc.example") {
		t.Errorf("the page does not show the host as it is: %s", page.text)
	}
}

func TestRedTeam_B11_Loopback(t *testing.T) {
	h := harness.Standard(t, open())
	for _, uri := range []string{"http://localhost/cb", "http://127.0.0.1:7777/cb", "http://[::1]/cb"} {
		m := metadata()
		m["redirect_uris"] = []string{uri}
		id, _ := registered(t, h, m)
		l := h.NewLogin(id)
		l.Params.Set("redirect_uri", uri)
		page := wantConsent(t, uri, l, l.Authorize())
		for _, text := range []string{"a program on a computer, not a website", "Go on only if you started this sign-in yourself"} {
			if !strings.Contains(page.text, text) {
				t.Errorf("%s: the page does not say %q: %s", uri, text, page.text)
			}
		}
	}
}

func TestRedTeam_B11_ScopesInWords(t *testing.T) {
	h := harness.Standard(t, untrusted(func(d *runtimeconfig.Document) {
		d.Vendors[0].Scopes.Descriptions = map[string]string{"read": "Read your files"}
	}))
	l := h.NewLogin(harness.PublicClient)
	l.Params.Set("scope", "read admin:all")
	page := wantConsent(t, "scopes", l, l.Authorize())
	if !strings.Contains(page.text, "It asks ACME for Read your files read admin:all") {
		t.Errorf("the scopes are not told: %s", page.text)
	}
	if strings.Contains(page.text, "Nobody has checked") {
		t.Error("a client that the platform registered is called unverified")
	}
	if !strings.Contains(page.Body, `lang="en"`) || !strings.Contains(page.Body, "<title>") || !strings.Contains(page.Body, "viewport") {
		t.Error("the page lacks what screen readers and phones need")
	}
}

// A consent is for the resources (RFC 8707) that the page shows: as text, with the
// host to its end, in letters that look like no others.
func TestRedTeam_B11_Resources(t *testing.T) {
	h := harness.Standard(t, untrusted(nil))
	l := h.NewLogin(harness.PublicClient)
	deep := "mcp.good.example." + strings.Repeat("a", 60) + "." + strings.Repeat("b", 60) + ".evil.example"
	for resource, want := range map[string]string{
		"https://mcp.example.com/mcp":                      "https://mcp.example.com/mcp",
		"https://mcp.example.com:8443/a?b=c":               "https://mcp.example.com:8443/a?b=c",
		"https://good.example@evil.example/x":              "https://evil.example/x",
		"https://\u043cc\u0440.example/\u202emoc.live":     "https://%D0%BCc%D1%80.example/%E2%80%AEmoc.live",
		"https://x.example/</dd><script>alert(1)":          "https://x.example/%3C/dd%3E%3Cscript%3Ealert%281%29",
		"https://x.example/?q=<script>alert(1)":            "https://x.example/?q=<script>alert(1)",
		"urn:example:api":                                  "urn:example:api",
		"urn:example:" + strings.Repeat("z", 500):          "urn:example:" + strings.Repeat("z", 52) + "…",
		"https://" + deep + "/" + strings.Repeat("c", 500): "https://" + deep + "/" + strings.Repeat("c", 59) + "…",
		"https://" + strings.Repeat("e", 600) + ".x/y":     "https://…" + strings.Repeat("e", 251) + ".x/y",
		"https://y.example/" + strings.Repeat("d", 500):    "https://y.example/" + strings.Repeat("d", 59) + "…",
	} {
		l.Params["resource"] = []string{resource}
		page := wantConsent(t, resource, l, l.Authorize())
		if _, shown, _ := strings.Cut(page.text, "To be used at "); !strings.Contains(shown, want+" ") || strings.Contains(page.Body, "<script") {
			t.Errorf("%s: the page shows %.200q, want %q", resource, shown, want)
		}
	}
	l.Params["resource"] = []string{"https://one.example/", "https://two.example/"}
	if page := wantConsent(t, "two", l, l.Authorize()); !strings.Contains(page.text, "To be used at https://one.example/ https://two.example/ ") {
		t.Errorf("not both are shown: %s", page.text)
	}
	l.Params.Set("ui_locales", "de")
	if page := wantConsent(t, "in German", l, l.Authorize()); !strings.Contains(page.text, "Zu benutzen bei https://one.example/") {
		t.Errorf("not in German: %s", page.text)
	}
	l.Params.Del("resource")
	if page := wantConsent(t, "none", l, l.Authorize()); strings.Contains(page.text, "Zu benutzen bei") {
		t.Error("the page speaks of resources that nobody asked for")
	}
	// What the vendor is not told limits nothing, and the page must not say that it did.
	d := h.Document()
	d.Vendors[0].Trusted, d.Vendors[0].Resource.Mode = runtimeconfig.NamespaceSet{}, runtimeconfig.ResourceOmit
	h.Apply(d)
	l.Params.Set("resource", "https://one.example/")
	if page := wantConsent(t, "left out", l, l.Authorize()); strings.Contains(page.text, "one.example") {
		t.Error("the page shows a resource that the vendor is not told")
	}
}

// The whole chain of redirects after the form must pass the page's CSP, also to
// a client's own scheme.
func TestRedTeam_B13_FormAction(t *testing.T) {
	for uri, want := range map[string]string{
		"https://app.example/cb": "form-action 'self' https: http://localhost:* http://127.0.0.1:*", "com.example.app:/cb": " com.example.app:", "http://[::1]/cb": " http:",
	} {
		h := harness.Standard(t, untrusted(func(d *runtimeconfig.Document) { d.Clients[0].RedirectURIs = []string{uri} }))
		l := h.NewLogin(harness.PublicClient)
		l.Params.Set("redirect_uri", uri)
		page := wantConsent(t, uri, l, l.Authorize())
		_, action, _ := strings.Cut(page.Header.Get("Content-Security-Policy"), "form-action ")
		if !strings.HasSuffix("form-action "+action, want) {
			t.Errorf("%s: form-action %s", uri, action)
		}
		r := page.answer(t, "cancel")
		if r.Location == nil || !strings.HasPrefix(r.Location.String(), uri+"?") {
			t.Errorf("%s: cancel goes to %v", uri, r.Location)
		}
	}
}

// header is the size of the Cookie header that a browser sends.
func headerSize(b *harness.Browser) int {
	size := 0
	for _, c := range b.Cookies() {
		size += len(c.Name) + len(c.Value) + len("=; ")
	}
	return size
}

// Whatever one browser does, its Cookie header stays below the 8 KiB that
// proxies take.
func TestRedTeam_B14_CookiesAreCapped(t *testing.T) {
	const clients = 60
	h := harness.Standard(t, untrusted(func(d *runtimeconfig.Document) {
		for n := range clients {
			d.Clients = append(d.Clients, harness.Client(fmt.Sprintf("%s.n%d", harness.Namespace, n), harness.VendorName))
		}
	}))
	b := h.Browser()
	var last consentPage
	login := func(n int) *harness.Login {
		l := h.NewLogin(fmt.Sprintf("%s.n%d", harness.Namespace, n))
		l.Browser = b
		l.Params.Set("state", strings.Repeat("s", 200))
		l.Params.Set("scope", "read "+"a-scope-with-a-long-name "+strings.Repeat("x", n))
		return l
	}
	check := func(what string) {
		t.Helper()
		if size := headerSize(b); size > 8000 {
			t.Fatalf("%s: the Cookie header has %d bytes in %d cookies", what, size, len(b.Cookies()))
		}
	}
	var pages []consentPage
	for n := range clients {
		l := login(n)
		last = wantConsent(t, "page", l, l.Authorize())
		pages = append(pages, last)
		check("open pages")
	}
	wantForgery(t, "the oldest page", pages[0].answer(t, "allow"))
	wantVendor(t, "the newest page", h, last.answer(t, "allow"))
	for n := range clients {
		l := login(n)
		page := wantConsent(t, "page", l, l.Authorize())
		wantVendor(t, "remembered", h, page.answer(t, "allow", "remember", "yes"))
		check("remembered and signing in")
	}
	for n := range clients {
		l := login(n)
		if l.Authorize(); n%7 == 0 {
			check("pages, logins and remembered")
		}
	}
	check("at the end")
	l := login(clients - 1)
	wantVendor(t, "the newest is remembered", h, navigate(t, l, "same-origin"))
}

func TestRedTeam_B12_Remembered(t *testing.T) {
	h := harness.Standard(t, untrusted(func(d *runtimeconfig.Document) {
		d.Clients[0].RedirectURIs = append(d.Clients[0].RedirectURIs, "https://app.example/second")
	}))
	l := h.NewLogin(harness.PublicClient)
	l.Params.Set("scope", "read write")
	page := wantConsent(t, "first", l, l.Authorize())
	r := page.answer(t, "allow", "remember", "yes")
	wantVendor(t, "allowed", h, r)
	var set string
	for _, c := range r.Header.Values("Set-Cookie") {
		if strings.HasPrefix(c, "__Host-obr-") {
			set = c
		}
	}
	for _, attribute := range []string{"; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/", "; Max-Age=2592000"} {
		if !strings.Contains(set, attribute) {
			t.Errorf("the remembered consent's cookie lacks %s: %s", attribute, set)
		}
	}
	again := func(change func(l *harness.Login), site string) (*harness.Login, *harness.Response) {
		n := h.NewLogin(harness.PublicClient)
		n.Browser = l.Browser
		n.Params.Set("scope", "read write")
		if change != nil {
			change(n)
		}
		return n, navigate(t, n, site)
	}
	for _, site := range []string{"same-origin", "none"} {
		_, r := again(nil, site)
		wantVendor(t, site, h, r)
	}
	_, r = again(func(l *harness.Login) { l.Params.Set("scope", "read") }, "none")
	wantVendor(t, "fewer scopes", h, r)
	for _, site := range []string{"", "cross-site", "CROSS-SITE", "x"} {
		n, r := again(nil, site)
		wantConsent(t, "Sec-Fetch-Site "+site, n, r)
	}
	for what, change := range map[string]func(l *harness.Login){
		"another client":       func(l *harness.Login) { l.Params.Set("client_id", harness.WebClient) },
		"another redirect URI": func(l *harness.Login) { l.Params.Set("redirect_uri", "https://app.example/second") },
		"more scopes":          func(l *harness.Login) { l.Params.Set("scope", "read write admin") },
		"another resource":     func(l *harness.Login) { l.Params.Set("resource", "https://api.vendor.example/other") },
		"another browser":      func(l *harness.Login) { l.Browser = h.Browser() },
	} {
		n, r := again(change, "same-origin")
		wantConsent(t, what, n, r)
	}
	h.Clock.Advance(30*24*time.Hour + time.Second)
	n, r := again(nil, "same-origin")
	wantConsent(t, "after 30 days", n, r)
}

func TestRedTeam_B12_RememberedForOneCredentialAndVendor(t *testing.T) {
	for what, change := range map[string]func(d *runtimeconfig.Document){
		"another app":        func(d *runtimeconfig.Document) { d.Credentials[0].ClientID = "another-app" },
		"vendor made anew":   func(d *runtimeconfig.Document) { d.Credentials[0].UID, d.Vendors[0].UID = "uid-new", "uid-new" },
		"client always asks": func(d *runtimeconfig.Document) { d.Clients[0].AlwaysConsent = true },
		"another vendor": func(d *runtimeconfig.Document) {
			d.Credentials = append(d.Credentials, harness.Shared("second", "second-app", "second-app-secret-0123456789"))
			second := d.Vendors[0]
			second.Name, second.UID = "second", "uid-second"
			d.Vendors = append(d.Vendors, second)
			d.Clients[0].Vendors = []runtimeconfig.AllowedVendor{{Name: "second"}}
		},
	} {
		h := harness.Standard(t, untrusted(nil))
		l := h.NewLogin(harness.PublicClient)
		wantVendor(t, what, h, wantConsent(t, what, l, l.Authorize()).answer(t, "allow", "remember", "yes"))
		wantVendor(t, what, h, navigate(t, l, "same-origin"))
		d := h.Document()
		d.Vendors[0].Trusted = runtimeconfig.NamespaceSet{}
		change(&d)
		h.Apply(d)
		if what == "another vendor" {
			l.Authorization = harness.PublicURL + "/v1/vendors/second/authorize"
		}
		wantConsent(t, what, l, navigate(t, l, "same-origin"))
	}
}

// Strangers are asked every time, whatever they send.
func TestRedTeam_B12_NeverForStrangers(t *testing.T) {
	h := harness.Standard(t, open())
	id, _ := registered(t, h, metadata())
	l := h.NewLogin(id)
	page := wantConsent(t, "first", l, l.Authorize())
	if strings.Contains(page.Body, `name="remember"`) {
		t.Error("the page offers a stranger's client not to ask again")
	}
	r := page.answer(t, "allow", "remember", "yes")
	wantVendor(t, "allowed", h, r)
	if strings.Contains(strings.Join(r.Header.Values("Set-Cookie"), "\n"), "__Host-obr-") {
		t.Error("a stranger's consent was remembered")
	}
	wantConsent(t, "second", l, navigate(t, l, "same-origin"))
}
