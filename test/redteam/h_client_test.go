// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// agree walks a login with a consent page up to the code.
func agree(t *testing.T, l *harness.Login) {
	t.Helper()
	page := wantConsent(t, "page", l, l.Authorize())
	if r := l.Finish(page.answer(t, "allow")); l.Code == "" {
		t.Fatalf("no code: %d %s %v", r.Status, r.Body, r.Location)
	}
}

// Secrets are random, long, kept nowhere, and compared as sums: nothing that
// the caller sends is hashed at a cost.
func TestRedTeam_H10_ConfidentialClient(t *testing.T) {
	h := harness.Standard(t, open())
	for _, method := range []string{"client_secret_basic", "client_secret_post"} {
		m := metadata()
		m["token_endpoint_auth_method"] = method
		id, clientSecret := registered(t, h, m)
		_, otherSecret := registered(t, h, m)
		l := h.NewLogin(id)
		agree(t, l)
		for what, auth := range map[string]harness.ClientAuth{
			"no secret": harness.None(id), "another client's secret": harness.Basic(id, otherSecret), "cut": harness.Post(id, clientSecret[:42]), "the id as secret": harness.Post(id, id),
			"1 KB": harness.Basic(id, strings.Repeat("A", 1024)), "40 KB": harness.Post(id, strings.Repeat("A", 40<<10)),
		} {
			wantJSON(t, what, h.Token(tokenURL, l.Form(), auth), failure{http.StatusUnauthorized, "invalid_client"})
		}
		wantCalls(t, "wrong secrets", h.Fake, h.Fake.Count(fakevendor.Token))
		auth := harness.Basic(id, clientSecret)
		if method == "client_secret_post" {
			auth = harness.Post(id, clientSecret)
		}
		h.Pin(2) // another replica derives the same secret
		wantTokens(t, method, h.Token(tokenURL, l.Form(), auth))
		h.Pin(0)
	}
}

func TestRedTeam_H10_KeyClient(t *testing.T) {
	h := harness.Standard(t, open())
	m := metadata()
	m["token_endpoint_auth_method"], m["jwks"] = "private_key_jwt", json.RawMessage(harness.JWKS(h.Key().Public()))
	id, clientSecret := registered(t, h, m)
	if clientSecret != "" {
		t.Error("a client with keys got a secret")
	}
	l := h.NewLogin(id)
	agree(t, l)
	wantJSON(t, "no assertion", h.Token(tokenURL, l.Form(), harness.None(id)), failure{http.StatusUnauthorized, "invalid_client"})
	wantJSON(t, "another client's assertion", h.Token(tokenURL, l.Form(), harness.Assertion(h.Sign(h.Claims(issuer)))), failure{http.StatusBadRequest, "invalid_grant"})
	claims := h.Claims(issuer)
	claims["iss"], claims["sub"] = id, id
	wantTokens(t, "assertion", h.Token(tokenURL, l.Form(), harness.Assertion(h.Sign(claims))))
}

// A client id ends after a year; there is no store in which it could live on.
func TestRedTeam_H11_H12_UnusableClientIDs(t *testing.T) {
	h := harness.Standard(t, open())
	id, _ := registered(t, h, metadata())
	foreignRing := keyring.New(h.Clock.Now())
	foreign, err := seal.NewRing(foreignRing, h.Clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	document := map[string]any{"r": []string{harness.RedirectURI}, "m": "none", "i": h.Clock.Now().Unix()}
	another, err := foreign.Seal(seal.ClientID, h.Clock.Now().Add(time.Hour), "", document)
	if err != nil {
		t.Fatal(err)
	}
	expired, err := h.Ring().Seal(seal.ClientID, h.Clock.Now().Add(-time.Second), "", document)
	if err != nil {
		t.Fatal(err)
	}
	purpose, err := h.Ring().Seal(seal.RefreshToken, h.Clock.Now().Add(time.Hour), "", document)
	if err != nil {
		t.Fatal(err)
	}
	flipped := []byte(id)
	flipped[len(flipped)-9] ^= 1
	for what, bad := range map[string]string{
		"another ring": another, "expired": expired, "tampered": string(flipped), "cut": id[:len(id)-4], "longer": id + "AAAA", "prefix only": "obi1.", "another purpose": strings.Replace(purpose, "obr1.", "obi1.", 1),
		"too long": id + strings.Repeat("A", 2000), "upper case": strings.ToUpper(id),
	} {
		l := h.NewLogin(bad)
		wantPage(t, what, l.Authorize(), http.StatusBadRequest)
		l.Code = "obc1.x.y"
		wantJSON(t, what, h.Token(tokenURL, l.Form(), harness.None(bad)), failure{http.StatusUnauthorized, "invalid_client"})
		r := h.Token(tokenURL, l.Form(), harness.Basic(bad, "a-secret-that-is-nobodys-0123"))
		wantJSON(t, what, r, failure{http.StatusUnauthorized, "invalid_client"})
		if !strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s: no challenge", what)
		}
		wantJSON(t, what, h.Send(http.MethodPost, issuer+"/par", with(l.Params, "client_id", bad).Encode(), formHeader()), failure{http.StatusUnauthorized, "invalid_client"})
	}
	wantUntouched(t, h.Fake)
	l := h.NewLogin(id)
	wantConsent(t, "the good one", l, l.Authorize())
	h.Clock.Advance(365*24*time.Hour + time.Minute)
	wantPage(t, "after a year", l.Authorize(), http.StatusBadRequest)
}

