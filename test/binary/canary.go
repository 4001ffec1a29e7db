// SPDX-License-Identifier: Apache-2.0

package binary

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

// canary remembers every secret that passes by, and looks for it in logs and
// metrics.
type canary struct {
	mu      sync.Mutex
	markers map[string]string // secret -> what it is
	vendors []*fakevendor.Server
	bodies  []string // the broker's answers that hold no tokens

	// logs of the processes, and their metrics.
	logs []any
}

func newCanary() *canary {
	c := &canary{markers: map[string]string{}}
	for _, prefix := range []string{"vendor-code-", "vendor-access-", "vendor-refresh-", "obl1.", "obc1.", "obr1.", "obg1."} {
		c.markers[prefix] = "something that begins with " + prefix
	}
	return c
}

// Plant adds a secret that must not be logged.
func (in *Install) Plant(what, value string) { in.canary.mark(what, value) }

// Watch adds a vendor: what it was sent is secret, too.
func (in *Install) Watch(v *fakevendor.Server) { in.canary.vendors = append(in.canary.vendors, v) }

func (c *canary) mark(what, value string) {
	if len(value) < 12 { // short values match by chance
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.markers[value] = what
}

func (c *canary) markValues(where string, values url.Values) {
	for _, name := range []string{"state", "code", "code_verifier", "client_secret", "client_assertion", "refresh_token", "access_token", "nonce"} {
		for _, v := range values[name] {
			c.mark(name+" of a "+where, v)
		}
	}
}

func (c *canary) markAuthorization(h http.Header) {
	_, value, _ := strings.Cut(h.Get("Authorization"), " ")
	c.mark("Authorization header", value)
	if raw, err := base64.StdEncoding.DecodeString(value); err == nil {
		_, password, _ := strings.Cut(string(raw), ":")
		c.mark("password", password)
	}
}

// listening is a transport that the canary hears.
type listening struct {
	canary *canary
	next   http.RoundTripper
	broker string // address
}

// RoundTrip implements http.RoundTripper.
func (l listening) RoundTrip(r *http.Request) (*http.Response, error) {
	l.canary.markValues("query", r.URL.Query())
	l.canary.markAuthorization(r.Header)
	for _, cookie := range r.Cookies() {
		l.canary.mark("cookie", cookie.Value)
	}
	if r.GetBody != nil {
		if copied, err := r.GetBody(); err == nil {
			b, _ := io.ReadAll(copied)
			if form, err := url.ParseQuery(string(b)); err == nil {
				l.canary.markValues("form", form)
			}
		}
	}
	answer, err := l.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	return answer, l.canary.hear(answer, r.URL.Host == l.broker)
}

// hear notes the secrets of an answer and keeps the broker's bodies.
func (c *canary) hear(answer *http.Response, broker bool) error {
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("reading an answer: %w", err)
	}
	_ = answer.Body.Close()
	answer.Body = io.NopCloser(bytes.NewReader(body))
	if to, err := answer.Location(); err == nil {
		c.markValues("redirect", to.Query())
	}
	for _, cookie := range answer.Cookies() {
		c.mark("cookie", cookie.Value)
	}
	var tokens map[string]any
	if json.Unmarshal(body, &tokens) == nil && tokens["access_token"] != nil {
		for _, name := range []string{"access_token", "refresh_token", "id_token"} {
			value, _ := tokens[name].(string)
			c.mark(name, value)
		}
		return nil
	}
	if broker {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.bodies = append(c.bodies, string(body))
	}
	return nil
}

// check looks for every marker in every log, metric and answer without tokens.
func (c *canary) check(t testing.TB) {
	t.Helper()
	for _, v := range c.vendors {
		for _, r := range v.Requests() {
			c.markValues("vendor request", r.Query)
			c.markValues("vendor request", r.Form)
			c.markAuthorization(r.Header)
		}
	}
	places := map[string]string{"an answer": strings.Join(c.bodies, "\n")}
	for i, l := range c.logs {
		switch l := l.(type) {
		case *Buffer:
			places[fmt.Sprintf("log %d", i)] = l.String()
		case io.Reader:
			b, _ := io.ReadAll(l)
			places[fmt.Sprintf("metrics %d", i)] = string(b)
		}
	}
	for place, text := range places {
		for value, what := range c.markers {
			if strings.Contains(text, value) {
				t.Errorf("%s holds a secret: %s (%.30s...)", place, what, value)
			}
		}
	}
}
