// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

const (
	filesAPI = "https://files.acme.example/api"
	mailAPI  = "https://mail.acme.example/api"
)

// ownApps is a second vendor, at which a namespace has two apps of its own, and
// which is told the resource that a token is for.
const ownApps = `apiVersion: oauthbroker.dev/v1alpha1
kind: OAuthVendor
metadata: {name: own}
spec:
  issuer: %s
  discovery: {type: OpenIDConnect}
  scopes: {default: [files]}
  resource: {mode: Pass, allowed: [` + filesAPI + `, ` + mailAPI + `]}
  transport:
    caBundle: |
%s
---
apiVersion: oauthbroker.dev/v1alpha1
kind: BYOCCredential
metadata: {name: usual, namespace: team}
spec: {vendor: own, secretRef: {name: usual}}
---
apiVersion: oauthbroker.dev/v1alpha1
kind: BYOCCredential
metadata: {name: next, namespace: team}
spec: {vendor: own, selection: ByName, secretRef: {name: next}}
---
apiVersion: v1
kind: Secret
metadata: {name: usual, namespace: team}
stringData: {clientID: usual-app, clientSecret: %s}
---
apiVersion: v1
kind: Secret
metadata: {name: next, namespace: team}
stringData: {clientID: next-app, clientSecret: %s}
---
apiVersion: oauthbroker.dev/v1alpha1
kind: BrokerClient
metadata: {name: chooser, namespace: team}
spec:
  applicationType: Native
  redirectURIs: ["http://127.0.0.1/callback"]
  authentication: {method: None}
  vendors: [{name: own}]
`

// newChoice is a site that serves ownApps alone.
func newChoice(t *testing.T) *site {
	t.Helper()
	const usual, next = "usual-app-secret-canary-0123456789", "next-app-secret-canary-0123456789"
	s := &site{Install: binary.New(t, broker)}
	callback := []string{s.PublicURL + "/v1/callback"}
	s.vendor = fakevendor.New(fakevendor.Options{IssuerParameter: true, Clients: []fakevendor.Client{
		{ID: "usual-app", Secret: usual, RedirectURIs: callback}, {ID: "next-app", Secret: next, RedirectURIs: callback},
	}}).Start(t)
	s.Watch(s.vendor)
	s.Plant("a configured secret", usual)
	s.Plant("a configured secret", next)
	s.Write("config/own.yaml", fmt.Sprintf(ownApps, s.vendor.Issuer(), indented(string(s.vendor.CAPEM())), usual, next))
	s.Write("ca.crt", string(s.CA.PEM()))
	s.ca = s.Path("ca.crt")
	s.broker = s.Start().Ready()
	return s
}

// TestLogin_credential: the login, the exchange and the refresh are those of the
// app that was named, and of the namespace's default where none is.
func TestLogin_credential(t *testing.T) {
	t.Parallel()
	s := newChoice(t)
	for _, tt := range []struct {
		app  string
		args []string
	}{{"usual-app", nil}, {"usual-app", []string{"--credential", "usual"}}, {"next-app", []string{"--credential", "next"}}} {
		r := s.login(oauthBroker(t), append([]string{"--vendor", "own", "--client-id", "team.chooser", "--refresh"}, tt.args...)...)
		wantCode(t, r, 0)
		wantIn(t, r.Stdout, "Logged in:", "Refreshed:")
		if got := s.vendor.Last(fakevendor.Authorize).Query.Get("client_id"); got != tt.app {
			t.Errorf("%v: the user signed in to %q, want %s", tt.args, got, tt.app)
		}
		for _, e := range []fakevendor.Endpoint{fakevendor.Token, fakevendor.Refresh} {
			if got := s.vendor.Last(e).ClientID; got != tt.app {
				t.Errorf("%v: %q asked at %s, want %s", tt.args, got, e, tt.app)
			}
		}
	}
}

// TestLogin_resource: the vendor is told the resource at each step, and none where
// none was named.
func TestLogin_resource(t *testing.T) {
	t.Parallel()
	s := newChoice(t)
	for _, tt := range []struct {
		args, want []string
	}{{nil, nil}, {[]string{"--resource", filesAPI}, []string{filesAPI}}, {[]string{"--resource", mailAPI}, []string{mailAPI}}} {
		r := s.login(oauthBroker(t), append([]string{"--vendor", "own", "--client-id", "team.chooser", "--refresh"}, tt.args...)...)
		wantCode(t, r, 0)
		authorize, token, refresh := s.vendor.Last(fakevendor.Authorize), s.vendor.Last(fakevendor.Token), s.vendor.Last(fakevendor.Refresh)
		for what, got := range map[string][]string{"authorize": authorize.Query["resource"], "token": token.Form["resource"], "refresh": refresh.Form["resource"]} {
			if !slices.Equal(got, tt.want) {
				t.Errorf("%v: resource at %s is %q, want %q", tt.args, what, got, tt.want)
			}
		}
	}
}

// TestLogin_choiceRefused: what cannot be had is told with what to do, and the
// vendor is not asked.
func TestLogin_choiceRefused(t *testing.T) {
	t.Parallel()
	s := newChoice(t)
	p := oauthBroker(t)
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"credential", []string{"--credential", "nobody"}, []string{"the login was refused: unauthorized_client", "bring one with a BYOCCredential"}},
		{"resource", []string{"--resource", "https://elsewhere.example/api"}, []string{"the login was refused: invalid_target", "Leave out --resource, or name one that spec.resource of the OAuthVendor allows"}},
		{"no URI", []string{"--resource", "files"}, []string{"invalid_target", "resource must be an absolute URI"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.T = t
			r := p.Run(append([]string{"login", "--no-browser", "--broker", s.PublicURL, "--vendor", "own", "--ca-file", s.ca, "--client-id", "team.chooser"}, tt.args...)...)
			wantCode(t, r, 1)
			wantIn(t, r.Stderr, tt.want...)
		})
	}
	if n := len(s.vendor.Requests(fakevendor.Authorize)); n != 0 {
		t.Errorf("the vendor was asked %d times", n)
	}
}
