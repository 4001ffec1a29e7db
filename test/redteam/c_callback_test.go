// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// callbackOf starts a login and stops before the callback.
func callbackOf(t *testing.T, l *harness.Login) *url.URL {
	t.Helper()
	u, err := url.Parse(l.AtVendor(l.Authorize()))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// changed is the callback with another value; none leaves the parameter out.
func changed(u *url.URL, name string, values ...string) string {
	out := *u
	out.RawQuery = with(u.Query(), name, values...).Encode()
	return out.String()
}

// wantNoCookie: the login is destroyed.
func wantNoCookie(t *testing.T, what string, b *harness.Browser) {
	t.Helper()
	if c := b.Cookies(); len(c) != 0 {
		t.Errorf("%s: the login's cookie is still there", what)
	}
}

func TestRedTeam_C01_BadState(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	foreign := harness.Start(t, harness.Options{})
	good := seal.State{ID: "ABCDEFGHIJKLMNOPQRSTUVWXYZ", Vendor: harness.VendorName, Expires: h.Clock.Now().Add(time.Minute)}
	forged := foreign.Ring().SignState(good)
	l := h.NewLogin(harness.PublicClient)
	callback := callbackOf(t, l)
	state := callback.Query().Get("state")
	for what, values := range map[string][]string{
		"missing": nil, "empty": {""}, "garbage": {"garbage"}, "other ring": {forged}, "the client's": {l.State}, "twice": {state, state},
		"cut": {state[:len(state)-2]}, "longer": {state + "A"}, "upper case": {strings.ToUpper(state)}, "alg none": {"eyJhbGciOiJub25lIn0." + strings.Split(state, ".")[1] + "."},
		"1 MB would not fit, 64 KB does": {strings.Repeat("A", 64<<10)},
	} {
		wantPage(t, what, l.Browser.Get(changed(callback, "state", values...)), http.StatusBadRequest)
	}
	if r := l.Browser.Get(callback.String()); r.Query("code") == "" {
		t.Error("bad states must not spend the good one")
	}
	wantPage(t, "used", l.Browser.Get(callback.String()), http.StatusForbidden)
	wantCalls(t, "bad states", h.Fake, 0)
}

func TestRedTeam_C01_ExpiredState(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.NewLogin(harness.PublicClient)
	callback := callbackOf(t, l)
	h.Clock.Advance(10*time.Minute + time.Second)
	wantPage(t, "expired", l.Browser.Get(callback.String()), http.StatusBadRequest)
	wantCalls(t, "expired", h.Fake, 0)
}

func TestRedTeam_C01_StateWithoutItsCookie(t *testing.T) {
	for _, handle := range []bool{false, true} {
		h := harness.Standard(t, edit(func(v *runtimeconfig.Vendor) { v.Authorize.HandleState = handle }))
		l := h.NewLogin(harness.PublicClient)
		callback := callbackOf(t, l)
		other := h.NewLogin(harness.PublicClient)
		_ = callbackOf(t, other)
		wantPage(t, "no cookie", h.Browser().Get(callback.String()), http.StatusForbidden)
		wantPage(t, "another login's cookie", other.Browser.Get(callback.String()), http.StatusForbidden)
		if r := l.Browser.Get(callback.String()); r.Query("code") == "" {
			t.Error("the right browser cannot go on")
		}
		wantCalls(t, "no cookie", h.Fake, 0)
	}
}

// In the profile without Redis a callback that is sent again with its cookie
// gives another code around the same vendor code, which the vendor takes once.
func TestRedTeam_C02_SameCallbackInParallel(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Options: harness.Options{Replicas: 3}})
	l := h.NewLogin(harness.PublicClient)
	callback := callbackOf(t, l)
	cookie := l.Browser.Cookies()[0]
	codes := make([]string, 50)
	inParallel(len(codes), func(i int) {
		r := h.Send(http.MethodGet, callback.String(), "", http.Header{"Cookie": {cookie.String()}})
		codes[i] = r.Query("code")
	})
	granted := make([]bool, len(codes))
	inParallel(len(codes), func(i int) {
		form := with(l.Form(), "code", codes[i])
		granted[i] = h.Token(tokenURL, form, harness.None(harness.PublicClient)).Status == http.StatusOK
	})
	if n := count(granted); n != 1 || h.Fake.Stats().CodesRedeemed != 1 {
		t.Errorf("%d answers with tokens, %d codes redeemed, want 1 and 1", n, h.Fake.Stats().CodesRedeemed)
	}
}

func inParallel(n int, do func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}

