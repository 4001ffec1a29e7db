// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// refusedThenGood sends bad forms, then the good one: no failure before the take
// consumes anything, and the vendor sees the good one only.
func refusedThenGood(t *testing.T, l *harness.Login, bad map[string]url.Values, code string) {
	t.Helper()
	before := l.Vendor().Count(fakevendor.Token)
	for what, form := range bad {
		wantJSON(t, what, l.Send(form), failure{http.StatusBadRequest, code})
	}
	wantCalls(t, "refused requests", l.Vendor(), before)
	wantTokens(t, "the right request afterwards", l.Redeem())
}

func TestRedTeam_F01_NoVerifier(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for _, client := range []string{harness.PublicClient, harness.WebClient, harness.KeyClient} {
		l := h.Login(client)
		refusedThenGood(t, l, map[string]url.Values{"omitted": with(l.Form(), "code_verifier"), "empty": with(l.Form(), "code_verifier", "")}, "invalid_grant")
	}
}

// No code without a challenge is ever made (A9); this one is forged with the
// broker's own key.
func TestRedTeam_F02_VerifierWithoutChallenge(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	code, err := h.Ring().Seal(seal.Code, h.Clock.Now().Add(time.Minute), "", map[string]any{
		"id": rand.Text(), "cl": harness.PublicClient, "ru": harness.RedirectURI, "ch": "", "cb": "/v1/callback", "co": "vendor-code-x",
		"b": map[string]string{"v": "acme", "i": h.Fake.Issuer(), "s": string(runtimeconfig.SourceShared), "u": "uid-acme", "a": harness.App},
	})
	if err != nil {
		t.Fatal(err)
	}
	l := h.NewLogin(harness.PublicClient)
	l.Code = code
	for _, verifier := range []string{oauth2.GenerateVerifier(), ""} {
		wantJSON(t, "no challenge", h.Token(tokenURL, with(l.Form(), "code_verifier", verifier), harness.None(l.Client)), failure{http.StatusBadRequest, "invalid_grant"})
	}
	wantCalls(t, "no challenge", h.Fake, 0)
}

func TestRedTeam_F03_WrongVerifier(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.Login(harness.PublicClient)
	bad := map[string]url.Values{}
	for _, v := range []string{
		oauth2.GenerateVerifier(), l.Params.Get("code_challenge"), l.Verifier[:42], l.Verifier + strings.Repeat("A", 129-len(l.Verifier)), l.Verifier + "=", l.Verifier + " ", strings.ToUpper(l.Verifier), l.Verifier[:42] + "é", strings.Repeat("A", 43),
	} {
		bad[v] = with(l.Form(), "code_verifier", v)
	}
	refusedThenGood(t, l, bad, "invalid_grant")
}

// A short verifier does not become good by a challenge that fits it.
func TestRedTeam_F03_ChallengeOfAShortVerifier(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.NewLogin(harness.PublicClient)
	l.Verifier = "short"
	l.Params.Set("code_challenge", oauth2.S256ChallengeFromVerifier(l.Verifier))
	l.Walk()
	wantJSON(t, "short", l.Redeem(), failure{http.StatusBadRequest, "invalid_grant"})
	wantCalls(t, "short", h.Fake, 0)
}

func TestRedTeam_F04_CodeOfAnotherClient(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.Login(harness.WebClient)
	for _, thief := range []string{harness.PublicClient, harness.KeyClient} {
		wantJSON(t, thief, h.Token(tokenURL, l.Form(), h.Auth(thief)), failure{http.StatusBadRequest, "invalid_grant"})
	}
	wantCalls(t, "guesses", h.Fake, 0)
	wantTokens(t, "the owner afterwards", l.Redeem())
}

func TestRedTeam_F04_CodeAtAnotherVendorsEndpoint(t *testing.T) {
	h, evil := twoVendors(t, runtimeconfig.CallbackShared)
	l := h.Login(harness.PublicClient)
	wantJSON(t, "endpoint of evil", h.Token(harness.PublicURL+"/v1/vendors/evil/token", l.Form(), harness.None(l.Client)), failure{http.StatusBadRequest, "invalid_grant"})
	wantJSON(t, "vendor=evil", h.Token(harness.PublicURL+"/v1/token", with(l.Form(), "vendor", "evil"), harness.None(l.Client)), failure{http.StatusBadRequest, "invalid_grant"})
	wantJSON(t, "vendor=evil at acme", h.Token(tokenURL, with(l.Form(), "vendor", "evil"), harness.None(l.Client)), failure{http.StatusBadRequest, "invalid_request"})
	wantCalls(t, "evil", evil, 0)
	wantTokens(t, "the generic endpoint", h.Token(harness.PublicURL+"/v1/token", l.Form(), harness.None(l.Client)))
}

