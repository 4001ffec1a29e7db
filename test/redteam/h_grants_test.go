// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// loggedIn walks a login of a public client that the user agrees to, up to the tokens.
func loggedIn(t *testing.T, h *harness.Harness, client string) (*harness.Login, *harness.Response) {
	t.Helper()
	l := h.NewLogin(client)
	agree(t, l)
	r := h.Token(tokenURL, l.Form(), harness.None(client))
	wantTokens(t, "login", r)
	return l, r
}

func refreshForm(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}

// A client uses the grants that it registered for, and authorization_code where it
// registered none (RFC 7591 section 2): no refresh token reaches it, and it redeems
// none that it got hold of.
func TestRedTeam_H07_GrantTypesHold(t *testing.T) {
	s := newSite(t)
	setup := s.setup("127.0.0.1")
	setup.Registration = broker.Registration{Mode: broker.RegistrationOpen}
	h := harness.Standard(t, setup)
	for what, grants := range map[string]any{"left out": nil, "empty": []string{}, "code only": []string{"authorization_code"}} {
		m := metadata()
		m["grant_types"] = grants
		id, _ := registered(t, h, m)
		document := s.document("/"+map[string]string{"left out": "a", "empty": "b", "code only": "c"}[what], map[string]any{"grant_types": grants})
		for _, client := range []string{id, document} {
			_, tokens := loggedIn(t, h, client)
			if token := tokens.Text("refresh_token"); token != "" {
				t.Errorf("%s, %.20s: got a refresh token", what, client)
			}
			before := h.Fake.Count(fakevendor.Refresh)
			for _, token := range []string{tokens.Text("refresh_token"), "obr1.x.y", "vendors-own"} {
				wantJSON(t, what, h.Token(tokenURL, refreshForm(token), harness.None(client)), failure{http.StatusBadRequest, "unauthorized_client"})
			}
			if h.Fake.Count(fakevendor.Refresh) != before {
				t.Errorf("%s: the vendor was asked", what)
			}
		}
	}
	id, _ := registered(t, h, metadata())
	for _, client := range []string{id, s.document("/both", nil)} {
		_, tokens := loggedIn(t, h, client)
		wantTokens(t, "registered for it", h.Token(tokenURL, refreshForm(tokens.Text("refresh_token")), harness.None(client)))
	}
}

// A document is for all servers, and names grants of others: that of Visual Studio
// Code has device_code. What is no grant of the broker's is passed over; without
// authorization_code there is nothing that it could do here.
func TestRedTeam_H15_GrantsOfOthers(t *testing.T) {
	s := newSite(t)
	h := harness.Standard(t, s.setup("127.0.0.1"))
	const device = "urn:ietf:params:oauth:grant-type:device_code"
	id := s.document("/vscode", map[string]any{"grant_types": []string{"authorization_code", "refresh_token", device}})
	l, tokens := loggedIn(t, h, id)
	wantTokens(t, "refresh", h.Token(tokenURL, refreshForm(tokens.Text("refresh_token")), harness.None(id)))
	wantJSON(t, "the other grant", h.Token(tokenURL, with(l.Form(), "grant_type", device), harness.None(id)), failure{http.StatusBadRequest, "unsupported_grant_type"})
	for path, grants := range map[string]any{
		"/device": []string{device}, "/implicit": []string{"implicit", "refresh_token"}, "/text": "authorization_code", "/mixed": []any{"authorization_code", 1},
	} {
		bad := s.document(path, map[string]any{"grant_types": grants})
		wantPage(t, path, h.NewLogin(bad).Authorize(), http.StatusBadRequest)
	}
}