func count(all []bool) int {
	n := 0
	for _, b := range all {
		if b {
			n++
		}
	}
	return n
}

// twoVendors serves acme and a hostile vendor.
func twoVendors(t *testing.T, path runtimeconfig.CallbackPath) (h *harness.Harness, evil *fakevendor.Server) {
	t.Helper()
	h = harness.Standard(t, harness.Setup{})
	evil = h.StartVendor(fakevendor.Options{Clients: []fakevendor.Client{{ID: "evil-app", Secret: "evil-app-secret-0123456789", RedirectURIs: harness.Callbacks("evil")}}})
	d := h.Document()
	d.Vendors = append(d.Vendors, harness.Vendor("evil", evil))
	for i := range d.Vendors {
		d.Vendors[i].Callback.Path = path
	}
	d.Credentials = append(d.Credentials, harness.Shared("evil", "evil-app", "evil-app-secret-0123456789"))
	d.Clients[0].Vendors = append(d.Clients[0].Vendors, runtimeconfig.AllowedVendor{Name: "evil"})
	h.Apply(d)
	return h, evil
}

func TestRedTeam_C03_StateAtAnotherVendorsPath(t *testing.T) {
	h, evil := twoVendors(t, runtimeconfig.CallbackVendor)
	for _, path := range []string{"/v1/callback/evil", "/v1/callback", "/v1/callback/nobody", "/v1/callback/acme/tenant-a.x"} {
		l := h.NewLogin(harness.PublicClient)
		callback := callbackOf(t, l)
		moved := *callback
		moved.Path = path
		wantPage(t, path, l.Browser.Get(moved.String()), http.StatusBadRequest)
		wantNoCookie(t, path, l.Browser)
		wantPage(t, "the right path, after "+path, l.Browser.Get(callback.String()), http.StatusForbidden)
	}
	if !strings.Contains(h.Logs(), "mix-up: callback path") {
		t.Error("the log does not tell of the mix-up")
	}
	wantCalls(t, "acme", h.Fake, 0)
	wantCalls(t, "evil", evil, 0)
}

// Whoever could sign states could name another vendor in one: the cookie is of one.
func TestRedTeam_C03_StateNamesAnotherVendor(t *testing.T) {
	h, evil := twoVendors(t, runtimeconfig.CallbackShared)
	l := h.NewLogin(harness.PublicClient)
	callback := callbackOf(t, l)
	id := strings.TrimPrefix(l.Browser.Cookies()[0].Name, "__Host-ob-")
	forged := h.Ring().SignState(seal.State{ID: id, Vendor: "evil", Expires: h.Clock.Now().Add(time.Minute)})
	wantPage(t, "another vendor", l.Browser.Get(changed(callback, "state", forged)), http.StatusBadRequest)
	wantNoCookie(t, "another vendor", l.Browser)
	if !strings.Contains(h.Logs(), "mix-up: state and login") {
		t.Error("the log does not tell of the mix-up")
	}
	wantCalls(t, "acme", h.Fake, 0)
	wantCalls(t, "evil", evil, 0)
}

func TestRedTeam_C04_Issuer(t *testing.T) {
	for what, values := range map[string][]string{
		"wrong": {"https://evil.example"}, "missing": nil, "empty": {""}, "twice": {"SAME", "SAME"}, "slash": {"SAME/"}, "upper case": {"UPPER"}, "prefix": {"SAM"},
	} {
		for _, answer := range []string{"code", "error"} {
			h := harness.Standard(t, harness.Setup{Vendor: fakevendor.Options{IssuerParameter: true, Deny: answer == "error"}, Edit: func(d *runtimeconfig.Document) {
				d.Vendors[0].Target.IssuerParameter = true
			}})
			same := h.Fake.Issuer()
			var iss []string
			for _, v := range values {
				iss = append(iss, strings.NewReplacer("SAME", same, "SAM", same[:len(same)-1], "UPPER", strings.ToUpper(same)).Replace(v))
			}
			l := h.NewLogin(harness.PublicClient)
			callback := callbackOf(t, l)
			wantPage(t, answer+" with iss "+what, l.Browser.Get(changed(callback, "iss", iss...)), http.StatusBadRequest)
			wantCalls(t, what, h.Fake, 0)
		}
	}
}

