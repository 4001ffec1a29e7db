// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	verifier  = "M25iVXpKU3puUjFaYWg3T1NDTDQtcW1ROUY5YXlwalNoc0hhakxifmZHag"
	challenge = "qjrzSW9gMiUgpUvqgEPE4_-8swvyCtfOVvg55o5S_es"
	scope     = "openid profile offline_access"
)

// browserHeaders are what a browser sends along, in short.
func browserHeaders() [][2]string {
	return [][2]string{
		{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Benchmark"}, {"Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"},
		{"Accept-Encoding", "gzip, deflate, br"}, {"Accept-Language", "en"},
	}
}

// times are how long the steps of one piece of work took. A step of no time was
// not part of it.
type times struct {
	Authorize, Vendor, Callback, Token time.Duration
}

// brokers is the time without the vendor's own page.
func (t times) brokers() time.Duration { return t.Authorize + t.Callback + t.Token }

// user is one person's browser and the client that the person signs in to. It
// has a connection of its own to the broker and one to the vendor, and keeps both.
type user struct {
	broker, vendor *conn
	// trust is for browsers that have no connection yet.
	trust *tls.Config
	// tenants is how many there are to log in to; next is this user's next.
	tenants, next, step int
	// refreshToken is what the last answer held.
	refreshToken string
	tenant       int
}

// login is a complete login: authorize, the vendor's page, callback, token.
func (u *user) login() (times, error) { return u.loginWith(u.broker) }

// visit is a login as people make it: their browser has no connection to the
// broker yet, and speaks HTTP/2. The client's server keeps its connection.
func (u *user) visit() (times, error) {
	b := newBrowser(u.broker.address, u.trust)
	defer b.close()
	return u.loginWith(b)
}

func (u *user) loginWith(browser getter) (times, error) {
	var t times
	u.tenant = u.next % u.tenants
	u.next += u.step
	ask := url.Values{
		"client_id": {clientID(u.tenant)}, "redirect_uri": {redirectURI}, "response_type": {"code"}, "scope": {scope},
		"state": {"client-state-" + strconv.Itoa(u.next)}, "nonce": {nonceAt(u.next)}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	toVendor, cookie, err := follow(&t.Authorize, browser, "/v1/vendors/"+vendorName+"/authorize?"+ask.Encode(), "")
	if err != nil {
		return t, fmt.Errorf("authorize: %w", err)
	}
	toBroker, _, err := follow(&t.Vendor, u.vendor, toVendor.RequestURI(), "")
	if err != nil {
		return t, fmt.Errorf("the vendor's page: %w", err)
	}
	toClient, _, err := follow(&t.Callback, browser, toBroker.RequestURI(), cookie)
	if err != nil {
		return t, fmt.Errorf("callback: %w", err)
	}
	back := toClient.Query()
	if back.Get("state") != ask.Get("state") {
		return t, fmt.Errorf("callback leads to %s", toClient)
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {back.Get("code")}, "redirect_uri": {redirectURI}, "code_verifier": {verifier}}
	if err := u.token(&t.Token, form); err != nil {
		return t, fmt.Errorf("token: %w", err)
	}
	return t, nil
}

// refresh uses the last answer's refresh token.
func (u *user) refresh() (times, error) {
	var t times
	err := u.token(&t.Token, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {u.refreshToken}})
	if err != nil {
		err = fmt.Errorf("refresh: %w", err)
	}
	return t, err
}

// direct redeems a code at the vendor, as a client without a broker would: it is
// the round trip that nobody can save.
func (u *user) direct() (times, error) {
	var t times
	u.next++
	form := url.Values{"grant_type": {"authorization_code"}, "code": {"4/0AeaYSHDqVb3k2JmX9n1uTg7pQ5cR8wZyLfKe-" + nonceAt(u.next)}, "redirect_uri": {redirectURI}, "code_verifier": {verifier}}
	start := time.Now()
	got, err := u.vendor.post("/token", appID, appSecret, form)
	t.Token = time.Since(start)
	if err == nil && !bytes.Contains(got.body, []byte(`"id_token"`)) {
		err = fmt.Errorf("the vendor answers %.200s", got.body)
	}
	return t, err
}

// getter is what a browser does.
type getter interface {
	get(path, cookie string) (answer, error)
}

// follow makes a browser's request and returns where it is sent on to, and the
// cookie that was set.
func follow(took *time.Duration, browser getter, path, cookie string) (to *url.URL, set string, err error) {
	start := time.Now()
	got, err := browser.get(path, cookie)
	*took = time.Since(start)
	if err != nil {
		return nil, "", err
	}
	if got.status != http.StatusFound {
		return nil, "", fmt.Errorf("status %d: %.300s", got.status, got.body)
	}
	set, _, _ = strings.Cut(got.header.Get("Set-Cookie"), ";")
	to, err = url.Parse(got.header.Get("Location"))
	return to, set, err
}

// token makes a client's request and keeps the refresh token of the answer.
func (u *user) token(took *time.Duration, form url.Values) error {
	start := time.Now()
	got, err := u.broker.post("/v1/vendors/"+vendorName+"/token", clientID(u.tenant), clientSecret, form)
	*took = time.Since(start)
	if err != nil {
		return err
	}
	var tokens struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.Unmarshal(got.body, &tokens); err != nil || got.status != http.StatusOK || tokens.AccessToken == "" || tokens.RefreshToken == "" {
		return fmt.Errorf("status %d: %.300s", got.status, got.body)
	}
	u.refreshToken = tokens.RefreshToken
	return nil
}

// conn is a keep-alive connection. It is leaner than net/http's client, so that
// the users leave the machine's cores to the broker.
type conn struct {
	address string
	net     net.Conn
	reader  *bufio.Reader
}

func dial(ctx context.Context, address string, trust *tls.Config) (*conn, error) {
	conf := trust.Clone()
	conf.NextProtos = []string{"http/1.1"}
	c, err := (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return &conn{address: address, net: c, reader: bufio.NewReaderSize(c, 8<<10)}, nil
}

// answer is an HTTP answer that was read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (c *conn) get(path, cookie string) (answer, error) {
	var head strings.Builder
	head.WriteString("GET " + path + " HTTP/1.1\r\nHost: " + c.address + "\r\n")
	for _, h := range browserHeaders() {
		head.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	if cookie != "" {
		head.WriteString("Cookie: " + cookie + "\r\n")
	}
	return c.do(head.String()+"\r\n", "")
}

func (c *conn) post(path, id, password string, form url.Values) (answer, error) {
	body := form.Encode()
	return c.do("POST "+path+" HTTP/1.1\r\nHost: "+c.address+"\r\nUser-Agent: bench\r\nAccept: application/json\r\n"+
		"Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte(id+":"+password))+"\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n", body)
}

func (c *conn) do(head, body string) (answer, error) {
	if err := c.net.SetDeadline(time.Now().Add(patience)); err != nil {
		return answer{}, err
	}
	if _, err := io.WriteString(c.net, head+body); err != nil {
		return answer{}, err
	}
	resp, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, b}, err
}

func (c *conn) close() {
	if c != nil {
		_ = c.net.Close()
	}
}

// browser has a connection of its own, over HTTP/2, from its first request until
// it is closed.
type browser struct {
	address   string
	transport *http.Transport
}

func newBrowser(address string, trust *tls.Config) *browser {
	return &browser{address, &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: true, MaxConnsPerHost: 1}}
}

func (b *browser) get(path, cookie string) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+b.address+path, http.NoBody)
	if err != nil {
		return answer{}, err
	}
	for _, h := range browserHeaders() {
		req.Header.Set(h[0], h[1])
	}
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	resp, err := b.transport.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 {
		return answer{}, fmt.Errorf("the broker speaks %s", resp.Proto)
	}
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, body}, err
}

func (b *browser) close() { b.transport.CloseIdleConnections() }
