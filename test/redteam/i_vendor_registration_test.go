// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

const (
	vendorToken = "vendor-initial-access-token-0123456789"
	callbackURI = harness.PublicURL + "/v1/callback"
)

// registrable serves a vendor that registers apps with an initial access token.
func registrable(t *testing.T, change func(d *runtimeconfig.Document)) *harness.Harness {
	t.Helper()
	s := open()
	s.Vendor = fakevendor.Options{InitialAccessToken: vendorToken}
	h := harness.Start(t, s.Options)
	s.Vendor.Clients = []fakevendor.Client{{ID: harness.App, Secret: harness.AppSecret, RedirectURIs: harness.Callbacks(harness.VendorName)}}
	h.Fake = h.StartVendor(s.Vendor)
	d := h.Document()
	v := &d.Vendors[0]
	v.SelfRegisteredUse, v.Target.Endpoints.Registration = true, h.Fake.URL(fakevendor.Registration)
	v.Registration = runtimeconfig.Registration{Mode: "InitialAccessToken", Scheme: "Bearer", InitialAccessToken: secret.New(vendorToken)}
	if change != nil {
		change(&d)
	}
	h.Apply(d)
	return h
}

// anonymously lets anybody register at a vendor that needs no token.
func anonymously(d *runtimeconfig.Document) {
	d.Vendors[0].Registration = runtimeconfig.Registration{Mode: "Open", Anonymous: true, Scheme: "Bearer"}
}

func atVendor(more map[string]any) map[string]any {
	m := map[string]any{"vendor": harness.VendorName, "client_name": "My app", "grant_types": []string{"authorization_code", "refresh_token"}, "token_endpoint_auth_method": "client_secret_basic"}
	maps.Copy(m, more)
	return m
}

func web() string { return basicHeader(harness.WebClient, harness.WebSecret) }

// What goes out is chosen by the broker; what comes back is the vendor's.
func TestRedTeam_I04_Register(t *testing.T) {
	h := registrable(t, func(d *runtimeconfig.Document) {
		d.Vendors[0].Registration.Metadata = []runtimeconfig.Parameter{{Name: "software_id", Value: "oauth-broker"}}
	})
	for n, address := range []string{registerURL, harness.PublicURL + "/register"} {
		var sent string
		h.Fake.Set(fakevendor.Registration, fakevendor.Behaviour{Name: "look", Edit: func(a map[string]any) {
			a["odd"] = map[string]any{"b": 1, "a": nil}
			b, _ := json.Marshal(a)
			sent = string(b)
		}})
		r := sendJSON(t, h, address, atVendor(map[string]any{
			"redirect_uris": []string{"https://evil.example/cb"}, "jwks_uri": "https://evil.example/jwks", "client_id": "chosen", "registration_access_token": "x", "post_logout_redirect_uris": []string{"https://evil.example/"},
			"software_id": "chosen", "software_statement": "eyJ", "scope": "read write", "credential": "own", "sector_identifier_uri": "https://evil.example/",
		}), web())
		if r.Status != http.StatusCreated || r.Body != sent || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%d %v\n%s\n%s", r.Status, r.Header, r.Body, sent)
		}
		got := h.Fake.Last(fakevendor.Registration)
		var asked map[string]any
		if err := json.Unmarshal(got.Body, &asked); err != nil {
			t.Fatal(err)
		}
		if uris, _ := json.Marshal(asked["redirect_uris"]); string(uris) != `["`+callbackURI+`"]` || asked["client_name"] != "My app" || asked["scope"] != "read write" || asked["software_id"] != "oauth-broker" || len(asked) != 6 {
			t.Errorf("the vendor was asked for %s", got.Body)
		}
		if strings.Contains(string(got.Body), "evil") || got.Header.Get("Authorization") != "Bearer "+vendorToken || h.Fake.Stats().Registrations != n+1 {
			t.Errorf("the vendor got %v %s", got.Header, got.Body)
		}
	}
	// Nothing is kept: the app that was just registered is nobody's credential.
	wantVendor(t, "a login", h, h.NewLogin(harness.WebClient).Authorize())
}

