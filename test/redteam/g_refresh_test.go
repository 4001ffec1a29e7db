// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"net/http"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// Without Redis nothing ties refreshes together: the vendor's rule decides, and
// the broker adds no invalid_grant of its own.
func TestRedTeam_G03_ConcurrentRefreshesByTheVendorsRule(t *testing.T) {
	for _, c := range []struct {
		mode fakevendor.RefreshMode
		good int
	}{{fakevendor.RefreshRotating, 20}, {fakevendor.RefreshStatic, 20}, {fakevendor.RefreshOmitted, 20}, {fakevendor.RefreshSingleUse, 1}} {
		h := harness.Standard(t, harness.Setup{Options: harness.Options{Replicas: 3}, Vendor: fakevendor.Options{Refresh: c.mode}})
		l, _, refresh := tokensOf(t, h, harness.WebClient)
		answers := make([]*harness.Response, 20)
		inParallel(len(answers), func(i int) { answers[i] = l.Refresh(refresh) })
		good := 0
		for _, r := range answers {
			if r.Status == http.StatusOK {
				good++
				continue
			}
			wantJSON(t, string(c.mode), r, failure{http.StatusBadRequest, "invalid_grant"})
		}
		refused := 0
		for _, r := range h.Fake.Requests(fakevendor.Refresh) {
			if r.Error != "" {
				refused++
			}
		}
		if good != c.good || refused != len(answers)-good || h.Fake.Count(fakevendor.Refresh) != len(answers) {
			t.Errorf("%q: %d good answers, want %d; the vendor refused %d of %d", c.mode, good, c.good, refused, h.Fake.Count(fakevendor.Refresh))
		}
	}
}

// Some vendors refuse a resource that others need (RFC 8707, AADSTS9010010).
func TestRedTeam_G11_ResourceOnRefresh(t *testing.T) {
	const resource = "https://api.acme.example/"
	for _, sent := range []bool{true, false} {
		h := harness.Standard(t, edit(func(v *runtimeconfig.Vendor) { v.Resource.OnRefresh = sent }))
		l := h.NewLogin(harness.WebClient)
		l.Params.Set("resource", resource)
		l.Walk()
		refresh := l.Redeem().Text("refresh_token")
		wantTokens(t, "granted", l.Refresh(refresh, "resource", resource))
		if got := h.Fake.Last(fakevendor.Refresh).Form; got.Has("resource") != sent {
			t.Errorf("sent %v: the vendor got %v", sent, got)
		}
		wantTokens(t, "not repeated", l.Refresh(refresh))
		before := h.Fake.Count(fakevendor.Refresh)
		wantJSON(t, "another", l.Refresh(refresh, "resource", "https://other.example/"), failure{http.StatusBadRequest, "invalid_target"})
		if h.Fake.Count(fakevendor.Refresh) != before {
			t.Error("the vendor was asked for another resource")
		}
	}
}
