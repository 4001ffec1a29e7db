// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"testing"

	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
	"github.com/oauthbroker/oauth-broker/test/redis"
)

// Replica after replica moves to Redis, to another Redis, and away from it:
// logins under way end well, and nobody is signed out.
func TestRedis_movingLosesNobody(t *testing.T) {
	one, two := redis.Start(t), redis.Start(t)
	setup := rotates(fakevendor.RefreshSingleUse)
	setup.Options = harness.Options{Replicas: 2, Look: map[string]func() string{"Redis": one.Dump, "the other Redis": two.Dump}}
	h := rig{harness.Standard(t, setup), one}
	web, webToken := h.login(t, harness.WebClient)
	public, publicToken := h.login(t, harness.PublicClient)
	for _, url := range []string{one.URL(), two.URL(), ""} {
		for n := 1; n <= 2; n++ {
			before, atCallback := h.Login(harness.WebClient), h.NewLogin(harness.WebClient)
			callback := atCallback.AtVendor(atCallback.Authorize())
			h.Replace(n, url)
			for pinned := 1; pinned <= 2; pinned++ {
				h.Pin(pinned)
				r := web.Refresh(webToken)
				wantTokens(t, "a confidential client's refresh", r)
				webToken = r.Text("refresh_token")
				r = public.Refresh(publicToken)
				wantTokens(t, "a public client's refresh", r)
				publicToken = r.Text("refresh_token")
			}
			wantTokens(t, "a code from before", before.Redeem())
			atCallback.Code = atCallback.Browser.Get(callback).Query("code")
			wantTokens(t, "a login from before", atCallback.Redeem())
			h.Pin(0)
		}
	}
}