func TestRedTeam_I05_RedirectURIOfTheVendorsPath(t *testing.T) {
	h := registrable(t, func(d *runtimeconfig.Document) { d.Vendors[0].Callback.Path = runtimeconfig.CallbackVendor })
	r := sendJSON(t, h, registerURL, atVendor(nil), web())
	if uris, _ := r.JSON()["redirect_uris"].([]any); r.Status != http.StatusCreated || len(uris) != 1 || uris[0] != callbackURI+"/acme" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// Who may spend the platform's initial access token: a client of the platform
// that authenticates and is allowed this vendor.
func TestRedTeam_I02_WhoMayRegister(t *testing.T) {
	h := registrable(t, func(d *runtimeconfig.Document) {
		other := harness.WithSecret(harness.Client("tenant-b.web"), harness.WebSecret)
		d.Clients = append(d.Clients, other)
	})
	for what, c := range map[string]struct {
		authorization string
		want          failure
	}{
		"anonymous":           {"", failure{http.StatusUnauthorized, "invalid_client"}},
		"wrong secret":        {basicHeader(harness.WebClient, "wrong-client-secret-0123456789"), failure{http.StatusUnauthorized, "invalid_client"}},
		"unknown client":      {basicHeader("tenant-a.nobody", harness.WebSecret), failure{http.StatusUnauthorized, "invalid_client"}},
		"public client":       {basicHeader(harness.PublicClient, "x"), failure{http.StatusUnauthorized, "invalid_client"}},
		"not allowed here":    {basicHeader("tenant-b.web", harness.WebSecret), failure{http.StatusBadRequest, "unauthorized_client"}},
		"the vendor's token":  {"Bearer " + vendorToken, failure{http.StatusUnauthorized, "invalid_client"}},
		"bearer of a client":  {"Bearer " + harness.WebSecret, failure{http.StatusUnauthorized, "invalid_client"}},
		"malformed basic":     {"Basic x", failure{http.StatusUnauthorized, "invalid_client"}},
		"key client's secret": {basicHeader(harness.KeyClient, harness.WebSecret), failure{http.StatusUnauthorized, "invalid_client"}},
	} {
		r := sendJSON(t, h, registerURL, atVendor(nil), c.authorization)
		wantJSON(t, what, r, c.want)
		if challenge := strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Basic "); challenge != (c.want.status == http.StatusUnauthorized) {
			t.Errorf("%s: WWW-Authenticate = %q", what, r.Header.Get("WWW-Authenticate"))
		}
	}
	m := atVendor(map[string]any{"client_id": harness.WebClient, "client_secret": harness.WebSecret})
	wantJSON(t, "secret in the body", sendJSON(t, h, registerURL, m), failure{http.StatusUnauthorized, "invalid_client"})
	wantUntouched(t, h.Fake)
}

// Anybody can register a client with a secret; that makes nobody known.
func TestRedTeam_I02_StrangersNeverSpendTheToken(t *testing.T) {
	h := registrable(t, nil)
	m := metadata()
	m["token_endpoint_auth_method"] = "client_secret_basic"
	for _, address := range []string{registerURL, issuer + "/register"} {
		r := sendJSON(t, h, address, m)
		stranger := basicHeader(r.Text("client_id"), r.Text("client_secret"))
		wantJSON(t, address, sendJSON(t, h, registerURL, atVendor(nil), stranger), failure{http.StatusBadRequest, "unauthorized_client"})
	}
	wantUntouched(t, h.Fake)

	// A document that says both fails closed.
	h = registrable(t, func(d *runtimeconfig.Document) { d.Vendors[0].Registration.Anonymous = true })
	wantJSON(t, "anonymous with a token", sendJSON(t, h, registerURL, atVendor(nil)), failure{http.StatusUnauthorized, "invalid_client"})
	wantUntouched(t, h.Fake)
}

