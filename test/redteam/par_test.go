// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

const (
	parURL        = issuer + "/par"
	requestPrefix = "urn:ietf:params:oauth:request_uri:"
)

// push pushes the request of a login, and makes the login use it.
func push(t *testing.T, h *harness.Harness, l *harness.Login) string {
	t.Helper()
	r := h.Token(parURL, l.Params, h.Auth(l.Client))
	uri := r.Text("request_uri")
	if r.Status != http.StatusCreated || !strings.HasPrefix(uri, requestPrefix) || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("PAR: %d %s", r.Status, r.Body)
	}
	if in, _ := r.JSON()["expires_in"].(json.Number); in != "60" || len(r.JSON()) != 2 {
		t.Errorf("PAR: %s", r.Body)
	}
	l.Params = url.Values{"client_id": {l.Client}, "request_uri": {uri}}
	return uri
}

func TestRedTeam_PAR_Login(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for _, client := range []string{harness.PublicClient, harness.WebClient, harness.KeyClient} {
		for _, endpoint := range []string{issuer + "/authorize", harness.PublicURL + "/v1/authorize"} {
			l := h.NewLogin(client)
			l.Authorization = endpoint
			l.Params["resource"] = []string{"https://a.example/", "https://b.example/"}
			uri := push(t, h, l)
			h.Pin(2)
			// What stands in the address besides counts for nothing.
			l.Params.Set("redirect_uri", "https://evil.example/cb")
			l.Params.Set("state", "other")
			l.Params.Set("scope", "admin")
			l.Params.Set("code_challenge", strings.Repeat("A", 43))
			toVendor := l.Authorize()
			wantVendor(t, client, h, toVendor)
			if got := toVendor.Location.Query(); len(got["resource"]) != 2 || got.Get("scope") != "read" {
				t.Errorf("the vendor is asked %v", got)
			}
			r := l.Finish(toVendor)
			if r.Query("state") != l.State || r.Location.Host != "app.example" {
				t.Errorf("the code goes to %v", r.Location)
			}
			form := with(l.Form(), "redirect_uri", harness.RedirectURI)
			wantTokens(t, client, h.Token(tokenURL, form, h.Auth(client)))
			h.Pin(0)
			if strings.Contains(h.Logs(), strings.TrimPrefix(uri, requestPrefix)) {
				t.Error("the log holds a request_uri")
			}
		}
	}
}

// The secret that a client authenticated with does not travel on in the browser.
func TestRedTeam_PAR_SealsNoSecret(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.NewLogin(harness.WebClient)
	r := h.Token(parURL, l.Params, harness.Post(harness.WebClient, harness.WebSecret))
	var pushed map[string]any
	if err := h.Ring().Open(seal.PushedRequest, strings.TrimPrefix(r.Text("request_uri"), requestPrefix), harness.WebClient, &pushed); err != nil {
		t.Fatalf("%d %s: %v", r.Status, r.Body, err)
	}
	for _, v := range pushed {
		if text, _ := v.(string); strings.Contains(text, harness.WebSecret) || strings.Contains(text, "client_secret") || strings.Contains(text, "assertion") {
			t.Errorf("sealed: %v", pushed)
		}
	}
}

func TestRedTeam_PAR_UsedByOthers(t *testing.T) {
	h, _ := twoVendors(t, runtimeconfig.CallbackShared)
	l := h.NewLogin(harness.PublicClient)
	uri := push(t, h, l)
	good := l.Params
	for what, params := range map[string]url.Values{
		"another client": with(good, "client_id", harness.WebClient), "no client": with(good, "client_id"), "unknown client": with(good, "client_id", "tenant-a.nobody"),
		"tampered": with(good, "request_uri", uri[:len(uri)-9]+"AAAAAAAAA"), "cut": with(good, "request_uri", uri[:len(uri)-20]), "empty": with(good, "request_uri", requestPrefix), "twice": with(good, "request_uri", uri, uri),
	} {
		n := h.NewLogin(harness.PublicClient)
		n.Params = params
		wantPage(t, what, n.Authorize(), http.StatusBadRequest)
	}
	l.Authorization = harness.PublicURL + "/v1/vendors/evil/authorize"
	wantPage(t, "another vendor", l.Authorize(), http.StatusBadRequest)
	l.Authorization = issuer + "/authorize"
	h.Clock.Advance(61 * time.Second)
	wantPage(t, "expired", l.Authorize(), http.StatusBadRequest)
	wantUntouched(t, h.Fake)

	foreign := h.NewLogin(harness.PublicClient)
	foreign.Params.Set("request_uri", "https://evil.example/request.jwt")
	wantRedirect(t, "a request_uri of the client's own", back{foreign.Authorize(), foreign}, "request_uri_not_supported")
}

