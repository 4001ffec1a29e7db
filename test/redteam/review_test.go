// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// What a review as an attacker found, beyond the list.

// offered is the authorization response that a page offers as a link, where the
// client is nobody's acquaintance; nil where there is none.
func offered(r *harness.Response) *url.URL {
	m := regexp.MustCompile(`<a href="([^"]+)"`).FindStringSubmatch(r.Body)
	if r.Status != http.StatusBadRequest || r.Location != nil || m == nil {
		return nil
	}
	u, err := url.Parse(html.UnescapeString(m[1]))
	if err != nil {
		return nil
	}
	return u
}

// wantOffer: the client gets the error only if the user follows a link.
func wantOffer(t *testing.T, what string, r back, code string) {
	t.Helper()
	to := offered(r.Response)
	if to == nil {
		t.Errorf("%s: got %d %v, want a page with a link", what, r.Status, r.Location)
		return
	}
	q := to.Query()
	to.RawQuery = ""
	if to.String() != r.login.Params.Get("redirect_uri") || q.Get("error") != code || q.Get("state") != r.login.Params.Get("state") || q.Get("iss") == "" {
		t.Errorf("%s: the page offers %s with %v", what, to, q)
	}
}

// RFC 9700 section 4.11.2: the broker is no open redirector for strangers.
func TestReview_NoRedirectToStrangers(t *testing.T) {
	h := harness.Standard(t, open())
	m := metadata()
	m["redirect_uris"] = []string{"https://phish.example/login"}
	id, _ := registered(t, h, m)
	r := h.Browser().Get(harness.PublicURL + "/v1/authorize?client_id=" + url.QueryEscape(id) + "&redirect_uri=" + url.QueryEscape("https://phish.example/login"))
	if to := offered(r); to == nil || to.Host != "phish.example" || !strings.Contains(r.Body, "<bdi>phish.example</bdi>") {
		t.Errorf("%d to %v: %s", r.Status, r.Location, r.Body)
	}
}

// A hostile vendor on the shared callback, configured without an issuer, has the
// victim fetch an honest vendor's answer. The iss in it tells.
func TestReview_IssuerThatNobodyKnows(t *testing.T) {
	h, evil := twoVendors(t, runtimeconfig.CallbackShared)
	d := h.Document()
	d.Vendors = append(d.Vendors, harness.Vendor("evil", evil))
	d.Vendors[1].Target.Issuer = ""
	d.Credentials = append(d.Credentials, harness.Shared("evil", "evil-app", "evil-app-secret-0123456789"))
	d.Clients[0].Vendors = append(d.Clients[0].Vendors, runtimeconfig.AllowedVendor{Name: "evil"})
	h.Apply(d)
	l := h.NewLogin(harness.PublicClient)
	l.Authorization, l.TokenURL = harness.PublicURL+"/v1/vendors/evil/authorize", harness.PublicURL+"/v1/vendors/evil/token"
	honest := *l.Authorize().Location
	at, err := url.Parse(h.Fake.URL(fakevendor.Authorize))
	if err != nil {
		t.Fatal(err)
	}
	honest.Host = at.Host
	honest.RawQuery = with(honest.Query(), "client_id", harness.App).Encode()
	answer := l.Browser.Get(honest.String())
	r := l.Browser.Get(changed(answer.Location, "iss", h.Fake.Issuer()))
	if r.Status != http.StatusBadRequest || r.Location != nil {
		t.Errorf("the honest vendor's code is taken for the hostile one's: %d to %v", r.Status, r.Location)
	}
	if n := evil.Count(fakevendor.Token); n != 0 {
		t.Errorf("the hostile vendor's token endpoint was called %d times", n)
	}
}

// A refresh token that is withheld is withheld wherever the vendor keeps it.
func TestReview_WithheldWhereNested(t *testing.T) {
	s := open()
	s.Vendor.Refresh = fakevendor.RefreshStatic
	s.Edit = func(d *runtimeconfig.Document) {
		d.Vendors[0].SelfRegisteredUse, d.Vendors[0].Refresh.Static = true, true
		d.Vendors[0].TokenResponse.Paths = map[string]string{"refresh_token": "authed_user.refresh_token"}
	}
	h := harness.Standard(t, s)
	h.Fake.Set(fakevendor.Token, fakevendor.Behaviour{Name: "nested", Edit: func(m map[string]any) {
		m["authed_user"] = map[string]any{"refresh_token": m["refresh_token"]}
		delete(m, "refresh_token")
	}})
	id, _ := registered(t, h, metadata())
	l := h.NewLogin(id)
	l.Finish(wantConsent(t, "shared", l, l.Authorize()).answer(t, "allow"))
	if r := l.Redeem(); r.Status != http.StatusOK || strings.Contains(r.Body, "vendor-refresh-") {
		t.Errorf("%d: the answer holds the vendor's refresh token", r.Status)
	}
}

// What the platform withdraws ends logins under way, too.
func TestReview_SharedUseWithdrawn(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.NewLogin(harness.PublicClient)
	toVendor := l.Authorize()
	answer := l.AtVendor(toVendor)
	d := h.Document()
	d.Vendors[0].SharedUse = runtimeconfig.NamespaceSet{}
	h.Apply(d)
	r := l.Browser.Get(answer)
	if r.Query("error") != "unauthorized_client" || r.Query("code") != "" {
		t.Errorf("%d to %v", r.Status, r.Location)
	}
}