func TestRedTeam_C04_IssuerIsCheckedWheneverItIsSent(t *testing.T) {
	h := harness.Standard(t, harness.Setup{}) // advertises nothing
	l := h.NewLogin(harness.PublicClient)
	wantPage(t, "wrong", l.Browser.Get(changed(callbackOf(t, l), "iss", "https://evil.example")), http.StatusBadRequest)
	wantNoCookie(t, "wrong", l.Browser)
	l = h.NewLogin(harness.PublicClient)
	if r := l.Browser.Get(changed(callbackOf(t, l), "iss", h.Fake.Issuer())); r.Query("code") == "" {
		t.Error("the right iss is refused")
	}
}

// The classical mix-up: the login went to the hostile vendor, which hands its
// state to the honest one. With iss it ends at the callback.
func TestRedTeam_C04_MixUp(t *testing.T) {
	h, evil := twoVendors(t, runtimeconfig.CallbackShared)
	l := h.NewLogin(harness.PublicClient)
	l.Authorization, l.TokenURL = harness.PublicURL+"/v1/vendors/evil/authorize", harness.PublicURL+"/v1/vendors/evil/token"
	toEvil := l.Authorize().Location
	honest := *toEvil
	at, err := url.Parse(h.Fake.URL(fakevendor.Authorize))
	if err != nil {
		t.Fatal(err)
	}
	honest.Host = at.Host
	honest.RawQuery = with(toEvil.Query(), "client_id", harness.App).Encode()
	back := l.Browser.Get(honest.String())
	wantPage(t, "code of acme with the login of evil", l.Browser.Get(changed(back.Location, "iss", h.Fake.Issuer())), http.StatusBadRequest)
	wantCalls(t, "evil got acme's code", evil, 0)
}

func TestRedTeam_C05_VendorDenies(t *testing.T) {
	for code, want := range map[string]string{
		"access_denied": "access_denied", "access-denied": "access_denied", "user_cancelled_login": "access_denied", "login_required": "access_denied",
		"invalid_scope": "invalid_scope", "invalid_target": "invalid_target", "invalid_resource": "invalid_target", "server_error": "temporarily_unavailable", "temporarily_unavailable": "temporarily_unavailable",
		"unauthorized_client": "server_error", "invalid_client": "server_error", "<script>alert(1)</script>": "server_error", "a\" b\\c": "server_error", strings.Repeat("e", 5000): "server_error",
	} {
		h := harness.Standard(t, harness.Setup{})
		text := `<script>alert("MARKER")</script>` + strings.Repeat("x", 5000)
		h.Fake.Set(fakevendor.Authorize, fakevendor.AuthorizeError(code, text))
		l := h.NewLogin(harness.PublicClient)
		r := l.Finish(l.Authorize())
		wantRedirect(t, code, back{r, l}, want)
		all := r.Location.String() + r.Body + h.Logs()
		if d := r.Query("error_description"); strings.Contains(all, "MARKER") || strings.Contains(all, "<script") || strings.Contains(all, "%3Cscript") || len(d) > 200 || d == "" {
			t.Errorf("%.20s: the vendor's text came through: %s", code, r.Location)
		}
		wantNoCookie(t, code, l.Browser)
		wantCalls(t, code, h.Fake, 0)
	}
}

