// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// The confused deputy: the user approved the vendor's shared app long ago, so
// the vendor would not ask again. The broker asks first, whoever the client is.
func TestRedTeam_B01_ConsentBeforeTheVendor(t *testing.T) {
	h := harness.Standard(t, open())
	id, _ := registered(t, h, metadata())
	for what, client := range map[string]string{"registered itself": id, "of an untrusted namespace": "tenant-b.public"} {
		d := h.Document()
		d.Vendors[0].SelfRegisteredUse = true
		d.Vendors[0].SharedUse.Names = append(d.Vendors[0].SharedUse.Names, "tenant-b")
		d.Clients = append(d.Clients, harness.Client("tenant-b.public", harness.VendorName))
		h.Apply(d)
		h.Fake.Forget()
		l := h.NewLogin(client)
		page := wantConsent(t, what, l, l.Authorize())
		wantUntouched(t, h.Fake)
		if !strings.Contains(page.text, "app.example") || !strings.Contains(page.text, "ACME") {
			t.Errorf("%s: the page does not say where the access goes: %s", what, page.text)
		}
		toVendor := page.answer(t, "allow")
		if toVendor.Status != http.StatusSeeOther {
			t.Errorf("%s: allow: %d, want 303: the form must not be sent on", what, toVendor.Status)
		}
		wantVendor(t, what, h, toVendor)
		l.Finish(toVendor)
		wantTokens(t, what, l.Redeem())
	}
}

// Who needs no question: a namespace that the vendor trusts, and a tenant's own
// client with the tenant's own app.
func TestRedTeam_B01_WhoIsNotAsked(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	wantVendor(t, "trusted namespace", h, h.NewLogin(harness.WebClient).Authorize())

	own := harness.BYOC(harness.Namespace, harness.VendorName, "own-app", "own-app-secret-0123456789")
	h = harness.Standard(t, untrusted(func(d *runtimeconfig.Document) { d.Credentials = append(d.Credentials, own) }))
	wantVendor(t, "own app", h, h.NewLogin(harness.WebClient).Authorize())

	d := h.Document()
	d.Credentials, d.Vendors[0].Trusted.Names = append(d.Credentials, own), []string{harness.Namespace}
	for i := range d.Clients {
		d.Clients[i].AlwaysConsent = true
	}
	h.Apply(d)
	for _, client := range []string{harness.WebClient, harness.PublicClient} {
		l := h.NewLogin(client)
		if page := wantConsent(t, "a client that always asks", l, l.Authorize()); strings.Contains(page.Body, `name="remember"`) {
			t.Error("a client that always asks offers not to")
		}
	}
}

// The attacker opens the page and sends its form, or the authorization URL, to
// the victim.
func TestRedTeam_B03_AuthorizationURLSentToTheVictim(t *testing.T) {
	h := harness.Standard(t, untrusted(nil))
	attacker := h.NewLogin(harness.PublicClient)
	page := wantConsent(t, "the attacker", attacker, attacker.Authorize())
	victim := h.NewLogin(harness.PublicClient)
	victim.Params = attacker.Params
	own := wantConsent(t, "the victim", victim, victim.Authorize())
	wantForgery(t, "the attacker's form", send(t, victim.Browser, page.form("allow"), "Sec-Fetch-Site", "same-origin"))
	wantUntouched(t, h.Fake)
	// The victim who agrees sends the code to the registered address, and nowhere else.
	r := victim.Finish(own.answer(t, "allow"))
	if to := r.Location; to == nil || to.Host != "app.example" || victim.Code == "" {
		t.Errorf("the victim is sent to %v", to)
	}
	wantForgery(t, "the attacker's browser", send(t, attacker.Browser, own.form("allow"), "Sec-Fetch-Site", "same-origin"))
}

