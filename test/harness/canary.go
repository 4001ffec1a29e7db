// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/canary"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// listener hears every secret that passes the router, and keeps the bodies in
// which none may stand.
type listener struct {
	*canary.Secrets
	mu      sync.Mutex
	planted map[string]string // those that no answer at all may hold
	vendors []*fakevendor.Server
	bodies  []string // of errors and pages
	given   []string // tokens and registrations
}

func newListener() *listener {
	return &listener{Secrets: canary.New(), planted: map[string]string{}}
}

// Plant adds a secret to look for: it must not stand in any log, metric or answer.
func (h *Harness) Plant(what, value string) { h.listener.plant(what, value) }

func (l *listener) plant(what, value string) {
	if l.Mark(what, value) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.planted[value] = what
	}
}

func (l *listener) watch(v *fakevendor.Server) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.vendors = append(l.vendors, v)
}

// request hears a request to a broker.
func (l *listener) request(req *http.Request) (*http.Request, error) {
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
	l.Request(req, body)
	return req, nil
}

// response hears an answer and keeps its body.
func (l *listener) response(resp *http.Response) error {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("reading the broker's answer: %w", err)
	}
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	given := l.Answer(resp, body)
	l.mu.Lock()
	defer l.mu.Unlock()
	if given {
		l.given = append(l.given, string(body))
		return nil
	}
	// A link back to the client is an authorization response: its state is meant
	// for this browser.
	l.bodies = append(l.bodies, withoutLink(string(body)))
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

// CheckNoSecrets searches logs, metrics and error answers for every secret that
// was planted or passed by, and the answers with tokens for the planted ones.
// It runs at the end of every test by itself.
func (h *Harness) CheckNoSecrets(t testing.TB) {
	t.Helper()
	l := h.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range l.vendors {
		l.Vendor(v)
	}
	places := map[string]string{"the log": h.Logs(), "the audit log": h.Audit(), "the metrics": h.Metrics(), "an error answer or page": strings.Join(l.bodies, "\n")}
	for place, read := range h.options.Look {
		places[place] = read()
	}
	l.Check(t, places)
	given := strings.Join(l.given, "\n")
	for value, what := range l.planted {
		if strings.Contains(given, value) {
			t.Errorf("a token answer holds a secret: %s", what)
		}
	}
}