func TestRedTeam_F05_CodeTwice(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.Login(harness.PublicClient)
	wantTokens(t, "first", l.Redeem())
	h.Pin(2)
	wantJSON(t, "second, at another replica", l.Redeem(), failure{http.StatusBadRequest, "invalid_grant"})
	if n := h.Fake.Stats().CodesRedeemed; n != 1 {
		t.Errorf("the vendor redeemed %d codes", n)
	}
}

// In the profile without Redis the vendor decides: its codes are single use.
func TestRedTeam_F06_CodeInParallel(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Options: harness.Options{Replicas: 3}})
	l := h.Login(harness.PublicClient)
	answers := make([]*harness.Response, 100)
	inParallel(len(answers), func(i int) { answers[i] = h.Token(tokenURL, l.Form(), harness.None(l.Client)) })
	good := 0
	for _, r := range answers {
		if r.Status == http.StatusOK {
			good++
			continue
		}
		wantJSON(t, "the others", r, failure{http.StatusBadRequest, "invalid_grant"})
	}
	if good != 1 {
		t.Errorf("%d answers with tokens, want 1", good)
	}
}

func TestRedTeam_F07_ForgedCode(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.Login(harness.PublicClient)
	parts := strings.Split(l.Code, ".")
	flipped := []byte(l.Code)
	flipped[len(flipped)-9] ^= 1
	bad := map[string]url.Values{}
	for what, code := range map[string]string{
		"other tail": strings.Join(parts[:2], ".") + "." + strings.Repeat("A", len(parts[2])), "one bit": string(flipped), "cut": l.Code[:len(l.Code)-4], "longer": l.Code + "AAAA",
		"other key": parts[0] + ".aaaaaaaa." + parts[2], "prefix only": parts[0] + "." + parts[1] + ".", "garbage": "x", "relabelled": strings.Replace(l.Code, "obc1", "obr1", 1), "the vendor's form": "vendor-code-" + rand.Text(),
	} {
		bad[what] = with(l.Form(), "code", code)
	}
	refusedThenGood(t, l, bad, "invalid_grant")
	wantJSON(t, "no code", h.Token(tokenURL, with(l.Form(), "code"), harness.None(l.Client)), failure{http.StatusBadRequest, "invalid_request"})
}

func TestRedTeam_F08_ExpiredCode(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.Login(harness.PublicClient)
	h.Clock.Advance(61 * time.Second)
	wantJSON(t, "61 s", l.Redeem(), failure{http.StatusBadRequest, "invalid_grant"})
	wantCalls(t, "61 s", h.Fake, 0)
	d := h.Document()
	d.Vendors[0].Callback.CodeLifetimeSeconds = 30
	h.Apply(d)
	l = h.Login(harness.PublicClient)
	h.Clock.Advance(31 * time.Second)
	wantJSON(t, "vendor of 30 s", l.Redeem(), failure{http.StatusBadRequest, "invalid_grant"})
	wantCalls(t, "vendor of 30 s", h.Fake, 0)
}

func TestRedTeam_F09_OtherRedirectURI(t *testing.T) {
	other := "https://app.example/other"
	h := harness.Standard(t, harness.Setup{Edit: func(d *runtimeconfig.Document) { d.Clients[0].RedirectURIs = []string{harness.RedirectURI, other} }})
	l := h.Login(harness.PublicClient)
	bad := map[string]url.Values{}
	for _, uri := range []string{other, "https://evil.example/cb", harness.RedirectURI + "/", strings.ToUpper(harness.RedirectURI)} {
		bad[uri] = with(l.Form(), "redirect_uri", uri)
	}
	refusedThenGood(t, l, bad, "invalid_grant")
	l = h.Login(harness.PublicClient) // OAuth 2.1 clients send none
	wantTokens(t, "omitted", h.Token(tokenURL, with(l.Form(), "redirect_uri"), harness.None(l.Client)))
}

