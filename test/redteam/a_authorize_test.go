// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

func TestRedTeam_A01_UnknownClient(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for _, id := range []string{"", "nobody", "tenant-b.web", "tenant-a.web ", "TENANT-A.WEB", "tenant-a/web", "https://evil.example/client.json"} {
		l := h.NewLogin(id)
		l.Params.Set("redirect_uri", "https://evil.example/cb")
		wantPage(t, id, l.Authorize(), http.StatusBadRequest)
	}
	wantUntouched(t, h.Fake)
}

// badRedirectURIs are not https://app.example/cb, however near.
func badRedirectURIs() []string {
	return []string{
		// A2: other spellings.
		"https://evil.example/cb", "https://app.example.evil.example/cb", "https://app.example/cb/", "https://app.example/cb/x", "https://app.example/cb?x=y",
		"https://app.example/cb?", "https://app.example/CB", "https://APP.example/cb", "https://app.example:443/cb", "https://app.example:8443/cb", "http://app.example/cb",
		"HTTPS://app.example/cb", "https://app.example/c%62", "https://app.example", "https://app.example./cb", "//app.example/cb", "/cb", "app.example/cb",
		"https://xn--pp-yka.example/cb", "https://app.example/cb%00", "https://app.example/cb%20", " https://app.example/cb", "https://app.example/cb ",
		"javascript:alert(1)", "data:text/html,x", "urn:ietf:wg:oauth:2.0:oob",
		// A4: user information.
		"https://app.example@evil.example/cb", "https://app.example:x@evil.example/cb", "https://user:pass@app.example/cb", "http://localhost@evil.example/", "http://user:pass@localhost/",
		"http://127.0.0.1:80@evil.example/cb", "https://evil.example#@app.example/cb",
		// A5: path tricks.
		"https://app.example/cb/../../evil", "https://app.example/cb/%2e%2e/evil", "https://app.example/cb/%252e%252e/evil", `https://app.example\@evil.example/cb`, `https://app.example/cb\..\evil`,
		"https://app.example//evil.example", "https://app.example/./cb", "https://app.example//cb", "https:/app.example/cb", "https:app.example/cb",
		// A6: fragment.
		"https://app.example/cb#", "https://app.example/cb#x", "https://app.example/cb%23x",
	}
}

func TestRedTeam_A02_A04_A05_A06_UnregisteredRedirectURI(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for _, uri := range badRedirectURIs() {
		l := h.NewLogin(harness.PublicClient)
		l.Params.Set("redirect_uri", uri)
		wantPage(t, uri, l.Authorize(), http.StatusBadRequest)
	}
	wantUntouched(t, h.Fake)
}

func TestRedTeam_A02_OnlyLoopbackPortsVary(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Edit: func(d *runtimeconfig.Document) {
		d.Clients[0].RedirectURIs = []string{"http://127.0.0.1/cb", "http://[::1]:7/cb", "https://127.0.0.1/secure"}
	}})
	for uri, good := range map[string]bool{
		"http://127.0.0.1/cb": true, "http://127.0.0.1:51000/cb": true, "http://[::1]:51000/cb": true, "http://[::1]/cb": true,
		"http://127.0.0.1:51000/other": false, "http://127.0.0.1:51000/cb?x=y": false, "http://127.0.0.2:51000/cb": false, "http://localhost:51000/cb": false,
		"https://127.0.0.1:51000/cb": false, "https://127.0.0.1:51000/secure": false, "http://127.0.0.1:99999999/cb": false, "http://127.0.0.1:65536/cb": false, "http://127.0.0.1:65535/cb": true, "http://127.0.0.1:/cb": false,
		"http://127.0.0.1:51000@evil.example/cb": false, "http://127.0.0.1.nip.io:51000/cb": false, "http://127.1:51000/cb": false, "http://[::1%25eth0]:51000/cb": false,
		"http://0x7f000001/cb": false, "http://127.0.0.1:51000/cb#x": false, "http://127.0.0.1:5 1/cb": false, "http://127.0.0.1:+80/cb": false,
	} {
		l := h.NewLogin(harness.PublicClient)
		l.Params.Set("redirect_uri", uri)
		r := l.Authorize()
		if !good {
			wantPage(t, uri, r, http.StatusBadRequest)
		} else if r.Query("error") != "" || r.Location == nil || !strings.HasPrefix(r.Location.String(), h.Fake.Issuer()) {
			t.Errorf("%s: got %d to %v, want the vendor", uri, r.Status, r.Location)
		}
	}
}

