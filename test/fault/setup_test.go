// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

const (
	issuer   = harness.PublicURL + "/v1/vendors/" + harness.VendorName
	tokenURL = issuer + "/token"
)

// refusal is an error of an endpoint for programs.
type refusal struct {
	status int
	code   string
}

func (r refusal) String() string { return fmt.Sprintf("%d %s", r.status, r.code) }

func unavailable() refusal { return refusal{http.StatusServiceUnavailable, "temporarily_unavailable"} }
func badAnswer() refusal   { return refusal{http.StatusBadGateway, "server_error"} }
func used() refusal        { return refusal{http.StatusBadRequest, "invalid_grant"} }
func tooMany() refusal     { return refusal{http.StatusTooManyRequests, "temporarily_unavailable"} }

func wantRefusal(t *testing.T, what string, r *harness.Response, want refusal) {
	t.Helper()
	if got := (refusal{r.Status, r.Text("error")}); got != want || r.JSON()["access_token"] != nil {
		t.Errorf("%s: got %d %.300s, want %s", what, r.Status, r.Body, want)
	}
}

func wantTokens(t *testing.T, what string, r *harness.Response) {
	t.Helper()
	if r.Status != http.StatusOK || r.Text("access_token") == "" {
		t.Errorf("%s: got %d %.300s, want tokens", what, r.Status, r.Body)
	}
}

// everyLeg lets a vendor have all that a vendor can have.
func everyLeg(d *runtimeconfig.Document, fake *fakevendor.Server) {
	v := &d.Vendors[0]
	e := &v.Target.Endpoints
	e.Revocation, e.Introspection, e.Registration = fake.URL(fakevendor.Revocation), fake.URL(fakevendor.Introspection), fake.URL(fakevendor.Registration)
	v.Revocation = runtimeconfig.Revocation{Style: "RFC7009", TokenParameter: "token", Tokens: "Both"}
	v.Introspection = true
	v.Registration = runtimeconfig.Registration{Mode: "InitialAccessToken", Scheme: "Bearer", InitialAccessToken: secret.New(vendorToken)}
	v.Transport.TimeoutSeconds, v.Transport.MaxResponseBytes = 30, 64<<10
}

const vendorToken = "vendor-initial-access-token-0123456789"

// start runs brokers before a vendor that has every leg.
func start(t *testing.T, o harness.Options, change func(d *runtimeconfig.Document)) *harness.Harness {
	t.Helper()
	h := harness.Start(t, o)
	h.Fake = h.StartVendor(fakevendor.Options{
		InitialAccessToken: vendorToken, Clients: []fakevendor.Client{{ID: harness.App, Secret: harness.AppSecret, RedirectURIs: harness.Callbacks(harness.VendorName)}},
	})
	d := h.Document()
	everyLeg(&d, h.Fake)
	if change != nil {
		change(&d)
	}
	h.Apply(d)
	return h
}

// register asks for an app at the vendor.
func register(h *harness.Harness) *harness.Response {
	body, _ := json.Marshal(map[string]any{"vendor": harness.VendorName, "client_name": "My app"})
	header := http.Header{"Content-Type": {"application/json"}}
	harness.Basic(harness.WebClient, harness.WebSecret)(url.Values{}, header)
	return h.Send(http.MethodPost, harness.PublicURL+"/v1/register", string(body), header)
}

// ofToken sends a token to revoke or introspect.
func ofToken(h *harness.Harness, endpoint, token string) *harness.Response {
	return h.Token(issuer+endpoint, url.Values{"token": {token}}, h.Auth(harness.WebClient))
}

// patience is how long a fault may show after its end.
const patience = 30 * time.Second

func errStatus(r *harness.Response) error { return fmt.Errorf("%d %.200s", r.Status, r.Body) }
