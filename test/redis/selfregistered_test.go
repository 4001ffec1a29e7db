// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// strangers may register, at a vendor whose refresh tokens stay the same.
func strangers() harness.Setup {
	setup := rotates(fakevendor.RefreshStatic)
	setup.Registration = broker.Registration{Mode: broker.RegistrationOpen}
	static := setup.Edit
	setup.Edit = func(d *runtimeconfig.Document) {
		static(d)
		d.Vendors[0].SelfRegisteredUse = true
	}
	return setup
}

// A public client that registered itself gets a refresh token at a vendor that
// does not rotate only with Redis, which ends a stolen one.
func TestRedTeam_G08_SelfRegisteredClientAtAStaticVendor(t *testing.T) {
	h := start(t, strangers())
	registered := h.Send(http.MethodPost, harness.PublicURL+"/v1/register", `{"client_name":"stranger","redirect_uris":["`+harness.RedirectURI+`"],"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"]}`,
		http.Header{"Content-Type": {"application/json"}})
	id := registered.Text("client_id")
	if id == "" {
		t.Fatalf("registration: %d %s", registered.Status, registered.Body)
	}
	login := func() (*harness.Login, string) {
		l := h.NewLogin(id)
		l.Finish(l.Browser.Post(harness.PublicURL+"/v1/consent", answerOf(t, l.Authorize(), "allow")))
		r := l.Redeem()
		wantTokens(t, "login", r)
		return l, r.Text("refresh_token")
	}
	l, first := login()
	second := l.Refresh(first)
	wantTokens(t, "refresh", second)
	h.later(2 * time.Minute)
	wantJSON(t, "the first again", l.Refresh(first), used())
	wantJSON(t, "the family", l.Refresh(second.Text("refresh_token")), used())

	// Nothing but Redis would find a stolen one: without it, no refresh.
	l, first = login()
	before := h.Fake.Count(fakevendor.Refresh)
	h.redis.ReadOnly()
	wantJSON(t, "while Redis is away", l.Refresh(first), away())
	h.wantCalls(t, "while Redis is away", fakevendor.Refresh, before)
	h.redis.Writable()
	wantTokens(t, "afterwards", l.Refresh(first))
}