func TestRedTeam_B06_ForgedAnswer(t *testing.T) {
	h := harness.Standard(t, untrusted(nil))
	l := h.NewLogin(harness.PublicClient)
	page := wantConsent(t, "first", l, l.Authorize())
	other := wantConsent(t, "second", l, l.Authorize())
	for what, headers := range map[string][]string{
		"cross-site":                  {"Sec-Fetch-Site", "cross-site"},
		"a sibling host":              {"Sec-Fetch-Site", "same-site", "Origin", "https://evil.broker.test"},
		"another origin":              {"Origin", "https://evil.example"},
		"no origin":                   {"Origin", "null"},
		"another origin, old browser": {"Origin", "http://broker.test.evil.example"},
	} {
		wantForgery(t, what, send(t, l.Browser, page.form("allow"), headers...))
	}
	for what, form := range map[string]url.Values{
		"the other page's request": {"id": {page.id}, "request": {other.request}, "action": {"allow"}},
		"the other page's id":      {"id": {other.id}, "request": {page.request}, "action": {"allow"}},
		"no request":               {"id": {page.id}, "action": {"allow"}},
	} {
		wantForgery(t, what, send(t, l.Browser, form, "Sec-Fetch-Site", "same-origin"))
	}
	fresh := wantConsent(t, "fresh", l, l.Authorize())
	form := fresh.form("allow").Encode()
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Sec-Fetch-Site": {"same-origin"}}
	wantForgery(t, "no cookie", h.Send(http.MethodPost, consentURL, form, header.Clone()))
	for what, cookie := range map[string]string{
		"another value": "__Host-obc-" + fresh.id + "=" + rand.Text(), "no value": "__Host-obc-" + fresh.id + "=", "without the prefix": "obc-" + fresh.id + "=" + rand.Text(),
	} {
		header.Set("Cookie", cookie)
		wantForgery(t, what, h.Send(http.MethodPost, consentURL, form, header.Clone()))
	}
	wantUntouched(t, h.Fake)
	wantVendor(t, "the good answer afterwards", h, fresh.answer(t, "allow"))
}

func TestRedTeam_B06_OddAnswers(t *testing.T) {
	h := harness.Standard(t, untrusted(nil))
	l := h.NewLogin(harness.PublicClient)
	page := wantConsent(t, "page", l, l.Authorize())
	for what, body := range map[string]string{
		"id twice": page.form("allow").Encode() + "&id=" + page.id, "action twice": page.form("allow").Encode() + "&action=cancel", "control characters": page.form("allow").Encode() + "&x=%00",
	} {
		r := h.Send(http.MethodPost, consentURL, body, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
		wantPage(t, what, r, http.StatusBadRequest)
	}
	wantPage(t, "JSON", h.Send(http.MethodPost, consentURL, "{}", http.Header{"Content-Type": {"application/json"}}), http.StatusBadRequest)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut} {
		if r := h.Send(method, consentURL+"?"+page.form("allow").Encode(), "", http.Header{}); r.Status != http.StatusMethodNotAllowed || r.Location != nil {
			t.Errorf("%s: %d to %v", method, r.Status, r.Location)
		}
	}
	wantPage(t, "no button", page.answer(t, ""), http.StatusBadRequest)
	page = wantConsent(t, "page", l, l.Authorize())
	wantPage(t, "an unknown button", page.answer(t, "ALLOW"), http.StatusBadRequest)
	wantUntouched(t, h.Fake)
}

func TestRedTeam_B07_TwoTabs(t *testing.T) {
	h := harness.Standard(t, untrusted(nil))
	first, second := h.NewLogin(harness.PublicClient), h.NewLogin(harness.WebClient)
	second.Browser = first.Browser
	a := wantConsent(t, "first", first, first.Authorize())
	b := wantConsent(t, "second", second, second.Authorize())
	toVendorA := a.answer(t, "allow")
	wantVendor(t, "first", h, toVendorA)
	toVendorB := b.answer(t, "allow")
	wantVendor(t, "second", h, toVendorB)
	for _, c := range []struct {
		login    *harness.Login
		toVendor *harness.Response
	}{{second, toVendorB}, {first, toVendorA}} {
		c.login.Finish(c.toVendor)
		wantTokens(t, c.login.Client, c.login.Redeem())
	}
}

func TestRedTeam_B08_ReplayedAnswer(t *testing.T) {
	h := harness.Standard(t, untrusted(nil))
	for _, action := range []string{"allow", "cancel"} {
		l := h.NewLogin(harness.PublicClient)
		page := wantConsent(t, "page", l, l.Authorize())
		if r := page.answer(t, action); r.Location == nil {
			t.Fatalf("%s: %d", action, r.Status)
		}
		h.Pin(2)
		wantForgery(t, "again after "+action, page.answer(t, "allow"))
		h.Pin(0)
	}
}

func TestRedTeam_B08_ExpiredPage(t *testing.T) {
	h := harness.Standard(t, untrusted(nil))
	l := h.NewLogin(harness.PublicClient)
	page := wantConsent(t, "page", l, l.Authorize())
	h.Clock.Advance(10*time.Minute + time.Second)
	wantForgery(t, "expired", page.answer(t, "allow"))
	wantUntouched(t, h.Fake)
}

