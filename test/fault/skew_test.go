// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// TestSkew_replicas: replica 2's clock differs from replica 1's. What lives for
// ten minutes stands two minutes and not fifteen; a code lives a minute, so a
// replica that is further ahead calls it expired; one that is behind never does.
// Refresh tokens stand all of it.
func TestSkew_replicas(t *testing.T) {
	for _, c := range []struct {
		by             time.Duration
		callback, code bool
	}{
		{2 * time.Minute, true, false}, {-2 * time.Minute, true, true}, {15 * time.Minute, false, false}, {-15 * time.Minute, true, true},
		{30 * time.Second, true, true}, {-30 * time.Second, true, true},
	} {
		t.Run(c.by.String(), func(t *testing.T) {
			h := harness.Standard(t, harness.Setup{})
			h.Skew(2, c.by)
			h.Pin(1)
			l, redeemed := h.NewLogin(harness.WebClient), h.Login(harness.WebClient)
			callback := l.AtVendor(l.Authorize())
			h.Pin(2)
			r := l.Browser.Get(callback)
			if got := r.Query("code") != ""; got != c.callback || !got && r.Status != http.StatusBadRequest {
				t.Errorf("callback: %d %v", r.Status, r.Location)
			}
			if r := redeemed.Redeem(); c.code {
				wantTokens(t, "code", r)
			} else {
				wantRefusal(t, "code", r, used())
				if h.Fake.Count(fakevendor.Token) != 0 {
					t.Error("the vendor's code was spent")
				}
				h.Pin(1)
				wantTokens(t, "the same code where it was made", redeemed.Redeem())
			}
			h.Pin(1)
			first := h.Login(harness.WebClient).Redeem()
			h.Pin(2)
			wantTokens(t, "refresh", redeemed.Refresh(first.Text("refresh_token")))
		})
	}
}

// TestSkew_assertions: a client assertion lives a minute by the client's clock,
// and five seconds of difference are forgiven.
func TestSkew_assertions(t *testing.T) {
	for by, good := range map[time.Duration]bool{0: true, 8 * time.Second: true, -10 * time.Second: true, 2 * time.Minute: false, -2 * time.Minute: false, 15 * time.Minute: false, -15 * time.Minute: false} {
		h := harness.Standard(t, harness.Setup{Options: harness.Options{Replicas: 1}})
		l := h.Login(harness.KeyClient)
		signed := h.Sign(h.Claims(issuer)) // by the client's clock
		h.Skew(1, by)
		r := h.Token(tokenURL, l.Form(), harness.Assertion(signed))
		if good {
			wantTokens(t, by.String(), r)
			continue
		}
		wantRefusal(t, by.String(), r, refusal{http.StatusUnauthorized, "invalid_client"})
		h.Skew(1, 0)
		wantTokens(t, by.String()+", the same code with a right clock", l.Redeem())
	}
}

// TestSkew_vendor: ID tokens of a vendor whose clock differs. A minute ahead is
// forgiven; behind, what counts is when they end.
func TestSkew_vendor(t *testing.T) {
	for by, good := range map[time.Duration]bool{50 * time.Second: true, -2 * time.Minute: true, -4 * time.Minute: true, 2 * time.Minute: false, 15 * time.Minute: false, -15 * time.Minute: false} {
		h := harness.Start(t, harness.Options{Replicas: 1})
		h.Fake = h.StartVendor(fakevendor.Options{
			Now:     func() time.Time { return h.Clock.Now().Add(by) },
			Clients: []fakevendor.Client{{ID: harness.App, Secret: harness.AppSecret, RedirectURIs: harness.Callbacks(harness.VendorName)}},
		})
		h.Apply(h.Document())
		l := h.NewLogin(harness.WebClient)
		l.Params.Set("scope", "openid read")
		l.Walk()
		if r := l.Redeem(); good {
			wantTokens(t, by.String(), r)
		} else {
			wantRefusal(t, by.String(), r, badAnswer())
		}
		wantTokens(t, by.String()+", without an ID token", h.Login(harness.WebClient).Redeem())
	}
}