// What authorize would refuse is refused at once, to the client.
func TestRedTeam_PAR_Refused(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Edit: func(d *runtimeconfig.Document) {
		d.Vendors[0].Scopes.Allowed = []string{"read", "write"}
		d.Clients = append(d.Clients, harness.Client("tenant-a.two", harness.VendorName), harness.Client("tenant-a.none"))
		d.Clients[3].RedirectURIs = append(d.Clients[3].RedirectURIs, "https://app.example/second")
	}})
	for what, c := range map[string]struct {
		change url.Values
		code   string
	}{
		"redirect URI": {url.Values{"redirect_uri": {"https://evil.example/cb"}}, "invalid_request"}, "response type": {url.Values{"response_type": {"token"}}, "unsupported_response_type"}, "no challenge": {url.Values{"code_challenge": {""}}, "invalid_request"},
		"plain": {url.Values{"code_challenge_method": {"plain"}}, "invalid_request"}, "scope": {url.Values{"scope": {"admin"}}, "invalid_scope"}, "resource": {url.Values{"resource": {"relative"}}, "invalid_target"},
		"request_uri inside": {url.Values{"request_uri": {requestPrefix + "obp1.x.y"}}, "invalid_request"}, "request inside": {url.Values{"request": {"eyJ"}}, "request_not_supported"}, "another client_id": {url.Values{"client_id": {harness.KeyClient}}, "invalid_request"},
		"another vendor": {url.Values{"vendor": {"evil"}}, "invalid_request"}, "twice": {url.Values{"state": {"a", "b"}}, "invalid_request"}, "credential": {url.Values{"credential": {"tenant-b-app"}}, "unauthorized_client"},
		"prompt=none": {url.Values{"prompt": {"none"}}, "interaction_required"}, "long state": {url.Values{"state": {strings.Repeat("s", 2000)}}, "invalid_request"}, "long": {url.Values{"x": {strings.Repeat("x", 9<<10)}}, "invalid_request"},
	} {
		l := h.NewLogin(harness.WebClient)
		maps.Copy(l.Params, c.change)
		wantJSON(t, what, h.Token(parURL, l.Params, h.Auth(harness.WebClient)), failure{http.StatusBadRequest, c.code})
	}
	for client, code := range map[string]string{"tenant-a.two": "invalid_request", "tenant-a.none": "unauthorized_client"} {
		l := h.NewLogin(client)
		if client == "tenant-a.two" {
			l.Params.Del("redirect_uri")
		}
		wantJSON(t, client, h.Token(parURL, l.Params, harness.None(client)), failure{http.StatusBadRequest, code})
	}
	l := h.NewLogin(harness.WebClient)
	wantJSON(t, "wrong secret", h.Token(parURL, l.Params, harness.Basic(harness.WebClient, "wrong-client-secret-0123456789")), failure{http.StatusUnauthorized, "invalid_client"})
	wantJSON(t, "no secret", h.Token(parURL, l.Params, harness.None(harness.WebClient)), failure{http.StatusUnauthorized, "invalid_client"})
	wantJSON(t, "in the address", h.Token(parURL+"?"+l.Params.Encode(), url.Values{}, h.Auth(harness.WebClient)), failure{http.StatusBadRequest, "invalid_request"})
	wantJSON(t, "no vendor", h.Token(harness.PublicURL+"/v1/par", l.Params, h.Auth(harness.WebClient)), failure{http.StatusBadRequest, "invalid_request"})
	wantJSON(t, "JSON", h.Send(http.MethodPost, parURL, "{}", http.Header{"Content-Type": {"application/json"}}), failure{http.StatusUnsupportedMediaType, "invalid_request"})
	if r := h.Send(http.MethodGet, parURL, "", http.Header{}); r.Status != http.StatusMethodNotAllowed || r.Header.Get("Allow") != http.MethodPost {
		t.Errorf("GET: %d", r.Status)
	}
	wantUntouched(t, h.Fake)
}

// Pushing a request asks nobody: the consent page comes all the same.
func TestRedTeam_PAR_ConsentComesAllTheSame(t *testing.T) {
	h := harness.Standard(t, open())
	id, _ := registered(t, h, metadata())
	l := h.NewLogin(id)
	push(t, h, l)
	page := wantConsent(t, "pushed", l, l.Authorize())
	l.Finish(page.answer(t, "allow"))
	wantTokens(t, "pushed", h.Token(tokenURL, with(l.Form(), "redirect_uri", harness.RedirectURI), harness.None(id)))
}