// A request that another key sealed, or another purpose of our own, is no request.
func TestRedTeam_B08_RequestOfAnotherKey(t *testing.T) {
	h := harness.Standard(t, untrusted(nil))
	ring := keyring.New(h.Clock.Now())
	ring.Flow[0].ID = h.Ring().IDs()[0] // even under the name of a key that is known
	foreign, err := seal.NewRing(ring, h.Clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	for what, forge := range map[string]func(id, half string) (string, error){
		"another key": func(id, half string) (string, error) {
			return foreign.Seal(seal.Consent, h.Clock.Now().Add(time.Minute), half, map[string]string{"id": id, "cl": harness.PublicClient})
		},
		"another purpose": func(id, half string) (string, error) {
			return h.Ring().Seal(seal.Login, h.Clock.Now().Add(time.Minute), half, map[string]string{"id": id, "cl": harness.PublicClient})
		},
		"tampered": func(string, string) (string, error) { return "", nil },
	} {
		l := h.NewLogin(harness.PublicClient)
		page := wantConsent(t, what, l, l.Authorize())
		sealed, err := forge(page.id, l.Browser.Cookies()[0].Value)
		if err != nil {
			t.Fatal(err)
		}
		if sealed == "" {
			flipped := []byte(page.request)
			flipped[len(flipped)-9] ^= 1
			sealed = string(flipped)
		}
		page.request = sealed
		wantForgery(t, what, page.answer(t, "allow"))
	}
	wantUntouched(t, h.Fake)
}

// What the user agreed to is what happens, or nothing does.
func TestRedTeam_B08_ChangedBetweenPageAndAnswer(t *testing.T) {
	for what, c := range map[string]struct {
		change func(d *runtimeconfig.Document)
		code   string
	}{
		"another app":    {func(d *runtimeconfig.Document) { d.Credentials[0].ClientID = "another-app" }, "server_error"},
		"no app":         {func(d *runtimeconfig.Document) { d.Credentials = nil }, "server_error"},
		"app not ready":  {func(d *runtimeconfig.Document) { d.Credentials[0].NotReady = "SecretNotFound" }, "temporarily_unavailable"},
		"another issuer": {func(d *runtimeconfig.Document) { d.Vendors[0].Target.Issuer = "https://other.example" }, "server_error"},
		"no such client": {func(d *runtimeconfig.Document) { d.Clients = d.Clients[1:] }, ""},
		"other redirect": {func(d *runtimeconfig.Document) { d.Clients[0].RedirectURIs = []string{"https://other.example/cb"} }, ""},
		"a new secret only": {func(d *runtimeconfig.Document) {
			d.Credentials[0].ClientSecret = secret.New("another-app-secret-0123456789")
		}, "-"},
	} {
		h := harness.Standard(t, untrusted(nil))
		l := h.NewLogin(harness.PublicClient)
		page := wantConsent(t, what, l, l.Authorize())
		d := h.Document()
		d.Vendors[0].Trusted = runtimeconfig.NamespaceSet{}
		c.change(&d)
		h.Apply(d)
		r := page.answer(t, "allow")
		switch c.code {
		case "-":
			wantVendor(t, what, h, r)
		case "":
			wantPage(t, what, r, http.StatusBadRequest)
		default:
			wantAnswer(t, what, back{r, l}, c.code)
		}
		wantUntouched(t, h.Fake)
	}
}

// wantAnswer is wantRedirect for an answer to a form, which is a 303.
func wantAnswer(t *testing.T, what string, r back, code string) {
	t.Helper()
	if r.Status != http.StatusSeeOther {
		t.Errorf("%s: %d %s, want 303", what, r.Status, r.Body)
	}
	redirect := *r.Response
	redirect.Status = http.StatusFound
	wantRedirect(t, what, back{&redirect, r.login}, code)
}

func TestRedTeam_B15_Cancel(t *testing.T) {
	h := harness.Standard(t, open())
	id, _ := registered(t, h, metadata())
	l := h.NewLogin(id)
	page := wantConsent(t, "page", l, l.Authorize())
	wantAnswer(t, "cancel", back{page.answer(t, "cancel"), l}, "access_denied")
	wantUntouched(t, h.Fake)
	wantNoCookie(t, "cancel", l.Browser)
	if log := h.Logs(); !strings.Contains(log, `"outcome":"access_denied"`) || !strings.Contains(log, `"outcome":"consent_shown"`) {
		t.Error("the log does not tell of the consent page and the cancel")
	}
}