func TestRedTeam_A03_RedirectURIOmitted(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Edit: func(d *runtimeconfig.Document) {
		d.Clients[0].RedirectURIs = []string{harness.RedirectURI, "https://app.example/other"}
	}})
	for _, values := range [][]string{nil, {""}} {
		l := h.NewLogin(harness.PublicClient)
		l.Params["redirect_uri"] = values
		wantPage(t, "two registered", l.Authorize(), http.StatusBadRequest)
	}
	wantUntouched(t, h.Fake)
}

func TestRedTeam_A07_DuplicateParameters(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for _, name := range []string{"redirect_uri", "state", "client_id", "scope", "code_challenge", "unknown"} {
		for _, second := range []string{"", "https://evil.example/cb"} {
			l := h.NewLogin(harness.PublicClient)
			l.Params[name] = append(l.Params[name], second, second)
			wantPage(t, name, l.Authorize(), http.StatusBadRequest)
		}
	}
	l := h.NewLogin(harness.PublicClient)
	r := h.Send(http.MethodGet, l.Authorization+"?"+l.Params.Encode(), "redirect_uri=https://evil.example/cb", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	if r.Location == nil || !strings.HasPrefix(r.Location.String(), h.Fake.Issuer()) || strings.Contains(r.Location.String(), "evil") {
		t.Errorf("a body on a GET counts: %v", r.Location)
	}
	wantUntouched(t, h.Fake)
}

// refusal is one authorization request and the error that the client gets.
type refusal struct{ name, value, want string }

func refuseEach(t *testing.T, h *harness.Harness, cases []refusal) {
	t.Helper()
	for _, c := range cases {
		l := h.NewLogin(harness.PublicClient)
		l.Params = with(l.Params, c.name, c.value)
		if c.value == "-" {
			l.Params = with(l.Params, c.name)
		}
		wantRedirect(t, c.name+"="+c.value, back{l.Authorize(), l}, c.want)
	}
	wantUntouched(t, h.Fake)
}

func TestRedTeam_A08_ResponseType(t *testing.T) {
	var cases []refusal
	for _, v := range []string{"-", "", "token", "id_token", "code id_token", "code token", "none", "CODE", "code "} {
		cases = append(cases, refusal{"response_type", v, "unsupported_response_type"})
	}
	for _, v := range []string{"fragment", "form_post", "web_message", "jwt"} {
		cases = append(cases, refusal{"response_mode", v, "invalid_request"})
	}
	refuseEach(t, harness.Standard(t, harness.Setup{}), cases)
}

func TestRedTeam_A09_NoChallenge(t *testing.T) {
	refuseEach(t, harness.Standard(t, harness.Setup{}), []refusal{{"code_challenge", "-", "invalid_request"}, {"code_challenge", "", "invalid_request"}})
}

func TestRedTeam_A10_ChallengeMethod(t *testing.T) {
	var cases []refusal
	for _, v := range []string{"-", "", "plain", "s256", "S512", "S256 ", "none"} {
		cases = append(cases, refusal{"code_challenge_method", v, "invalid_request"})
	}
	refuseEach(t, harness.Standard(t, harness.Setup{}), cases)
}

func TestRedTeam_A11_ChallengeForm(t *testing.T) {
	good := oauth2.S256ChallengeFromVerifier(oauth2.GenerateVerifier())
	var cases []refusal
	for _, v := range []string{good[:42], good + "A", good + "=", good[:42] + "+", good[:42] + "/", good[:42] + "é", strings.Repeat("A", 128), "x"} {
		cases = append(cases, refusal{"code_challenge", v, "invalid_request"})
	}
	refuseEach(t, harness.Standard(t, harness.Setup{}), cases)
}

func TestRedTeam_A12_State(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for _, state := range []string{"", "x", "a b&c=d#é%00/\"'<script>", strings.Repeat("s", 1024)} {
		l := h.NewLogin(harness.PublicClient)
		l.Params.Set("state", state)
		r := l.Finish(l.Authorize())
		if q := r.Location.Query(); q.Get("state") != state || q.Has("state") != (state != "") || l.Code == "" {
			t.Errorf("state %.20q came back as %q", state, q.Get("state"))
		}
	}
	l := h.NewLogin(harness.PublicClient)
	l.Params.Set("state", strings.Repeat("s", 1025))
	wantRedirect(t, "1025 bytes", back{l.Authorize(), l}, "invalid_request")
	l.Params.Set("state", strings.Repeat("s", 100<<10))
	wantPage(t, "100 KB", l.Authorize(), http.StatusRequestURITooLong)
}

func TestRedTeam_A13_UnknownVendor(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.NewLogin(harness.PublicClient)
	l.Authorization = harness.PublicURL + "/v1/vendors/nobody/authorize"
	r := l.Authorize()
	wantPage(t, "in the path", r, http.StatusNotFound)
	for _, vendor := range []string{"nobody", "ACME", "../acme", ""} {
		l := h.NewLogin(harness.PublicClient)
		l.Authorization = harness.PublicURL + "/v1/authorize"
		l.Params.Set("vendor", vendor)
		r := l.Authorize()
		want := "unauthorized_client"
		if vendor == "" {
			want = "invalid_request"
		}
		if r.Query("error") != want || r.Query("state") != l.State || r.Query("iss") != harness.PublicURL || !strings.HasPrefix(r.Location.String(), harness.RedirectURI+"?") {
			t.Errorf("vendor=%s: got %d %v", vendor, r.Status, r.Location)
		}
		if strings.Contains(r.Query("error_description"), harness.VendorName) {
			t.Error("the answer lists vendors")
		}
	}
	if strings.Contains(r.Body, harness.VendorName) {
		t.Error("the page lists vendors")
	}
	wantUntouched(t, h.Fake)
}

func TestRedTeam_A14_VendorNotAllowed(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Edit: func(d *runtimeconfig.Document) {
		d.Clients[0].Vendors = nil                                                           // not the client's
		d.Clients = append(d.Clients, harness.Client("tenant-b.public", harness.VendorName)) // no credential
		d.Clients = append(d.Clients, harness.Client("tenant-c.public", harness.VendorName)) // another's credential by name
		d.Credentials = append(d.Credentials, harness.BYOC("tenant-b2", harness.VendorName, "theirs", "their-secret-0123456789"))
	}})
	for client, credential := range map[string]string{harness.PublicClient: "", "tenant-b.public": "", "tenant-c.public": "theirs"} {
		l := h.NewLogin(client)
		if credential != "" {
			l.Params.Set("credential", credential)
		}
		wantRedirect(t, client, back{l.Authorize(), l}, "unauthorized_client")
	}
	l := h.NewLogin("tenant-c.public")
	l.Params.Set("credential", "no-such-credential")
	missing := l.Authorize()
	l.Params.Set("credential", "theirs")
	if foreign := l.Authorize(); foreign.Query("error_description") != missing.Query("error_description") {
		t.Error("not yours looks different from not found")
	}
	if !strings.Contains(h.Logs(), `"outcome":"unauthorized_client","client":"`+harness.PublicClient+`"`) {
		t.Error("the refusal is not in the log")
	}
	wantUntouched(t, h.Fake)
}

