// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// canary remembers every secret that passes the router, and the bodies in which
// none may stand.
type canary struct {
	mu      sync.Mutex
	markers map[string]string // secret -> what it is; never nil
	static  []string          // those that no answer at all may hold
	vendors []*fakevendor.Server
	bodies  []string // of errors and pages
	good    []string // of answers with tokens
}

// minMarker keeps short test values ("x", "abc") from matching by chance.
const minMarker = 12

// prefixes of what fakevendor and seal make.
func prefixes() []string {
	return []string{"vendor-code-", "vendor-access-", "vendor-refresh-", "obl1.", "obc1.", "obr1."}
}

// Plant adds a secret to look for: it must not stand in any log, metric or answer.
func (h *Harness) Plant(what, value string) { h.canary.plant(what, value) }

func (c *canary) plant(what, value string) {
	if len(value) < minMarker {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.static = append(c.static, value)
	c.mark(what, value)
}

func (c *canary) mark(what, value string) {
	if len(value) < minMarker {
		return
	}
	c.markers[value] = what
}

func (c *canary) watch(v *fakevendor.Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.vendors = append(c.vendors, v)
}

// request notes the secrets of a request to a broker.
func (c *canary) request(req *http.Request) (*http.Request, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req.Body.Close()
		req = req.Clone(req.Context())
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.markValues("query", req.URL.Query())
	if form, err := url.ParseQuery(string(body)); err == nil && len(body) < 1<<20 {
		c.markValues("form", form)
	}
	for _, cookie := range req.Cookies() {
		c.mark("cookie", cookie.Value)
	}
	c.markAuthorization(req.Header)
	return req, nil
}

func (c *canary) markAuthorization(h http.Header) {
	_, value, _ := strings.Cut(h.Get("Authorization"), " ")
	c.mark("Authorization header", value)
	if raw, err := base64.StdEncoding.DecodeString(value); err == nil {
		_, password, _ := strings.Cut(string(raw), ":")
		c.mark("password", password)
	}
}

func (c *canary) markValues(where string, values url.Values) {
	for _, name := range []string{"state", "code", "code_verifier", "client_secret", "client_assertion", "refresh_token", "access_token", "token"} {
		for _, v := range values[name] {
			c.mark(name+" of a "+where, v)
		}
	}
}

// response notes the secrets of an answer and keeps its body.
func (c *canary) response(resp *http.Response) error {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("reading the broker's answer: %w", err)
	}
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	c.mu.Lock()
	defer c.mu.Unlock()
	if to, err := resp.Location(); err == nil {
		c.markValues("redirect", to.Query())
	}
	for _, cookie := range resp.Cookies() {
		c.mark("cookie", cookie.Value)
	}
	if resp.StatusCode <= http.StatusCreated && c.markTokens(body) {
		c.good = append(c.good, string(body))
		return nil
	}
	// A link back to the client is an authorization response: its state is meant
	// for this browser.
	c.bodies = append(c.bodies, withoutLink(string(body)))
	return nil
}

// withoutLink takes the address out of a page's link.
func withoutLink(page string) string {
	before, rest, found := strings.Cut(page, `<a href="`)
	_, after, closed := strings.Cut(rest, `"`)
	if !found || !closed {
		return page
	}
	return before + "<a>" + after
}

// markTokens notes the secrets of a token answer or a registration, which must
// stand in it; ok is false for any other body.
func (c *canary) markTokens(body []byte) (ok bool) {
	var tokens struct {
		Access       string `json:"access_token"`
		Refresh      string `json:"refresh_token"`
		ID           string `json:"id_token"`
		ClientID     string `json:"client_id"`
		Secret       string `json:"client_secret"`
		Registration string `json:"registration_access_token"`
	}
	if json.Unmarshal(body, &tokens) != nil || tokens.Access == "" && tokens.ClientID == "" {
		return false
	}
	c.mark("access token", tokens.Access)
	c.mark("refresh token", tokens.Refresh)
	c.mark("ID token", tokens.ID)
	c.mark("client secret of a registration", tokens.Secret)
	c.mark("registration access token", tokens.Registration)
	return true
}

// CheckNoSecrets searches logs, metrics and error answers for every secret that
// was planted or passed by, and the answers with tokens for the planted ones.
// It runs at the end of every test by itself.
func (h *Harness) CheckNoSecrets(t testing.TB) {
	t.Helper()
	c := h.canary
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range c.vendors {
		for _, r := range v.Requests() {
			c.markValues("vendor request", r.Query)
			c.markValues("vendor request", r.Form)
			c.markAuthorization(r.Header)
		}
	}
	for _, p := range prefixes() {
		c.markers[p] = "something that begins with " + p
	}
	places := map[string]string{"the log": h.Logs(), "the audit log": h.Audit(), "the metrics": h.Metrics(), "an error answer or page": strings.Join(c.bodies, "\n")}
	for place, read := range h.options.Look {
		places[place] = read()
	}
	for place, text := range places {
		for value, what := range c.markers {
			if strings.Contains(text, value) {
				t.Errorf("%s holds a secret: %s (%q)", place, what, shorten(value))
			}
		}
	}
	all := strings.Join(c.good, "\n")
	for _, value := range c.static {
		if strings.Contains(all, value) {
			t.Errorf("a token answer holds a secret: %s", c.markers[value])
		}
	}
}

func shorten(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}
