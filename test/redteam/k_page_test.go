// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// The vendor's answer to the code decides, and the client's token request is
// what asks for it: before, no page of the broker's tells anybody of a success.
func TestRedTeam_K12_NoSuccessBeforeTheTokens(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for what, c := range map[string]struct {
		answer fakevendor.Behaviour
		want   failure
	}{
		"code refused":  {fakevendor.JSON(http.StatusBadRequest, `{"error":"invalid_grant"}`), failure{http.StatusBadRequest, "invalid_grant"}},
		"app refused":   {fakevendor.JSON(http.StatusUnauthorized, `{"error":"invalid_client"}`), failure{http.StatusBadGateway, "server_error"}},
		"no token":      {fakevendor.JSON(http.StatusOK, `{}`), failure{http.StatusBadGateway, "server_error"}},
		"vendor broken": {fakevendor.JSON(http.StatusServiceUnavailable, `{}`), failure{http.StatusServiceUnavailable, "temporarily_unavailable"}},
	} {
		h.Fake.Set(fakevendor.Token, c.answer)
		calls := h.Fake.Count(fakevendor.Token)
		l := h.NewLogin(harness.PublicClient)
		callback := callbackOf(t, l)
		r := l.Browser.Get(callback.String())
		l.Code = r.Query("code")
		if r.Status != http.StatusFound || !strings.HasPrefix(r.Location.String(), harness.RedirectURI+"?") || l.Code == "" || strings.Contains(r.Body, "<h1") {
			t.Fatalf("%s: the callback answers %d %v %s, want nothing but the client's address", what, r.Status, r.Location, r.Body)
		}
		wantCalls(t, what+", before the token request", h.Fake, calls)
		wantJSON(t, what, l.Redeem(), c.want)
		if got := h.Fake.Count(fakevendor.Token); got != calls+1 {
			t.Errorf("%s: the vendor saw %d token requests, want 1", what, got-calls)
		}
		wantPage(t, what+", callback loaded again", l.Browser.Get(callback.String()), http.StatusForbidden)
		h.Fake.Behave()
	}
}