func TestRedTeam_A15_Scope(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Edit: func(d *runtimeconfig.Document) {
		d.Vendors[0].Scopes.Allowed = []string{"read", "write", "admin"}
		d.Clients[0].Vendors[0].Scopes = []string{"read", "write"}
	}})
	var cases []refusal
	for _, scope := range []string{"delete", "read delete", "admin", "read admin", "*", "READ", "read,write", "rea", "readwrite", "read.*", `read"`, `read\`, "réad", "read\u00a0write"} {
		cases = append(cases, refusal{"scope", scope, "invalid_scope"})
	}
	refuseEach(t, h, cases)
	for _, scope := range []string{"read\nadmin", "read\radmin", "read\tadmin", "read\x00"} {
		l := h.NewLogin(harness.PublicClient)
		l.Params.Set("scope", scope)
		wantPage(t, "control character", l.Authorize(), http.StatusBadRequest)
	}
	for scope, want := range map[string]string{"": "read", " write  read write ": "write read"} {
		l := h.NewLogin(harness.PublicClient)
		l.Params.Set("scope", scope)
		if got := l.Authorize().Query("scope"); got != want {
			t.Errorf("scope %q: asked the vendor for %q, want %q", scope, got, want)
		}
	}
}

func TestRedTeam_A16_Resource(t *testing.T) {
	fixed := "https://api.acme.example/"
	h := harness.Standard(t, edit(func(v *runtimeconfig.Vendor) {
		v.Resource.Mode, v.Target.Resource = runtimeconfig.ResourceFixed, fixed
	}))
	refuseEach(t, h, []refusal{
		{"resource", "https://api.acme.example", "invalid_target"}, {"resource", "https://evil.example/", "invalid_target"},
		{"resource", fixed + "#x", "invalid_target"}, {"resource", "relative", "invalid_target"}, {"resource", "https://API.acme.example/", "invalid_target"},
	})
	l := h.NewLogin(harness.PublicClient)
	l.Params["resource"] = []string{fixed, "https://evil.example/"}
	wantRedirect(t, "two", back{l.Authorize(), l}, "invalid_target")
	l.Params["resource"] = []string{fixed}
	if got := l.Authorize().Query("resource"); got != fixed {
		t.Errorf("the vendor was asked for %q", got)
	}
	h = harness.Standard(t, edit(func(v *runtimeconfig.Vendor) { v.Resource.Allowed = []string{fixed} }))
	refuseEach(t, h, []refusal{{"resource", "https://evil.example/", "invalid_target"}})
}

func TestRedTeam_A17_ParametersThatOverride(t *testing.T) {
	h := harness.Standard(t, edit(func(v *runtimeconfig.Vendor) { v.Authorize.PassParameters = []string{"login_hint"} }))
	l := h.NewLogin(harness.PublicClient)
	l.Params.Set("scope", "openid read")
	for _, name := range []string{"audience", "max_age", "id_token_hint", "access_type", "owner", "acme_client_id", "claims", "registration", "display"} {
		l.Params.Set(name, "injected")
	}
	l.Params.Set("response_mode", "query")
	l.Params.Set("login_hint", "user-7")
	q := l.Authorize().Location.Query()
	for name, want := range map[string]string{
		"client_id": harness.App, "redirect_uri": harness.PublicURL + "/v1/callback", "response_type": "code", "code_challenge_method": "S256", "scope": "openid read", "login_hint": "user-7",
	} {
		if len(q[name]) != 1 || q.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, q[name], want)
		}
	}
	for name, values := range q {
		if strings.Contains(strings.Join(values, " "), "injected") {
			t.Errorf("%s was passed on", name)
		}
	}
	if q.Get("state") == l.State || q.Get("code_challenge") == l.Params.Get("code_challenge") || q.Get("nonce") == "" || q.Has("response_mode") {
		t.Errorf("the client's state, challenge or response_mode reached the vendor: %v", q)
	}
}

func TestRedTeam_A17_EvenWherePassed(t *testing.T) {
	core := []string{"state", "client_id", "redirect_uri", "code_challenge", "code_challenge_method", "response_type", "scope"}
	h := harness.Standard(t, edit(func(v *runtimeconfig.Vendor) { v.Authorize.PassParameters = core }))
	l := h.NewLogin(harness.PublicClient)
	q := l.Authorize().Location.Query()
	if q.Get("state") == l.State || q.Get("client_id") != harness.App || q.Get("redirect_uri") != harness.PublicURL+"/v1/callback" || q.Get("code_challenge") == l.Params.Get("code_challenge") {
		t.Errorf("core parameters were overridden: %v", q)
	}
}

func TestRedTeam_A18_RequestObjects(t *testing.T) {
	hits := make(chan string, 10)
	inside := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { hits <- r.URL.Path }))
	defer inside.Close()
	refuseEach(t, harness.Standard(t, harness.Setup{}), []refusal{
		{"request", "eyJhbGciOiJub25lIn0.e30.", "request_not_supported"}, {"request_uri", inside.URL + "/jar", "request_uri_not_supported"},
	})
	// One of the broker's own form that was never pushed: nothing in it can be trusted.
	h := harness.Standard(t, harness.Setup{})
	l := h.NewLogin(harness.PublicClient)
	l.Params.Set("request_uri", "urn:ietf:params:oauth:request_uri:x")
	if r := l.Authorize(); r.Status != http.StatusBadRequest || r.Location != nil {
		t.Errorf("a made-up request_uri: %d, to %v", r.Status, r.Location)
	}
	if len(hits) != 0 {
		t.Error("request_uri was fetched")
	}
}

func TestRedTeam_A19_PromptNone(t *testing.T) {
	refuseEach(t, harness.Standard(t, harness.Setup{}), []refusal{{"prompt", "none", "interaction_required"}})
}

func TestRedTeam_A20_OddRequests(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for _, path := range []string{"/v1/authorize", "/v1/vendors/acme/authorize"} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodOptions, "BREW"} {
			l := h.NewLogin(harness.PublicClient)
			r := h.Send(method, harness.PublicURL+path+"?vendor=acme&"+l.Params.Encode(), "", http.Header{})
			if r.Status != http.StatusMethodNotAllowed || r.Location != nil || r.Header.Get("Allow") != http.MethodGet || r.Header.Get("Set-Cookie") != "" {
				t.Errorf("%s %s: got %d to %v, Allow %q", method, path, r.Status, r.Location, r.Header.Get("Allow"))
			}
		}
	}
	l := h.NewLogin(harness.PublicClient)
	good := l.Authorization + "?" + l.Params.Encode()
	for what, c := range map[string]struct {
		query  string
		status int
	}{
		"huge":          {"&x=" + strings.Repeat("A", 64<<10), http.StatusRequestURITooLong},
		"NUL":           {"&x=%00", http.StatusBadRequest},
		"invalid UTF-8": {"&x=%ff%fe", http.StatusBadRequest},
		"bad escape":    {"&x=%zz", http.StatusBadRequest},
		"semicolon":     {";x=y", http.StatusBadRequest},
		"NUL in a name": {"&%00=y", http.StatusBadRequest},
	} {
		wantPage(t, what, l.Browser.Get(good+c.query), c.status)
	}
	wantUntouched(t, h.Fake)
	if strings.Contains(h.Logs(), `"outcome":"panic"`) {
		t.Error("a handler panicked")
	}
}

func TestRedTeam_A20_RawPathsNeverLeave(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for _, path := range []string{"//evil.example/%2e%2e", "/%5cevil.example", "///evil.example", "/v1//authorize", "/v1/vendors/../../evil", `/\evil.example`, "/.//evil.example", "/v1/callback/"} {
		r := h.Send(http.MethodGet, harness.PublicURL+path, "", http.Header{})
		if r.Location != nil && (r.Location.Host != harness.Host || r.Location.Scheme != "https") {
			t.Errorf("%s: sent to %s", path, r.Location)
		}
	}
	scanner := bufio.NewScanner(strings.NewReader(h.Logs()))
	for scanner.Scan() {
		if strings.Contains(scanner.Text(), "evil") {
			t.Errorf("the path was logged: %s", scanner.Text())
		}
	}
}

// Another way to write an address is another address: nothing is redirected, and
// all that holds for every answer holds for this one.
func TestRedTeam_A20_OtherWaysToWriteAnAddress(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	sent := 0
	for _, path := range []string{"//v1/authorize", "/v1//token", "/v1/./callback?code=MARKER&state=x", "/v1/callback/../consent", "//", "/v1/consent/.", "/v1/vendors/acme/../acme/token", "/v1/token/", "//evil.example/v1/token"} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodHead, http.MethodOptions} {
			r := h.Send(method, harness.PublicURL+path, "", http.Header{})
			sent++
			wantPage(t, method+" "+path, r, http.StatusNotFound)
			if strings.Contains(r.Body, "MARKER") || r.Header.Get("Strict-Transport-Security") == "" || r.Header.Get("X-Request-Id") == "" {
				t.Errorf("%s %s: %v", method, path, r.Header)
			}
		}
	}
	if n := strings.Count(h.Logs(), `"route":"other"`); n != sent {
		t.Errorf("%d lines in the log of %d requests", n, sent)
	}
}

func TestRedTeam_A20_EveryVendorParameterIsOnce(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Vendor: fakevendor.Options{}, Edit: func(d *runtimeconfig.Document) {
		d.Vendors[0].Target.Endpoints.Authorization += "?" + url.Values{"state": {"preset"}, "fixed": {"1"}}.Encode()
		d.Vendors[0].Target.AuthorizeParameters = []runtimeconfig.Parameter{{Name: "client_id", Value: "preset"}}
	}})
	q := h.NewLogin(harness.PublicClient).Authorize().Location.Query()
	if len(q["state"]) != 1 || q.Get("state") == "preset" || q.Get("client_id") != harness.App || q.Get("fixed") != "1" {
		t.Errorf("query = %v", q)
	}
}