// Entra ID writes line breaks into its description of a denial, and others write
// what is no form encoding. Nobody reads these texts here, so they stop no answer.
func TestRedTeam_C05_TextOfAnyKind(t *testing.T) {
	for _, formPost := range []bool{false, true} {
		h := harness.Standard(t, edit(func(v *runtimeconfig.Vendor) { v.Authorize.FormPost = formPost }))
		for _, text := range []string{"AADSTS65004%3A+declined.%0D%0ATrace+ID%3A+1%0D%0A", "100%", "%FF", "%00", "a;b", "a&error_uri=%0A", "a&error_description=b"} {
			l := h.NewLogin(harness.PublicClient)
			state := l.Authorize().Query("state")
			answer := "error=access_denied&error_description=" + text + "&state=" + state
			address := harness.PublicURL + "/v1/callback?" + answer
			if formPost {
				r := h.Send(http.MethodPost, harness.PublicURL+"/v1/callback", answer, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
				if r.Location == nil || r.Location.Query().Has("error_description") {
					t.Errorf("%s: posted: %d %v", text, r.Status, r.Location)
					continue
				}
				address = r.Location.String()
			}
			wantRedirect(t, text, back{l.Browser.Get(address), l}, "access_denied")
			wantNoCookie(t, text, l.Browser)
		}
	}
}

func TestRedTeam_C06_ContradictingAnswer(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for what, change := range map[string]func(q url.Values){
		"code and error":  func(q url.Values) { q.Set("error", "access_denied") },
		"no code":         func(q url.Values) { q.Del("code") },
		"empty code":      func(q url.Values) { q.Set("code", "") },
		"code of 64 KB":   func(q url.Values) { q.Set("code", strings.Repeat("c", 64<<10)) },
		"code[]":          func(q url.Values) { q.Del("code"); q.Set("code[]", "x") },
		"two codes":       func(q url.Values) { q.Add("code", "other") },
		"NUL in the code": func(q url.Values) { q.Set("code", "a\x00b") },
		"CRLF":            func(q url.Values) { q.Set("code", "a\r\nSet-Cookie: x=y") },
	} {
		l := h.NewLogin(harness.PublicClient)
		callback := callbackOf(t, l)
		q := callback.Query()
		change(q)
		callback.RawQuery = q.Encode()
		wantPage(t, what, l.Browser.Get(callback.String()), http.StatusBadRequest)
	}
	wantCalls(t, "contradictions", h.Fake, 0)
}

// A code of the attacker's own session at the vendor, put into the victim's callback.
func TestRedTeam_C07_InjectedVendorCode(t *testing.T) {
	for what, c := range map[string]struct {
		pkce   bool
		scope  string
		status int
		want   string
	}{
		"vendor with PKCE":                 {true, "read", http.StatusBadRequest, "invalid_grant"},
		"vendor without PKCE, with OpenID": {false, "openid", http.StatusBadGateway, "server_error"},
	} {
		mode := fakevendor.PKCERequired
		if !c.pkce {
			mode = fakevendor.PKCEIgnored
		}
		h := harness.Standard(t, harness.Setup{Vendor: fakevendor.Options{PKCE: mode}, Edit: func(d *runtimeconfig.Document) { d.Vendors[0].PKCE = c.pkce }})
		attacker, victim := h.NewLogin(harness.PublicClient), h.NewLogin(harness.PublicClient)
		attacker.Params.Set("scope", c.scope)
		victim.Params.Set("scope", c.scope)
		stolen := callbackOf(t, attacker).Query().Get("code")
		r := victim.Browser.Get(changed(callbackOf(t, victim), "code", stolen))
		victim.Code = r.Query("code")
		wantJSON(t, what, victim.Redeem(), failure{c.status, c.want})
	}
}

func TestRedTeam_C08_PathOfAnotherTenant(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	d := h.Document()
	d.Vendors[0].Callback.Path = runtimeconfig.CallbackCredential
	for _, tenant := range []string{"tenant-a", "tenant-b"} {
		app := tenant + "-app"
		h.Fake.AddClient(fakevendor.Client{ID: app, Secret: app + "-secret-0123456789", RedirectURIs: []string{harness.PublicURL + "/v1/callback/acme/" + tenant + "." + app}})
		d.Credentials = append(d.Credentials, harness.BYOC(tenant, "acme", app, app+"-secret-0123456789"))
	}
	h.Apply(d)
	l := h.NewLogin(harness.PublicClient)
	callback := callbackOf(t, l)
	if callback.Path != "/v1/callback/acme/tenant-a.tenant-a-app" {
		t.Fatalf("callback path = %s", callback.Path)
	}
	moved := *callback
	moved.Path = "/v1/callback/acme/tenant-b.tenant-b-app"
	wantPage(t, "path of tenant-b", l.Browser.Get(moved.String()), http.StatusBadRequest)
	wantNoCookie(t, "path of tenant-b", l.Browser)
	if !strings.Contains(h.Logs(), "mix-up") {
		t.Error("the log does not tell of the mix-up")
	}
	wantCalls(t, "path of tenant-b", h.Fake, 0)
}

func TestRedTeam_C09_ForgedHost(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	forged := http.Header{
		"Host": {"evil.example"}, "X-Forwarded-Host": {"evil.example"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Prefix": {"/evil"}, "Forwarded": {"host=evil.example;proto=http"},
		"X-Original-Url": {"/evil"}, "X-Rewrite-Url": {"/evil"}, "Origin": {"https://evil.example"}, "Referer": {"https://evil.example/"},
	}
	l := h.NewLogin(harness.PublicClient)
	r := h.Send(http.MethodGet, l.Authorization+"?"+l.Params.Encode(), "", forged.Clone())
	if got := r.Query("redirect_uri"); got != harness.PublicURL+"/v1/callback" || strings.Contains(r.Location.String()+strings.Join(r.Header["Set-Cookie"], ""), "evil") {
		t.Errorf("redirect_uri = %s at %s", got, r.Location)
	}
	callback := callbackOf(t, l)
	header := forged.Clone()
	header.Set("Cookie", l.Browser.Cookies()[0].String())
	if r := h.Send(http.MethodGet, callback.String(), "", header); r.Query("iss") != issuer || !strings.HasPrefix(r.Location.String(), harness.RedirectURI+"?") {
		t.Errorf("callback: sent to %s", r.Location)
	}
	meta := h.Send(http.MethodGet, harness.PublicURL+"/.well-known/oauth-authorization-server/v1/vendors/acme", "", forged.Clone())
	if strings.Contains(meta.Body, "evil") || meta.Text("issuer") != issuer {
		t.Errorf("metadata: %s", meta.Body)
	}
}

func TestRedTeam_C10_FormPost(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Vendor: fakevendor.Options{FormPost: true}, Edit: func(d *runtimeconfig.Document) { d.Vendors[0].Authorize.FormPost = true }})
	l := h.NewLogin(harness.PublicClient)
	page := l.Browser.Get(l.Authorize().Location.String())
	form := url.Values{"extra": {"dropped"}}
	for _, m := range regexp.MustCompile(`name="([^"]*)" value="([^"]*)"`).FindAllStringSubmatch(page.Body, -1) {
		form.Set(m[1], m[2])
	}
	cookieless := h.Browser() // SameSite=Lax: a cross-site POST brings no cookie
	r := cookieless.Post(harness.PublicURL+"/v1/callback", form)
	if r.Status != http.StatusSeeOther || r.Location.Host != harness.Host || r.Location.Path != "/v1/callback" || r.Location.Query().Has("extra") || len(cookieless.Cookies()) != 0 || r.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("POST: got %d to %v", r.Status, r.Location)
	}
	wantPage(t, "the GET in another browser", cookieless.Get(r.Location.String()), http.StatusForbidden)
	if done := l.Browser.Get(r.Location.String()); done.Query("code") == "" {
		t.Errorf("the GET in the right browser: %d %s", done.Status, done.Body)
	}
	wantPage(t, "forged state", cookieless.Post(harness.PublicURL+"/v1/callback", url.Values{"state": {"a.b.c"}, "code": {"x"}}), http.StatusBadRequest)
	wantPage(t, "repeated", cookieless.Post(harness.PublicURL+"/v1/callback", with(form, "code", "a", "b")), http.StatusBadRequest)
}

