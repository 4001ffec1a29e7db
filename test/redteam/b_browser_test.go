// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"net/http"
	"strings"
	"testing"

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
