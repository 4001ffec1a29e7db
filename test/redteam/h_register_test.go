// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/internal/secret"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

const accessToken = "initial-access-token-0123456789"

// registration is open() with another policy.
func registration(g broker.Registration) harness.Setup {
	s := open()
	s.Registration = g
	return s
}

// wantUnauthorized: 401 with a Bearer challenge.
func wantUnauthorized(t *testing.T, what string, r *harness.Response) {
	t.Helper()
	wantJSON(t, what, r, failure{http.StatusUnauthorized, "invalid_token"})
	if got := r.Header.Get("WWW-Authenticate"); got != `Bearer realm="oauth-broker", error="invalid_token"` {
		t.Errorf("%s: WWW-Authenticate = %q", what, got)
	}
}

func TestRedTeam_H01_InitialAccessToken(t *testing.T) {
	h := harness.Standard(t, registration(broker.Registration{Mode: broker.RegistrationInitialAccessToken, Token: secret.New(accessToken)}))
	for what, authorization := range map[string]string{
		"wrong": "Bearer wrong-access-token-0123456789", "cut": "Bearer " + accessToken[:20], "more": "Bearer " + accessToken + "x", "empty": "Bearer ", "no scheme": accessToken,
		"another scheme": "Basic " + accessToken, "twice": "Bearer Bearer " + accessToken,
	} {
		wantUnauthorized(t, what, sendJSON(t, h, registerURL, metadata(), authorization))
	}
	wantUnauthorized(t, "none", sendJSON(t, h, registerURL, metadata()))
	m := metadata()
	m["access_token"], m["initial_access_token"] = accessToken, accessToken
	wantUnauthorized(t, "in the body", sendJSON(t, h, registerURL, m))
	wantUnauthorized(t, "in the address", sendJSON(t, h, registerURL+"?access_token="+accessToken, metadata()))
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER "} { // RFC 9110 section 11.1
		if r := sendJSON(t, h, registerURL, metadata(), scheme+accessToken); r.Status != http.StatusCreated {
			t.Errorf("%q: %d %s", scheme, r.Status, r.Body)
		}
	}
}

// A policy that lost its token refuses everybody.
func TestRedTeam_H01_FailsClosed(t *testing.T) {
	h := harness.Standard(t, registration(broker.Registration{Mode: broker.RegistrationInitialAccessToken}))
	for _, authorization := range []string{"Bearer ", "Bearer", "Bearer x"} {
		wantUnauthorized(t, authorization, sendJSON(t, h, registerURL, metadata(), authorization))
	}
	for _, mode := range []broker.RegistrationMode{"", broker.RegistrationDisabled, "open"} {
		h := harness.Standard(t, registration(broker.Registration{Mode: mode, Token: secret.New(accessToken)}))
		for _, address := range []string{registerURL, harness.PublicURL + "/register", issuer + "/register"} {
			wantJSON(t, string(mode), sendJSON(t, h, address, metadata(), "Bearer "+accessToken), failure{http.StatusForbidden, "access_denied"})
		}
	}
}

// badSchemes and badHosts are no redirect URIs of a stranger.
func badSchemes() []string {
	uris := []string{
		"javascript:alert(1)", "JaVaScRiPt:alert(1)", "javascript://app.example/%0aalert(1)", "data:text/html;base64,PHNjcmlwdD4=", "data:,x", "blob:https://app.example/x",
		"file:///etc/passwd", "file://localhost/x", "vbscript:msgbox(1)", "mailto:a@app.example", "about:blank", "ftp://app.example/cb", "ws://app.example/cb", "view-source:https://app.example/",
		"", " ", "/cb", "cb", "//app.example/cb", "https:", "https://", "https:///cb", "https:/app.example/cb", "https:app.example/cb", "?x", "http:", "urn:ietf:wg:oauth:2.0:oob", "intent://app.example/#Intent;end",
		// H6: schemes of apps, which any app can claim.
		"myapp://cb", "com.example.app:/cb", "cursor://x/cb", "vscode://x.y/cb",
	}
	for _, r := range []string{" ", "\t", "\n", "\r", "\v", "\f", "\x00", "\x01", "\x1f", "\x7f", "\u0085", "\u00a0", "\u200b", "\ufeff", "\u2028", "\u202e"} {
		uris = append(uris, r+"javascript:alert(1)", "java"+r+"script:alert(1)", r+harness.RedirectURI, harness.RedirectURI+r, "ht"+r+"tps://app.example/cb", "https://app.example/c"+r+"b", "https://app"+r+".example/cb")
	}
	return uris
}