func formHeader() http.Header {
	return http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
}

// Where registration is switched off, ids that were given out before end.
func TestRedTeam_H12_RegistrationSwitchedOff(t *testing.T) {
	h := harness.Standard(t, registration(broker.Registration{}))
	id, err := h.Ring().Seal(seal.ClientID, h.Clock.Now().Add(time.Hour), "", map[string]any{"r": []string{harness.RedirectURI}, "m": "none", "i": h.Clock.Now().Unix()})
	if err != nil {
		t.Fatal(err)
	}
	l := h.NewLogin(id)
	wantPage(t, "authorize", l.Authorize(), http.StatusBadRequest)
	wantJSON(t, "token", h.Token(tokenURL, with(l.Form(), "code", "obc1.x.y"), harness.None(id)), failure{http.StatusUnauthorized, "invalid_client"})
	wantUnauthorized(t, "GET", h.Send(http.MethodGet, registerURL+"/"+id, "", http.Header{"Authorization": {"Bearer x"}}))
}

// RFC 7592: reading works, with this client's token; a stateless id can neither
// change nor end before its time.
func TestRedTeam_H13_ReadUpdateDelete(t *testing.T) {
	h := harness.Standard(t, open())
	m := metadata()
	m["token_endpoint_auth_method"] = "client_secret_basic"
	first, second := sendJSON(t, h, registerURL, m), sendJSON(t, h, registerURL, m)
	address := first.Text("registration_client_uri")
	get := func(address, authorization string) *harness.Response {
		header := http.Header{}
		if authorization != "" {
			header.Set("Authorization", authorization)
		}
		return h.Send(http.MethodGet, address, "", header)
	}
	for _, n := range []int{1, 2} {
		h.Pin(n)
		if r := get(address, "Bearer "+first.Text("registration_access_token")); r.Status != http.StatusOK || r.Body != first.Body || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("read: %d\n%s\n%s", r.Status, r.Body, first.Body)
		}
	}
	h.Pin(0)
	for what, authorization := range map[string]string{
		"none": "", "another client's": "Bearer " + second.Text("registration_access_token"), "the secret": "Bearer " + first.Text("client_secret"), "empty": "Bearer ",
		"client authentication": basicHeader(first.Text("client_id"), first.Text("client_secret")), "cut": "Bearer " + first.Text("registration_access_token")[:30],
	} {
		wantUnauthorized(t, what, get(address, authorization))
	}
	for what, address := range map[string]string{"no such client": registerURL + "/obi1.x.y", "a registered client": registerURL + "/" + harness.WebClient, "a path": registerURL + "/%2e%2e%2fx"} {
		wantUnauthorized(t, what, get(address, "Bearer "+first.Text("registration_access_token")))
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodPost, http.MethodHead} {
		r := h.Send(method, address, first.Body, http.Header{"Authorization": {"Bearer " + first.Text("registration_access_token")}, "Content-Type": {"application/json"}})
		if r.Status != http.StatusMethodNotAllowed || r.Header.Get("Allow") != http.MethodGet {
			t.Errorf("%s: %d, Allow %q", method, r.Status, r.Header.Get("Allow"))
		}
		if method != http.MethodHead {
			wantJSON(t, method, r, failure{http.StatusMethodNotAllowed, "invalid_request"})
		}
	}
}

func basicHeader(id, password string) string {
	header := http.Header{}
	harness.Basic(id, password)(nil, header)
	return header.Get("Authorization")
}