func TestRedTeam_I02_Anonymous(t *testing.T) {
	s := open()
	s.Registration = broker.Registration{}
	h := harness.Standard(t, s)
	d := h.Document()
	anonymously(&d)
	d.Vendors[0].Target.Endpoints.Registration = h.Fake.URL(fakevendor.Registration)
	h.Apply(d)
	r := sendJSON(t, h, registerURL, atVendor(nil))
	if r.Status != http.StatusCreated || r.Text("client_secret") == "" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	if got := h.Fake.Last(fakevendor.Registration).Header.Get("Authorization"); got != "" {
		t.Errorf("Authorization = %q", got)
	}
	wantJSON(t, "bad credentials are not ignored", sendJSON(t, h, registerURL, atVendor(nil), basicHeader(harness.WebClient, "wrong-client-secret-0123456789")), failure{http.StatusUnauthorized, "invalid_client"})
	for what, vendor := range map[string]any{"unknown": "nobody", "empty": "", "null": nil} {
		wantJSON(t, what, sendJSON(t, h, registerURL, atVendor(map[string]any{"vendor": vendor})), failure{http.StatusUnauthorized, "invalid_client"})
	}
	for what, vendor := range map[string]any{"number": 1, "list": []string{"acme"}, "object": map[string]any{}} {
		wantJSON(t, what, sendJSON(t, h, registerURL, atVendor(map[string]any{"vendor": vendor})), failure{http.StatusBadRequest, "invalid_request"})
	}
	for what, change := range map[string]func(v *runtimeconfig.Vendor){
		"disabled":    func(v *runtimeconfig.Vendor) { v.Registration = runtimeconfig.Registration{Mode: "Disabled"} },
		"no endpoint": func(v *runtimeconfig.Vendor) { v.Target.Endpoints.Registration = "" },
		"no target":   func(v *runtimeconfig.Vendor) { v.Target = nil },
	} {
		d := h.Document()
		d.Vendors[0].Target.Endpoints.Registration = h.Fake.URL(fakevendor.Registration)
		d.Vendors[0].Registration.Mode = "Open"
		change(&d.Vendors[0])
		h.Apply(d)
		wantJSON(t, what, sendJSON(t, h, registerURL, atVendor(nil), web()), failure{http.StatusBadRequest, "invalid_request"})
	}
}

func TestRedTeam_I02_TokenIsMissing(t *testing.T) {
	h := registrable(t, func(d *runtimeconfig.Document) { d.Vendors[0].Registration.InitialAccessToken = secret.Text{} })
	wantJSON(t, "no token", sendJSON(t, h, registerURL, atVendor(nil), web()), failure{http.StatusServiceUnavailable, "temporarily_unavailable"})
	wantUntouched(t, h.Fake)
}

// The token goes to the registration endpoint, and to no other place.
func TestRedTeam_I03_Redirects(t *testing.T) {
	h := registrable(t, nil)
	sink := h.Fake.NewSink(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		h.Fake.Set(fakevendor.Registration, fakevendor.RedirectTo(status, sink.URL+"/register"))
		wantJSON(t, http.StatusText(status), sendJSON(t, h, registerURL, atVendor(nil), web()), failure{http.StatusBadGateway, "server_error"})
	}
	if n := len(sink.Requests()); n != 0 {
		t.Errorf("%d requests at the other host", n)
	}
	for _, r := range h.Fake.Requests() {
		if has := strings.Contains(r.Header.Get("Authorization"), vendorToken); has != (r.Endpoint == fakevendor.Registration) {
			t.Errorf("%s: token %v", r.Path, has)
		}
	}
}

// A JSON object with 200, 201 or 400 is relayed byte for byte, without the
// vendor's headers.
func TestRedTeam_I04_RelayedAnswers(t *testing.T) {
	h := registrable(t, nil)
	for _, c := range []struct {
		status int
		body   string
	}{
		{200, `{ "client_id" : "a", "client_secret":"relayed-secret-0123456789", "x":1.0e2, "u":"\u003c" }`}, {201, "{\"client_id\":\"a\"}\n"},
		{201, `{"client_id":"a","redirect_uris":["` + callbackURI + `"],"scope":["a","b"]}`}, {400, `{"error":"invalid_client_metadata","error_description":"no"}`}, {400, `{"redirect_uris":["https://other.example"]}`},
	} {
		h.Fake.Set(fakevendor.Registration, fakevendor.Behaviour{Name: "answer", Write: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.Header().Set("Set-Cookie", "vendor=1")
			w.Header().Set("X-Vendor", "1")
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		}})
		r := sendJSON(t, h, registerURL, atVendor(nil), web())
		if r.Status != c.status || r.Body != strings.TrimSpace(c.body) || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Set-Cookie") != "" || r.Header.Get("X-Vendor") != "" {
			t.Errorf("%d %v %s", r.Status, r.Header, r.Body)
		}
	}
}