func badHosts() []string {
	return []string{
		// H3: http for anything but a literal loopback host.
		"http://app.example/cb", "http://localhost.evil.example/cb", "http://127.0.0.1.nip.io/cb", "http://[::1%25eth0]/cb", "http://127.1/cb", "http://0x7f000001/cb", "http://0177.0.0.1/cb",
		"http://2130706433/cb", "http://127.0.0.2/cb", "http://0.0.0.0/cb", "http://[::]/cb", "http://[::ffff:127.0.0.1]/cb", "http://LOCALHOST/cb", "http://localhost./cb", "http://localhost:/cb",
		"http://localhost:65536/cb", "http://127.0.0.1:99999/cb", "https://app.example:65536/cb", "http://[::1]:123456/cb",
		"http://192.168.0.1/cb", "http://10.0.0.1/cb", "HTTP://localhost/cb",
		// H4: wildcards, user information, fragments, tricks, length.
		"https://*.app.example/cb", "https://app.example/*", "https://app.example@evil.example/cb", "https://user:pass@app.example/cb", "https://@app.example/cb", "http://localhost@evil.example/",
		"https://app.example/cb#", "https://app.example/cb#x", "https://app.example/a/../cb", "https://app.example/./cb", "https://app.example/%2e%2e/cb", "https://app.example/%252e%252e/cb", "https://app.example/a%2fb",
		`https://app.example\@evil.example/cb`, `https://app.example/a\b`, "https://app.example/a%5cb", "https://APP.example/cb", "https://app.example:/cb", "https://app.example:x/cb", "https://[app.example/cb",
		"https://app.example/<script>", `https://app.example/"`, "https://app.example/'", "https://app.example/{x}", "https://app%2eexample/cb", "https://app.example%00/cb",
		"https://app.example/" + strings.Repeat("x", 512), "https://app.example/" + strings.Repeat("x", 5000),
	}
}

func TestRedTeam_H02_H03_H04_H06_RedirectURIs(t *testing.T) {
	h := harness.Standard(t, open())
	for _, uri := range slices.Concat(badSchemes(), badHosts()) {
		m := metadata()
		m["redirect_uris"] = []string{uri}
		wantJSON(t, fmt.Sprintf("%q", uri), sendJSON(t, h, registerURL, m), failure{http.StatusBadRequest, "invalid_redirect_uri"})
		m["redirect_uris"] = []string{harness.RedirectURI, uri}
		wantJSON(t, fmt.Sprintf("%q, second", uri), sendJSON(t, h, registerURL, m), failure{http.StatusBadRequest, "invalid_redirect_uri"})
	}
	many := make([]string, 1000)
	for i := range many {
		many[i] = fmt.Sprintf("https://app.example/%d", i)
	}
	for what, uris := range map[string]any{"none": []string{}, "null": nil, "1000": many, "11": many[:11]} {
		m := metadata()
		m["redirect_uris"] = uris
		wantJSON(t, what, sendJSON(t, h, registerURL, m), failure{http.StatusBadRequest, "invalid_redirect_uri"})
	}
	m := metadata()
	delete(m, "redirect_uris")
	wantJSON(t, "left out", sendJSON(t, h, registerURL, m), failure{http.StatusBadRequest, "invalid_redirect_uri"})
	for uri, application := range map[string]string{"http://localhost:3000/cb": "web", "http://127.0.0.1/cb": "web", "http://[::1]:1/cb": "web"} {
		m["redirect_uris"], m["application_type"] = []string{uri}, application
		wantJSON(t, "web at "+uri, sendJSON(t, h, registerURL, m), failure{http.StatusBadRequest, "invalid_redirect_uri"})
		m["application_type"] = "native"
		if r := sendJSON(t, h, registerURL, m); r.Status != http.StatusCreated || r.Text("application_type") != "native" {
			t.Errorf("native at %s: %d %s", uri, r.Status, r.Body)
		}
	}
}