func TestRedTeam_F10_OtherResource(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.NewLogin(harness.PublicClient)
	l.Params["resource"] = []string{"https://a.example", "https://b.example"}
	l.Walk()
	refusedThenGood(t, l, map[string]url.Values{
		"another": with(l.Form(), "resource", "https://c.example"), "one more": with(l.Form(), "resource", "https://a.example", "https://c.example"), "slash": with(l.Form(), "resource", "https://a.example/"),
	}, "invalid_target")
	l = h.Login(harness.PublicClient)
	refusedThenGood(t, l, map[string]url.Values{"none was granted": with(l.Form(), "resource", "https://a.example")}, "invalid_target")
}

// A narrowed token request does not narrow the grant (RFC 8707 section 2.2).
func TestRedTeam_F10_NarrowedResourceKeepsTheGrant(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.NewLogin(harness.PublicClient)
	l.Params["resource"] = []string{"https://a.example", "https://b.example"}
	l.Walk()
	r := h.Token(tokenURL, with(l.Form(), "resource", "https://a.example"), harness.None(l.Client))
	wantTokens(t, "narrowed", r)
	if got := h.Fake.Last(fakevendor.Token).Form["resource"]; len(got) != 1 || got[0] != "https://a.example" {
		t.Errorf("the vendor was asked for %v", got)
	}
	wantTokens(t, "the other one at refresh", l.Refresh(r.Text("refresh_token"), "resource", "https://b.example"))
	wantJSON(t, "a third at refresh", l.Refresh(r.Text("refresh_token"), "resource", "https://c.example"), failure{http.StatusBadRequest, "invalid_target"})
}

func TestRedTeam_F11_MethodAndPlace(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.Login(harness.PublicClient)
	form := with(l.Form(), "client_id", l.Client)
	for _, endpoint := range []string{tokenURL, harness.PublicURL + "/v1/token"} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPatch} {
			r := h.Send(method, endpoint+"?"+form.Encode(), "", http.Header{})
			wantJSON(t, method, r, failure{http.StatusMethodNotAllowed, "invalid_request"})
			if r.Header.Get("Allow") != http.MethodPost {
				t.Errorf("%s: Allow = %q", method, r.Header.Get("Allow"))
			}
		}
		header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
		wantJSON(t, "all in the query", h.Send(http.MethodPost, endpoint+"?"+form.Encode(), "", header), failure{http.StatusBadRequest, "invalid_request"})
		wantJSON(t, "one in the query", h.Send(http.MethodPost, endpoint+"?client_id="+l.Client, l.Form().Encode(), header), failure{http.StatusBadRequest, "invalid_request"})
	}
	wantCalls(t, "wrong method or place", h.Fake, 0)
	wantTokens(t, "afterwards", l.Redeem())
}

func TestRedTeam_F12_OddBodies(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.Login(harness.PublicClient)
	good := with(l.Form(), "client_id", l.Client).Encode()
	const form = "application/x-www-form-urlencoded"
	for what, c := range map[string]struct {
		contentType, encoding, body string
		status                      int
	}{
		"JSON":                 {"application/json", "", `{"grant_type":"authorization_code"}`, 415},
		"form sent as JSON":    {"application/json", "", good, 415},
		"no content type":      {"", "", good, 415},
		"broken content type":  {";;;", "", good, 415},
		"text":                 {"text/plain", "", good, 415},
		"multipart":            {"multipart/form-data; boundary=x", "", "--x\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nauthorization_code\r\n--x--\r\n", 415},
		"compressed":           {form, "gzip", good, 415},
		"10 MB":                {form, "", good + "&x=" + strings.Repeat("A", 10<<20), 413},
		"bad escape":           {form, "", good + "&x=%zz", 400},
		"NUL":                  {form, "", good + "&x=%00", 400},
		"invalid UTF-8":        {form, "", good + "&x=%ff", 400},
		"empty":                {form, "", "", 401},
		"10,000 parameters":    {form, "", good + strings.Repeat("&a", 10000), 400},
		"JSON labelled a form": {form, "", `{"grant_type":"authorization_code"}`, 401},
	} {
		header := http.Header{}
		if c.contentType != "" {
			header.Set("Content-Type", c.contentType)
		}
		if c.encoding != "" {
			header.Set("Content-Encoding", c.encoding)
		}
		code := "invalid_request"
		if c.status == http.StatusUnauthorized {
			code = "invalid_client"
		}
		wantJSON(t, what, h.Send(http.MethodPost, tokenURL, c.body, header), failure{c.status, code})
	}
	wantCalls(t, "odd bodies", h.Fake, 0)
	header := http.Header{"Content-Type": {form + "; charset=UTF-8"}}
	wantTokens(t, "with a charset", h.Send(http.MethodPost, tokenURL, good, header))
	if strings.Contains(h.Logs(), `"outcome":"panic"`) {
		t.Error("a handler panicked")
	}
}