// What a body is shows in the body: an app that was registered cannot be registered
// back, so no answer is thrown away for its header. Ours is right.
func TestRedTeam_I04_TypeOfAnswers(t *testing.T) {
	h := registrable(t, nil)
	const body = `{"client_id":"a","client_name":"<script>alert(1)</script>"}`
	for _, kind := range []string{"text/html", "text/html; charset=UTF-8", "text/plain", "text/json", "application/x-www-form-urlencoded", "nonsense", ""} {
		for _, status := range []int{http.StatusOK, http.StatusCreated, http.StatusBadRequest} {
			h.Fake.Set(fakevendor.Registration, fakevendor.Answer(status, kind, body))
			r := sendJSON(t, h, registerURL, atVendor(nil), web())
			if r.Status != status || r.Body != body || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%q: %d %v %s", kind, r.Status, r.Header, r.Body)
			}
		}
	}
}

func TestRedTeam_I05_UnusableAnswers(t *testing.T) {
	h := registrable(t, nil)
	good := `{"client_id":"a","redirect_uris":["` + callbackURI + `"]`
	bad, away := failure{http.StatusBadGateway, "server_error"}, failure{http.StatusServiceUnavailable, "temporarily_unavailable"}
	for what, c := range map[string]struct {
		behaviour fakevendor.Behaviour
		want      failure
	}{
		"401": {fakevendor.OAuthError(401, "invalid_token"), bad}, "403": {fakevendor.OAuthError(403, "access_denied"), bad}, "404": {fakevendor.JSON(404, "{}"), bad}, "202": {fakevendor.JSON(202, good+"}"), bad},
		"204": {fakevendor.Answer(204, "application/json", ""), bad}, "HTML": {fakevendor.Answer(200, "text/html", "<h1>Welcome</h1>"), bad}, "HTML around JSON": {fakevendor.Answer(201, "text/html", "<pre>"+good+"}</pre>"), bad},
		"HTML as JSON": {fakevendor.JSON(201, "<h1>"), bad}, "empty": {fakevendor.JSON(201, ""), bad}, "list": {fakevendor.JSON(201, "[]"), bad}, "cut": {fakevendor.JSON(201, good), bad}, "repeated": {fakevendor.JSON(201, good+`,"client_id":"b"}`), bad},
		"400 as HTML":            {fakevendor.Answer(400, "text/html", "no"), bad},
		"another redirect URI":   {fakevendor.JSON(201, `{"client_id":"a","redirect_uris":["https://evil.example/cb"]}`), bad},
		"one more redirect URI":  {fakevendor.JSON(201, `{"client_id":"a","redirect_uris":["`+callbackURI+`","https://evil.example/cb"]}`), bad},
		"no redirect URI":        {fakevendor.JSON(201, `{"client_id":"a","redirect_uris":[]}`), bad},
		"redirect URI as text":   {fakevendor.JSON(200, `{"client_id":"a","redirect_uris":"`+callbackURI+`"}`), bad},
		"redirect URI elsewhere": {fakevendor.JSON(200, `{"client_id":"a","redirect_uris":["`+callbackURI+`/"]}`), bad},
		"429":                    {fakevendor.RetryLater(429, "7"), away}, "503": {fakevendor.RetryLater(503, "7"), away}, "500": {fakevendor.JSON(500, `{"error":"x"}`), away}, "reset": {fakevendor.ResetConnection(), away},
		"endless": {fakevendor.Endless(), bad},
	} {
		h.Fake.Set(fakevendor.Registration, c.behaviour)
		r := sendJSON(t, h, registerURL, atVendor(nil), web())
		wantJSON(t, what, r, c.want)
		if later := r.Header.Get("Retry-After") == "7"; later != (what == "429" || what == "503") {
			t.Errorf("%s: Retry-After = %q", what, r.Header.Get("Retry-After"))
		}
		wantNothingOf(t, what, r, "evil")
	}
}