func TestRedTeam_H07_Metadata(t *testing.T) {
	h := harness.Standard(t, open())
	key := json.RawMessage(harness.JWKS(h.Key().Public()))
	private := json.RawMessage(harness.JWKS(h.Key()))
	for what, change := range map[string]map[string]any{
		"implicit": {"grant_types": []string{"implicit"}}, "client credentials": {"grant_types": []string{"authorization_code", "client_credentials"}}, "refresh only": {"grant_types": []string{"refresh_token"}},
		"response type token": {"response_types": []string{"token"}}, "hybrid": {"response_types": []string{"code", "code id_token"}}, "client_secret_jwt": {"token_endpoint_auth_method": "client_secret_jwt"},
		"tls_client_auth": {"token_endpoint_auth_method": "tls_client_auth"}, "upper case": {"token_endpoint_auth_method": "NONE"}, "application type": {"application_type": "desktop"},
		"keys without use": {"jwks": key}, "no keys": {"token_endpoint_auth_method": "private_key_jwt"}, "empty keys": {"token_endpoint_auth_method": "private_key_jwt", "jwks": map[string]any{"keys": []any{}}},
		"private keys": {"token_endpoint_auth_method": "private_key_jwt", "jwks": private}, "symmetric key": {"token_endpoint_auth_method": "private_key_jwt", "jwks": json.RawMessage(`{"keys":[{"kty":"oct","k":"AAAA"}]}`)},
		"keys as text": {"token_endpoint_auth_method": "private_key_jwt", "jwks": "x"}, "number as a name": {"client_name": 1}, "text as URIs": {"redirect_uris": harness.RedirectURI}, "object as URIs": {"redirect_uris": map[string]any{"0": harness.RedirectURI}},
		"numbers as URIs": {"redirect_uris": []int{1}}, "text as grants": {"grant_types": "authorization_code"}, "too much": {"redirect_uris": []string{"https://a.example/" + strings.Repeat("x", 400), "https://b.example/" + strings.Repeat("x", 400)}},
	} {
		m := metadata()
		maps.Copy(m, change)
		wantJSON(t, what, sendJSON(t, h, registerURL, m), failure{http.StatusBadRequest, "invalid_client_metadata"})
	}
	m := metadata()
	for _, name := range []string{"jwks", "jwks_uri", "sector_identifier_uri", "software_statement", "client_uri", "logo_uri", "client_name", "application_type", "response_types", "scope", "contacts"} {
		m[name] = nil
	}
	if r := sendJSON(t, h, registerURL, m); r.Status != http.StatusCreated {
		t.Errorf("null is not absent: %d %s", r.Status, r.Body)
	}
	m["software_statement"] = "eyJ.x.y"
	wantJSON(t, "software statement", sendJSON(t, h, registerURL, m), failure{http.StatusBadRequest, "invalid_software_statement"})
}

