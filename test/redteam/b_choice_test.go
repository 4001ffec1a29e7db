// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// A vendor that trusts every namespace trusts no stranger: they have none.
func TestRedTeam_B01_TrustInAllNamespacesIsNoneInStrangers(t *testing.T) {
	h := harness.Standard(t, open())
	id, _ := registered(t, h, metadata())
	d := h.Document()
	d.Vendors[0].SelfRegisteredUse, d.Vendors[0].Trusted = true, runtimeconfig.NamespaceSet{All: true}
	h.Apply(d)
	wantVendor(t, "a client of a namespace", h, h.NewLogin(harness.PublicClient).Authorize())
	l := h.NewLogin(id)
	wantConsent(t, "a stranger", l, l.Authorize())
	wantUntouched(t, h.Fake)
}

// What the client asked of the vendor is the same after the page as without it:
// the nonce that it will compare, and the parameters that the vendor lets through.
func TestRedTeam_B07_PageChangesNothingOfTheRequest(t *testing.T) {
	h := harness.Standard(t, untrusted(func(d *runtimeconfig.Document) {
		d.Vendors[0].Authorize.PassParameters = []string{"login_hint"}
	}))
	l := h.NewLogin(harness.PublicClient)
	l.Params.Set("scope", "openid read")
	l.Params.Set("nonce", "the-clients-own-nonce")
	l.Params.Set("login_hint", "user-7")
	l.Params.Set("access_type", "injected")
	l.Params.Set("resource", "https://api.acme.example/")
	toVendor := wantConsent(t, "page", l, l.Authorize()).answer(t, "allow")
	wantVendor(t, "allowed", h, toVendor)
	for name, want := range map[string]string{
		"nonce": "the-clients-own-nonce", "login_hint": "user-7", "access_type": "", "scope": "openid read", "resource": "https://api.acme.example/", "client_id": harness.App,
	} {
		if got := toVendor.Query(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	l.Finish(toVendor)
	r := l.Redeem()
	wantTokens(t, "with the nonce", r)
	if r.Text("id_token") == "" {
		t.Error("no id_token")
	}
}

// The browser can give a cookie another name. One answer under two names is two.
func TestRedTeam_B08_AnswerUnderAnotherName(t *testing.T) {
	h := harness.Standard(t, untrusted(nil))
	l := h.NewLogin(harness.PublicClient)
	page := wantConsent(t, "page", l, l.Authorize())
	cookie := l.Browser.Cookies()[0]
	renamed := "another" + page.id
	l.Browser.SetCookie(&http.Cookie{Name: strings.Replace(cookie.Name, page.id, renamed, 1), Value: cookie.Value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	form := with(page.form("allow"), "id", renamed)
	wantForgery(t, "another name", send(t, l.Browser, form, "Sec-Fetch-Site", "same-origin"))
	wantVendor(t, "its own name", h, page.answer(t, "allow"))
}

// Nobody is remembered who did not ask for it.
func TestRedTeam_B12_OnlyWhereTheUserChose(t *testing.T) {
	h := harness.Standard(t, untrusted(nil))
	for _, chosen := range [][]string{nil, {"remember", ""}, {"remember", "no"}, {"remember", "on"}} {
		l := h.NewLogin(harness.PublicClient)
		page := wantConsent(t, "first", l, l.Authorize())
		if !strings.Contains(page.Body, `name="remember"`) {
			t.Error("the page does not offer to remember")
		}
		r := page.answer(t, "allow", chosen...)
		wantVendor(t, "allowed", h, r)
		if strings.Contains(strings.Join(r.Header.Values("Set-Cookie"), "\n"), "__Host-obr-") {
			t.Errorf("%v: remembered", chosen)
		}
		wantConsent(t, "second", l, navigate(t, l, "same-origin"))
	}
}

// The agreement is for the resources that the page was about.
func TestRedTeam_B12_RememberedForItsResources(t *testing.T) {
	const agreed, other = "https://api.acme.example/a", "https://api.acme.example/b"
	h := harness.Standard(t, untrusted(nil))
	l := h.NewLogin(harness.PublicClient)
	l.Params["resource"] = []string{agreed}
	wantVendor(t, "allowed", h, wantConsent(t, "first", l, l.Authorize()).answer(t, "allow", "remember", "yes"))
	wantVendor(t, "the same", h, navigate(t, l, "same-origin"))
	for _, more := range [][]string{{other}, {agreed, other}} {
		l.Params["resource"] = more
		wantConsent(t, strings.Join(more, " "), l, navigate(t, l, "same-origin"))
	}
}

// The name of the cookie can be known: a value that the broker did not seal is no
// agreement, also where nothing is asked that it would have to cover.
func TestRedTeam_B12_MadeUpMemory(t *testing.T) {
	h := harness.Standard(t, untrusted(func(d *runtimeconfig.Document) { d.Vendors[0].Scopes.Default = nil }))
	l := h.NewLogin(harness.PublicClient)
	wantVendor(t, "allowed", h, wantConsent(t, "first", l, l.Authorize()).answer(t, "allow", "remember", "yes"))
	wantVendor(t, "remembered", h, navigate(t, l, "same-origin"))
	made := 0
	for _, c := range l.Browser.Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-obr-") {
			continue
		}
		for _, value := range []string{"", "x", c.Value[:len(c.Value)-9] + "AAAAAAAAA"} {
			made++
			victim := h.NewLogin(harness.PublicClient)
			victim.Browser.SetCookie(&http.Cookie{Name: c.Name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
			wantConsent(t, value, victim, navigate(t, victim, "same-origin"))
		}
	}
	if made != 3 {
		t.Errorf("%d cookies made up", made)
	}
}