func TestRedTeam_F13_DuplicateParameters(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.Login(harness.PublicClient)
	form := with(l.Form(), "client_id", l.Client)
	bad := map[string]url.Values{}
	for name := range form {
		bad[name+" twice"] = with(form, name, form.Get(name), form.Get(name))
		bad[name+" and empty"] = with(form, name, form.Get(name), "")
	}
	before := h.Fake.Count(fakevendor.Token)
	for what, f := range bad {
		wantJSON(t, what, h.Token(tokenURL, f, nil), failure{http.StatusBadRequest, "invalid_request"})
	}
	wantCalls(t, "duplicates", h.Fake, before)
	wantTokens(t, "afterwards", l.Redeem())
}

func TestRedTeam_F14_ClientAuthentication(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.Login(harness.WebClient)
	basic := func(v string) harness.ClientAuth {
		return func(_ url.Values, header http.Header) { header["Authorization"] = []string{v} }
	}
	both := func(auths ...harness.ClientAuth) harness.ClientAuth {
		return func(f url.Values, header http.Header) {
			for _, a := range auths {
				a(f, header)
			}
		}
	}
	b64 := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	const web, good = harness.WebClient, harness.WebSecret
	for what, c := range map[string]struct {
		auth      harness.ClientAuth
		status    int
		challenge bool
	}{
		"Basic and body":            {both(harness.Basic(web, good), harness.Post(web, good)), 400, false},
		"Basic and assertion":       {both(harness.Basic(web, good), h.Auth(harness.KeyClient)), 400, false},
		"body and assertion":        {both(harness.Post(web, good), h.Auth(harness.KeyClient)), 400, false},
		"Basic and other client_id": {both(harness.Basic(web, good), harness.None(harness.PublicClient)), 400, false},
		"two Authorization headers": {func(_ url.Values, hd http.Header) {
			hd["Authorization"] = []string{b64(web + ":" + good), b64(web + ":" + good)}
		}, 401, true},
		"no base64":                 {basic("Basic !!!"), 401, true},
		"no colon":                  {basic(b64("webonly")), 401, true},
		"bad escape":                {basic(b64(web + ":%zz")), 401, true},
		"empty id":                  {basic(b64(":" + good)), 401, true},
		"empty secret":              {basic(b64(web + ":")), 401, true},
		"empty header":              {basic(""), 401, true},
		"Bearer":                    {basic("Bearer " + good), 401, true},
		"wrong secret, Basic":       {harness.Basic(web, good+"x"), 401, true},
		"wrong secret, body":        {harness.Post(web, "wrong-secret-0123456789"), 401, false},
		"secret's hash":             {harness.Post(web, "0000000000000000000000000000000000000000000000000000000000000000"), 401, false},
		"unknown client, Basic":     {harness.Basic("tenant-a.nobody", good), 401, true},
		"secret of a public client": {harness.Post(harness.PublicClient, good), 401, false},
		"Basic of a public client":  {harness.Basic(harness.PublicClient, good), 401, true},
		"secret of a key client":    {harness.Post(harness.KeyClient, good), 401, false},
		"assertion type only": {func(f url.Values, _ http.Header) {
			f.Set("client_id", web)
			f.Set("client_assertion_type", harness.AssertionType)
		}, 400, false},
		"assertion of another type": {func(f url.Values, _ http.Header) {
			f.Set("client_assertion", "x.y.z")
			f.Set("client_assertion_type", "urn:other")
		}, 400, false},
		"assertion that is no JWT": {harness.Assertion("x.y.z"), 401, false},
		"no client at all":         {nil, 401, false},
	} {
		r := h.Token(tokenURL, l.Form(), c.auth)
		code := "invalid_client"
		if c.status == http.StatusBadRequest {
			code = "invalid_request"
		}
		wantJSON(t, what, r, failure{c.status, code})
		if got := strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Basic "); got != c.challenge {
			t.Errorf("%s: WWW-Authenticate = %q", what, r.Header.Get("WWW-Authenticate"))
		}
	}
	wantCalls(t, "bad authentication", h.Fake, 0)
	wantTokens(t, "Basic afterwards", l.Redeem())
}