// agreed opens the authorization URL, and agrees where the user is asked.
func agreed(t *testing.T, l *harness.Login) *harness.Response {
	t.Helper()
	if r := l.Authorize(); r.Location != nil {
		return r
	}
	return wantConsent(t, "authorize", l, l.Authorize()).answer(t, "allow")
}

// What is taken from a client while a login is under way is gone at its next step,
// at which nothing is spent.
func TestReview_VendorTakenAway(t *testing.T) {
	for what, take := range map[string]func(d *runtimeconfig.Document){
		"the client's vendor":     func(d *runtimeconfig.Document) { d.Clients[1].Vendors = nil },
		"use of the shared app":   func(d *runtimeconfig.Document) { d.Vendors[0].SharedUse = runtimeconfig.NamespaceSet{} },
		"strangers at the vendor": func(d *runtimeconfig.Document) { d.Vendors[0].SelfRegisteredUse = false },
	} {
		s := open()
		h := harness.Standard(t, s)
		given, taken := h.Document(), h.Document()
		s.Edit(&given)
		s.Edit(&taken)
		take(&taken)
		client := harness.WebClient
		if !taken.Vendors[0].SelfRegisteredUse {
			client, _ = registered(t, h, metadata())
		}
		l := h.NewLogin(client)
		answer := l.AtVendor(agreed(t, l))
		h.Apply(taken)
		wantRedirect(t, what+", callback", back{l.Browser.Get(answer), l}, "unauthorized_client")
		h.Apply(given)
		l = h.NewLogin(client)
		l.Finish(agreed(t, l))
		h.Apply(taken)
		wantJSON(t, what+", token", l.Redeem(), failure{http.StatusBadRequest, "invalid_grant"})
		wantCalls(t, what, h.Fake, 0)
		h.Apply(given)
		wantTokens(t, what+", given again", l.Redeem())
	}
}

// A vendor that is deleted, or that needs a tenant's variables from now on, ends
// what was begun with it, and takes no other place down.
func TestReview_VendorDeleted(t *testing.T) {
	for what, change := range map[string]func(d *runtimeconfig.Document){
		"deleted":         func(d *runtimeconfig.Document) { d.Vendors, d.Credentials = nil, nil },
		"needs variables": func(d *runtimeconfig.Document) { d.Vendors[0].Target = nil },
	} {
		h := harness.Standard(t, harness.Setup{})
		l := h.Login(harness.WebClient)
		refresh := l.Redeem().Text("refresh_token")
		code, flight := h.Login(harness.WebClient), h.NewLogin(harness.WebClient)
		answer := flight.AtVendor(flight.Authorize())
		h.Fake.Forget()
		d := h.Document()
		change(&d)
		h.Apply(d)
		wantRedirect(t, what+": callback", back{flight.Browser.Get(answer), flight}, "server_error")
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}
		for request, form := range map[string]url.Values{"code": code.Form(), "refresh": form} {
			wantJSON(t, what+": "+request, h.Token(harness.PublicURL+"/v1/token", form, h.Auth(harness.WebClient)), failure{http.StatusBadRequest, "invalid_grant"})
		}
		if r := h.NewLogin(harness.WebClient).Authorize(); r.Status >= http.StatusInternalServerError || r.Query("code") != "" {
			t.Errorf("%s: authorize: %d", what, r.Status)
		}
		wantUntouched(t, h.Fake)
	}
}

// A client whose Secret is away for a moment is not told that it is unknown: then
// it would forget its tokens. Nothing is spent.
func TestReview_ClientNotReady(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.Login(harness.WebClient)
	d := h.Document()
	d.Clients[1].NotReady, d.Clients[1].SecretSHA256 = "SecretNotFound", nil
	h.Apply(d)
	wantJSON(t, "token", l.Redeem(), failure{http.StatusServiceUnavailable, "temporarily_unavailable"})
	wantJSON(t, "PAR", h.Token(parURL, l.Params, h.Auth(l.Client)), failure{http.StatusServiceUnavailable, "temporarily_unavailable"})
	other := h.NewLogin(harness.WebClient)
	wantRedirect(t, "authorize", back{other.Authorize(), other}, "temporarily_unavailable")
	h.Apply(h.Document())
	wantTokens(t, "ready again", l.Redeem())
}

// What strangers are refused costs nobody else anything.
func TestReview_StrangersUseUpNothing(t *testing.T) {
	s := open()
	s.Registration = broker.Registration{}
	h := harness.Standard(t, s)
	post := func(header http.Header) int {
		header.Set("Content-Type", "application/json")
		return h.Send(http.MethodPost, harness.PublicURL+"/register", `{"vendor":"acme"}`, header).Status
	}
	for range 60 {
		if status := post(http.Header{}); status != http.StatusUnauthorized {
			t.Fatalf("anonymous: %d", status)
		}
	}
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(harness.WebClient, harness.WebSecret)
	if status := post(r.Header); status == http.StatusTooManyRequests || status == http.StatusUnauthorized {
		t.Errorf("authenticated: %d", status)
	}
}