// No address in a registration is ever fetched.
func TestRedTeam_H08_NothingIsFetched(t *testing.T) {
	h := harness.Standard(t, open())
	fetched := atomic.Int32{}
	inside := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fetched.Add(1) }))
	defer inside.Close()
	for _, uri := range []string{"javascript:alert(1)", "http://169.254.169.254/", "http://app.example/", "https://user@app.example/", "x", "", "https://", "data:image/png;base64,AA", "https://app.example/\u202e"} {
		for _, name := range []string{"client_uri", "logo_uri", "policy_uri", "tos_uri"} {
			m := metadata()
			m[name] = uri
			wantJSON(t, name+" "+uri, sendJSON(t, h, registerURL, m), failure{http.StatusBadRequest, "invalid_client_metadata"})
		}
	}
	for _, name := range []string{"jwks_uri", "sector_identifier_uri"} {
		m := metadata()
		m[name] = inside.URL + "/x"
		wantJSON(t, name, sendJSON(t, h, registerURL, m), failure{http.StatusBadRequest, "invalid_client_metadata"})
	}
	m := metadata()
	m["client_uri"], m["logo_uri"], m["policy_uri"], m["tos_uri"] = inside.URL, inside.URL, inside.URL, inside.URL
	id, _ := registered(t, h, m)
	l := h.NewLogin(id)
	wantConsent(t, "page", l, l.Authorize())
	if n := fetched.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestRedTeam_H14_OddBodies(t *testing.T) {
	h := harness.Standard(t, open())
	good := `{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"none"}`
	for what, c := range map[string]struct {
		kind, body string
		status     int
	}{
		"form":           {"application/x-www-form-urlencoded", "redirect_uris=https://app.example/cb", http.StatusUnsupportedMediaType},
		"text":           {"text/plain", good, http.StatusUnsupportedMediaType},
		"no type":        {"", good, http.StatusUnsupportedMediaType},
		"empty":          {"application/json", "", http.StatusBadRequest},
		"list":           {"application/json", "[" + good + "]", http.StatusBadRequest},
		"null":           {"application/json", "null", http.StatusBadRequest},
		"cut":            {"application/json", good[:40], http.StatusBadRequest},
		"two":            {"application/json", good + good, http.StatusBadRequest},
		"deep":           {"application/json", `{"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, http.StatusBadRequest},
		"repeated":       {"application/json", strings.Replace(good, "{", `{"redirect_uris":["https://evil.example/cb"],`, 1), http.StatusBadRequest},
		"repeated below": {"application/json", strings.Replace(good, "{", `{"x":{"y":1,"y":2},`, 1), http.StatusBadRequest},
		"invalid UTF-8":  {"application/json", strings.Replace(good, "{", "{\"x\":\"\xff\",", 1), http.StatusBadRequest},
		"10 MB":          {"application/json", `{"x":"` + strings.Repeat("A", 10<<20) + `"}`, http.StatusRequestEntityTooLarge},
	} {
		r := h.Send(http.MethodPost, registerURL, c.body, http.Header{"Content-Type": {c.kind}})
		wantJSON(t, what, r, failure{c.status, "invalid_client_metadata"})
	}
	// Members of other spelling are unknown members, and unknown members are ignored.
	body := strings.Replace(good, "{", `{"REDIRECT_URIS":["https://evil.example/cb"],"Client_Name":"Evil","redirect_uri\u017f":["https://evil.example/cb"],"x":{"y":[1]},`, 1)
	body = strings.Replace(body, "}", `,"Token_Endpoint_Auth_Method":"client_secret_basic"}`, 2)
	r := h.Send(http.MethodPost, registerURL, body, http.Header{"Content-Type": {"application/json; charset=utf-8"}})
	if r.Status != http.StatusCreated || strings.Contains(r.Body, "evil") || strings.Contains(r.Body, "Evil") || r.Text("token_endpoint_auth_method") != "none" {
		t.Errorf("other spellings: %d %s", r.Status, r.Body)
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodHead} {
		if r := h.Send(method, registerURL, good, http.Header{"Content-Type": {"application/json"}}); r.Status != http.StatusMethodNotAllowed || r.Header.Get("Allow") != http.MethodPost {
			t.Errorf("%s: %d", method, r.Status)
		}
	}
}

// What the caller chooses for itself, and what it has to be told (RFC 7591
// sections 2 and 3.2.1).
func TestRedTeam_H14_ResponseIsComplete(t *testing.T) {
	h := harness.Standard(t, open())
	issued := json.Number(fmt.Sprint(h.Clock.Now().Unix()))
	for what, c := range map[string]struct{ asked, want map[string]any }{
		"defaults": {
			map[string]any{"redirect_uris": []string{harness.RedirectURI}},
			map[string]any{"token_endpoint_auth_method": "client_secret_basic", "grant_types": []any{"authorization_code"}, "application_type": "web"},
		},
		"all of it": {
			map[string]any{
				"redirect_uris": []string{harness.RedirectURI}, "client_name": "Claude", "token_endpoint_auth_method": "none", "grant_types": []string{"authorization_code", "refresh_token"},
				"response_types": []string{"code"}, "application_type": "native", "client_id": "chosen", "client_secret": "chosen-by-the-caller-0123", "client_id_issued_at": 1, "client_secret_expires_at": 0,
				"registration_access_token": "chosen-by-the-caller-4567", "registration_client_uri": "https://evil.example/", "scope": "read", "software_id": "x",
			},
			map[string]any{"client_name": "Claude", "token_endpoint_auth_method": "none", "grant_types": []any{"authorization_code", "refresh_token"}, "application_type": "native"},
		},
	} {
		r := sendJSON(t, h, registerURL, c.asked)
		got := r.JSON()
		id, secretText := r.Text("client_id"), r.Text("client_secret")
		if r.Status != http.StatusCreated || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", what, r.Status, r.Header)
		}
		if !strings.HasPrefix(id, "obi1.") || len(id) > 1024 || strings.Contains(r.Body, "chosen") || r.Text("registration_client_uri") != registerURL+"/"+id || len(r.Text("registration_access_token")) < 32 {
			t.Errorf("%s: %s", what, r.Body)
		}
		if confidential := c.want["token_endpoint_auth_method"] != "none"; confidential != (len(secretText) >= 43) || confidential != (got["client_secret_expires_at"] != nil) {
			t.Errorf("%s: %s", what, r.Body)
		}
		for _, name := range []string{"client_id", "client_secret", "client_secret_expires_at", "registration_client_uri", "registration_access_token"} {
			delete(got, name)
		}
		c.want["redirect_uris"], c.want["response_types"], c.want["client_id_issued_at"] = []any{harness.RedirectURI}, []any{"code"}, got["client_id_issued_at"]
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
		if at, _ := got["client_id_issued_at"].(json.Number); at < issued {
			t.Errorf("%s: issued at %s, want %s or later", what, at, issued)
		}
	}
}

// One caller cannot register without end, and cannot shake off what it did by
// naming another address. That others are not locked out is TestLimiter's part.
func TestRedTeam_H09_Flood(t *testing.T) {
	h := harness.Standard(t, open())
	h.Pin(1)
	good, refused := 0, 0
	for n := range 200 {
		header := http.Header{"Content-Type": {"application/json"}, "X-Forwarded-For": {fmt.Sprintf("203.0.113.%d", n)}, "Forwarded": {"for=192.0.2.1"}, "X-Real-Ip": {"192.0.2.2"}}
		r := h.Send(http.MethodPost, registerURL, `{"redirect_uris":["https://app.example/cb"]}`, header)
		if r.Status == http.StatusCreated {
			good++
			continue
		}
		refused++
		wantJSON(t, "the flood", r, failure{http.StatusTooManyRequests, "temporarily_unavailable"})
		if after := r.Header.Get("Retry-After"); after == "" || after == "0" {
			t.Errorf("Retry-After = %q", after)
		}
	}
	if good == 0 || good > 50 || refused < 150 {
		t.Errorf("%d registrations, %d refused", good, refused)
	}
	l := h.NewLogin(harness.WebClient)
	wantVendor(t, "logins go on", h, l.Authorize())
	h.Clock.Advance(time.Minute)
	registered(t, h, metadata())
}