func TestRedTeam_F15_Downgrade(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	for _, client := range []string{harness.WebClient, harness.KeyClient} {
		l := h.Login(client)
		for what, auth := range map[string]harness.ClientAuth{"none": harness.None(client), "empty secret": harness.Post(client, ""), "a secret": harness.Post(client, "some-secret-0123456789")} {
			if client == harness.WebClient && what == "a secret" {
				continue
			}
			wantJSON(t, client+" by "+what, h.Token(tokenURL, l.Form(), auth), failure{http.StatusUnauthorized, "invalid_client"})
		}
		wantTokens(t, client, l.Redeem())
	}
	wantCalls(t, "downgrades", h.Fake, 2)
}

func TestRedTeam_F17_GrantTypes(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.Login(harness.WebClient)
	for _, grant := range []string{"password", "client_credentials", "implicit", "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange", "AUTHORIZATION_CODE", "x"} {
		wantJSON(t, grant, h.Token(tokenURL, with(l.Form(), "grant_type", grant), h.Auth(l.Client)), failure{http.StatusBadRequest, "unsupported_grant_type"})
	}
	wantJSON(t, "none", h.Token(tokenURL, with(l.Form(), "grant_type"), h.Auth(l.Client)), failure{http.StatusBadRequest, "invalid_request"})
	wantCalls(t, "other grants", h.Fake, 0)
}

func TestRedTeam_F18_CORS(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.Login(harness.PublicClient)
	for _, origin := range []string{"https://evil.example", "null", harness.PublicURL} {
		r := h.Send(http.MethodOptions, tokenURL, "", http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"authorization"}})
		wantNoCORS(t, "preflight", r)
		if r.Status != http.StatusMethodNotAllowed {
			t.Errorf("preflight: %d", r.Status)
		}
		wantNoCORS(t, "authorize", h.Send(http.MethodGet, l.Authorization+"?"+l.Params.Encode(), "", http.Header{"Origin": {origin}}))
		wantNoCORS(t, "token", h.Send(http.MethodPost, tokenURL, "", http.Header{"Origin": {origin}}))
	}
}

func wantNoCORS(t *testing.T, what string, r *harness.Response) {
	t.Helper()
	for name := range r.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%s: %s: %s", what, name, r.Header.Get(name))
		}
	}
}

func TestRedTeam_F19_TokensOfAnotherKind(t *testing.T) {
	h := harness.Standard(t, harness.Setup{})
	l := h.Login(harness.PublicClient)
	code := l.Code
	r := l.Redeem()
	access, refresh := r.Text("access_token"), r.Text("refresh_token")
	vendorRefresh := "vendor-refresh-" + rand.Text()
	h.Fake.Forget()
	for what, c := range map[string]struct{ name, value string }{
		"access token as a code": {"code", access}, "refresh token as a code": {"code", refresh}, "access token as a refresh token": {"refresh_token", access},
		"code as a refresh token": {"refresh_token", code}, "vendor's refresh token": {"refresh_token", vendorRefresh},
	} {
		form := with(l.Form(), c.name, c.value)
		if c.name == "refresh_token" {
			form = url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.value}}
		}
		for _, client := range []string{harness.PublicClient, harness.WebClient} {
			wantJSON(t, what, h.Token(tokenURL, form, h.Auth(client)), failure{http.StatusBadRequest, "invalid_grant"})
		}
	}
	for what, bearer := range map[string]string{"code": code, "access token": access, "refresh token": refresh} {
		r := h.Token(tokenURL, l.Form(), func(_ url.Values, header http.Header) { header.Set("Authorization", "Bearer "+bearer) })
		wantJSON(t, what+" as a bearer token", r, failure{http.StatusUnauthorized, "invalid_client"})
	}
	wantUntouched(t, h.Fake)
	if !strings.HasPrefix(code, "obc1.") || !strings.HasPrefix(refresh, "obr1.") {
		t.Error("codes and refresh tokens have no typed prefix")
	}
}