// A stranger's client reaches the shared app of vendors that take such clients,
// and nothing else.
func TestRedTeam_H05_StrangersReachNoTenant(t *testing.T) {
	s := open()
	s.Edit = func(d *runtimeconfig.Document) {
		d.Vendors[0].SelfRegisteredUse = true
		d.Credentials = append(d.Credentials, harness.BYOC(harness.Namespace, harness.VendorName, "own-app", "own-app-secret-0123456789"))
		closed := d.Vendors[0]
		closed.Name, closed.UID, closed.SelfRegisteredUse = "closed", "uid-closed", false
		d.Vendors = append(d.Vendors, closed)
		d.Credentials = append(d.Credentials, harness.Shared("closed", "closed-app", "closed-app-secret-0123456789"))
	}
	h := harness.Standard(t, s)
	id, _ := registered(t, h, metadata())
	l := h.NewLogin(id)
	for _, name := range []string{"own-app", "", "tenant-a/own-app", "tenant-a.own-app"} {
		if name == "" {
			continue
		}
		l.Params.Set("credential", name)
		wantOffer(t, "credential="+name, back{l.Authorize(), l}, "unauthorized_client")
	}
	l.Params.Del("credential")
	toVendor := wantConsent(t, "shared", l, l.Authorize()).answer(t, "allow")
	if got := toVendor.Query("client_id"); got != harness.App {
		t.Errorf("the app in use is %s", got)
	}
	l.Finish(toVendor)
	refresh := l.Redeem().Text("refresh_token")

	for _, vendor := range []string{"closed", "nobody"} {
		l := h.NewLogin(id)
		l.Authorization = harness.PublicURL + "/v1/authorize"
		l.Params.Set("vendor", vendor)
		wantOffer(t, vendor, back{l.Authorize(), l}, "unauthorized_client")
		wantJSON(t, vendor, sendJSON(t, h, harness.PublicURL+"/v1/vendors/"+vendor+"/register", metadata()), failure{http.StatusNotFound, "invalid_request"})
	}
	d := h.Document() // without SelfRegisteredUse
	h.Apply(d)
	before := h.Fake.Count(fakevendor.Refresh)
	wantJSON(t, "withdrawn", l.Refresh(refresh), failure{http.StatusBadRequest, "invalid_grant"})
	wantCalls(t, "withdrawn", h.Fake, h.Fake.Count(fakevendor.Token)+before)
	if strings.Contains(h.Logs(), id) || strings.Contains(h.Logs(), "Claude") || !strings.Contains(h.Logs(), `"client":"self-registered:`) {
		t.Error("the log repeats what a stranger chose, or does not tell strangers apart")
	}
}

// A client that registered at one vendor's issuer is a client of that issuer.
func TestRedTeam_H12_ClientOfAnotherIssuer(t *testing.T) {
	s := open()
	s.Edit = func(d *runtimeconfig.Document) {
		d.Vendors[0].SelfRegisteredUse = true
		second := d.Vendors[0]
		second.Name, second.UID = "second", "uid-second"
		d.Vendors = append(d.Vendors, second)
		d.Credentials = append(d.Credentials, harness.Shared("second", "second-app", "second-app-secret-0123456789"))
	}
	h := harness.Standard(t, s)
	bound := sendJSON(t, h, issuer+"/register", metadata()).Text("client_id")
	generic, _ := registered(t, h, metadata())
	for client, want := range map[string]bool{bound: false, generic: true} {
		l := h.NewLogin(client)
		wantConsent(t, "acme", l, l.Authorize())
		l.Authorization = harness.PublicURL + "/v1/vendors/second/authorize"
		r := l.Authorize()
		if asked := r.Status == http.StatusOK; asked != want {
			t.Errorf("generic %v: %d to %v", want, r.Status, r.Location)
		}
		if !want {
			wantOffer(t, "client of another issuer", back{r, l}, "unauthorized_client")
		}
	}
}

// Nothing would end a stolen refresh token of a public client that is its
// vendor's for ever: a stranger gets none.
func TestRedTeam_H11_NoRefreshTokenWhereNothingRotates(t *testing.T) {
	s := open()
	s.Vendor.Refresh = fakevendor.RefreshStatic
	s.Edit = func(d *runtimeconfig.Document) {
		d.Vendors[0].SelfRegisteredUse, d.Vendors[0].Refresh.Static = true, true
	}
	h := harness.Standard(t, s)
	m := metadata()
	for _, method := range []string{"none", "client_secret_post"} {
		m["token_endpoint_auth_method"] = method
		id, clientSecret := registered(t, h, m)
		l := h.NewLogin(id)
		agree(t, l)
		auth := harness.None(id)
		if clientSecret != "" {
			auth = harness.Post(id, clientSecret)
		}
		r := h.Token(tokenURL, l.Form(), auth)
		wantTokens(t, method, r)
		if has := r.JSON()["refresh_token"] != nil; has != (method != "none") {
			t.Errorf("%s: refresh token %v", method, has)
		}
	}
	// For its public clients the platform vouches.
	if _, _, refresh := tokensOf(t, h, harness.PublicClient); refresh == "" {
		t.Error("a client of the platform got none")
	}
}
