// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/test/harness"
)

// The attacker starts a login and sends the vendor's URL to the victim, who
// comes back without the attacker's cookie.
func TestRedTeam_B02_VendorURLSentToTheVictim(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	attacker := h.NewLogin(harness.PublicClient)
	toVendor := attacker.Authorize()
	victim := h.NewLogin(harness.PublicClient)
	_ = victim.Authorize() // the victim has a login of its own in flight
	back := victim.Browser.Get(toVendor.Location.String())
	wantPage(t, "the victim", victim.Browser.Get(back.Location.String()), http.StatusForbidden)
	wantCalls(t, "the victim's approval", h.Fake, 0)
}

func TestRedTeam_B04_WrongCookie(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for what, forge := range map[string]func(own, other *http.Cookie) string{
		"another login's value under the name": func(own, other *http.Cookie) string { return own.Name + "=" + other.Value },
		"another login's cookie":               func(_, other *http.Cookie) string { return other.Name + "=" + other.Value },
		"tampered": func(own, _ *http.Cookie) string {
			v := []byte(own.Value)
			v[len(v)-9] ^= 1
			return own.Name + "=" + string(v)
		},
		"cut":   func(own, _ *http.Cookie) string { return own.Name + "=" + own.Value[:40] },
		"empty": func(own, _ *http.Cookie) string { return own.Name + "=" },
		"another purpose": func(own, _ *http.Cookie) string {
			return own.Name + "=" + strings.Replace(own.Value, "obl1", "obc1", 1)
		},
	} {
		l, other := h.NewLogin(harness.PublicClient), h.NewLogin(harness.WebClient)
		callback := callbackOf(t, l)
		_ = callbackOf(t, other)
		cookie := forge(l.Browser.Cookies()[0], other.Browser.Cookies()[0])
		wantPage(t, what, h.Send(http.MethodGet, callback.String(), "", http.Header{"Cookie": {cookie}}), http.StatusForbidden)
	}
	wantCalls(t, "wrong cookies", h.Fake, 0)
}

// A sub-domain can set cookies for its parent, but none with the __Host- prefix:
// the broker looks at no other.
func TestRedTeam_B05_TossedCookie(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.NewLogin(harness.PublicClient)
	callback := callbackOf(t, l)
	own := l.Browser.Cookies()[0]
	for _, name := range []string{strings.TrimPrefix(own.Name, "__Host-"), strings.Replace(own.Name, "__Host-", "__Secure-", 1), strings.ToLower(own.Name)} {
		r := h.Send(http.MethodGet, callback.String(), "", http.Header{"Cookie": {name + "=" + own.Value}})
		wantPage(t, name, r, http.StatusForbidden)
	}
}

// What stands in a login's cookie and does not open takes up room for nothing: it
// goes with the next login, and so does one that expired. Another login's stays.
func TestRedTeam_B04_WhatDoesNotOpenIsDropped(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	old, l := h.NewLogin(harness.PublicClient), h.NewLogin(harness.PublicClient)
	l.Browser = old.Browser
	_ = old.Authorize()
	kept := old.Browser.Cookies()[0].Name
	for _, name := range []string{"__Host-ob-PLANTED", "__Host-other"} {
		l.Browser.SetCookie(&http.Cookie{Name: name, Value: "x", Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	}
	_ = l.Authorize()
	var names []string
	for _, c := range l.Browser.Cookies() {
		names = append(names, c.Name)
	}
	if all := strings.Join(names, " "); len(names) != 3 || strings.Contains(all, "PLANTED") || !strings.Contains(all, kept) || !strings.Contains(all, "__Host-other") {
		t.Errorf("the browser has %v", names)
	}
	h.Clock.Advance(10*time.Minute + time.Second)
	_ = l.Authorize()
	if n := len(l.Browser.Cookies()); n != 2 {
		t.Errorf("after the logins expired there are %d cookies", n)
	}
}
