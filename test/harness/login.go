// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// Response is an answer whose body was read.
type Response struct {
	Status int
	Header http.Header
	Body   string
	// Location is where a redirect goes; nil where there is none.
	Location *url.URL
}

// JSON is the body as a JSON object; nil where it is none.
func (r *Response) JSON() map[string]any {
	var m map[string]any
	d := json.NewDecoder(strings.NewReader(r.Body))
	d.UseNumber()
	if d.Decode(&m) != nil {
		return nil
	}
	return m
}

// Text is a member of the JSON body that is a string.
func (r *Response) Text(name string) string {
	s, _ := r.JSON()[name].(string)
	return s
}

// Query is a parameter of the redirect.
func (r *Response) Query(name string) string {
	if r.Location == nil {
		return ""
	}
	return r.Location.Query().Get(name)
}

// Browser keeps cookies and follows no redirect by itself.
type Browser struct {
	t      testing.TB
	client *http.Client
}

// Browser makes a browser without cookies.
func (h *Harness) Browser() *Browser {
	h.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	c := h.HTTP()
	c.Jar = jar
	return &Browser{t: h.t, client: c}
}

// Cookies of the brokers' host.
func (b *Browser) Cookies() []*http.Cookie {
	return b.client.Jar.Cookies(&url.URL{Scheme: "https", Host: Host, Path: "/"})
}

// SetCookie plants a cookie.
func (b *Browser) SetCookie(c *http.Cookie) {
	b.client.Jar.SetCookies(&url.URL{Scheme: "https", Host: Host, Path: "/"}, []*http.Cookie{c})
}

// Get asks for a page.
func (b *Browser) Get(address string) *Response {
	b.t.Helper()
	return b.Do(b.request(http.MethodGet, address, ""))
}

// Post sends a form.
func (b *Browser) Post(address string, form url.Values) *Response {
	b.t.Helper()
	r := b.request(http.MethodPost, address, form.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.Do(r)
}

func (b *Browser) request(method, address, body string) *http.Request {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// Do sends a request.
func (b *Browser) Do(r *http.Request) *Response {
	b.t.Helper()
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatalf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	return read(b.t, resp)
}

func read(t testing.TB, resp *http.Response) *Response {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := &Response{Status: resp.StatusCode, Header: resp.Header, Body: string(bytes.TrimSpace(body))}
	if l, err := resp.Location(); err == nil {
		out.Location = l
	}
	return out
}

// Login is one login, as a client starts it and a browser walks it.
type Login struct {
	// Browser walks. Two logins may share one.
	Browser *Browser
	// Client id, and what the client remembers of the login.
	Client, State, Verifier string
	// Authorization is the endpoint's URL, and Params the request.
	Authorization string
	Params        url.Values
	// Code that came back; set by Finish.
	Code string
	// TokenURL is the token endpoint.
	TokenURL string

	h *Harness
}

// NewLogin prepares a login of a client at Standard's vendor, through the
// vendor's own issuer. Change Params before Authorize.
func (h *Harness) NewLogin(client string) *Login {
	h.t.Helper()
	l := &Login{
		h: h, Browser: h.Browser(), Client: client, State: "state-" + rand.Text(), Verifier: oauth2.GenerateVerifier(),
		Authorization: PublicURL + "/v1/vendors/" + VendorName + "/authorize", TokenURL: PublicURL + "/v1/vendors/" + VendorName + "/token",
	}
	l.Params = url.Values{
		"client_id": {client}, "redirect_uri": {RedirectURI}, "response_type": {"code"}, "state": {l.State},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(l.Verifier)}, "code_challenge_method": {"S256"},
	}
	return l
}

// Authorize opens the authorization URL. The answer of a good one redirects to
// the vendor.
func (l *Login) Authorize() *Response {
	l.h.t.Helper()
	return l.Browser.Get(l.Authorization + "?" + l.Params.Encode())
}

// AtVendor signs in at the vendor, and gives the callback URL.
func (l *Login) AtVendor(toVendor *Response) string {
	l.h.t.Helper()
	if toVendor.Location == nil {
		l.h.t.Fatalf("authorize: no redirect to the vendor: %d %s", toVendor.Status, toVendor.Body)
	}
	if toVendor.Query("error") != "" {
		l.h.t.Fatalf("authorize: %s", toVendor.Location)
	}
	back := l.Browser.Get(toVendor.Location.String())
	if back.Location == nil {
		l.h.t.Fatalf("vendor: no redirect to the callback: %d %s", back.Status, back.Body)
	}
	return back.Location.String()
}

// Finish walks from the vendor to the client, and keeps the code.
func (l *Login) Finish(toVendor *Response) *Response {
	l.h.t.Helper()
	r := l.Browser.Get(l.AtVendor(toVendor))
	l.Code = r.Query("code")
	return r
}

// Login walks a whole login up to the code.
func (h *Harness) Login(client string) *Login {
	h.t.Helper()
	l := h.NewLogin(client)
	l.Walk()
	return l
}

// Walk goes from Authorize to the code.
func (l *Login) Walk() {
	l.h.t.Helper()
	if r := l.Finish(l.Authorize()); l.Code == "" {
		l.h.t.Fatalf("callback: no code: %d %s %v", r.Status, r.Body, r.Location)
	}
}

// Form is the token request for the code.
func (l *Login) Form() url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {l.Code}, "code_verifier": {l.Verifier}, "redirect_uri": {l.Params.Get("redirect_uri")},
	}
}

// Redeem sends Form.
func (l *Login) Redeem() *Response {
	l.h.t.Helper()
	return l.Send(l.Form())
}

// Send sends a token request, authenticated as the client does by default.
func (l *Login) Send(form url.Values) *Response {
	l.h.t.Helper()
	return l.h.Token(l.TokenURL, form, l.h.Auth(l.Client))
}

// Vendor is the vendor of Standard.
func (l *Login) Vendor() *fakevendor.Server { return l.h.Fake }

// Refresh redeems a refresh token.
func (l *Login) Refresh(token string, more ...string) *Response {
	l.h.t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Add(more[i], more[i+1])
	}
	return l.Send(form)
}