func TestRedTeam_C10_FormPostOnlyWhereConfigured(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.NewLogin(harness.PublicClient)
	callback := callbackOf(t, l)
	r := l.Browser.Post(harness.PublicURL+"/v1/callback", callback.Query())
	wantPage(t, "POST", r, http.StatusMethodNotAllowed)
	for _, method := range []string{http.MethodHead, http.MethodPut, http.MethodOptions} {
		r := h.Send(method, callback.String(), "", http.Header{"Cookie": {l.Browser.Cookies()[0].String()}})
		if r.Status != http.StatusMethodNotAllowed || r.Header.Get("Set-Cookie") != "" || r.Location != nil {
			t.Errorf("%s: got %d to %v", method, r.Status, r.Location)
		}
	}
	if l.Browser.Get(callback.String()).Query("code") == "" {
		t.Error("a link scanner spent the login")
	}
}

func TestRedTeam_C11_ParametersAsHosts(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Vendor: fakevendor.Options{Shape: fakevendor.Shape{CallbackExtra: url.Values{
		"accounts-server": {"https://evil.example"}, "location": {"us"}, "token_endpoint": {"https://evil.example"}, "long": {strings.Repeat("x", 600)},
	}}}, Edit: func(d *runtimeconfig.Document) {
		d.Vendors[0].Callback.CaptureParameters = []string{"location", "long"}
	}})
	r := h.Login(harness.PublicClient).Redeem() // the harness connects to no host but the vendor's
	wantTokens(t, "extra parameters", r)
	captured, _ := r.JSON()["vendor_callback"].(map[string]any)
	if len(captured) != 1 || captured["location"] != "us" || strings.Contains(r.Body, "evil") {
		t.Errorf("answer = %s", r.Body)
	}
}

func TestRedTeam_C12_RenamedCode(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Vendor: fakevendor.Options{Shape: fakevendor.Shape{CodeParameter: "spapi_oauth_code"}}})
	l := h.NewLogin(harness.PublicClient)
	wantPage(t, "not configured", l.Finish(l.Authorize()), http.StatusBadRequest)
	wantCalls(t, "not configured", h.Fake, 0)
	d := h.Document()
	d.Vendors[0].Callback.CodeParameter = "spapi_oauth_code"
	h.Apply(d)
	wantTokens(t, "configured", h.Login(harness.PublicClient).Redeem())
}
