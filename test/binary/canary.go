// SPDX-License-Identifier: Apache-2.0

package binary

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

// listener hears every secret that passes by, and looks for it in logs and
// metrics.
type listener struct {
	*canary.Secrets
	vendors []*fakevendor.Server
	// written by the processes, and their metrics.
	written []fmt.Stringer

	mu     sync.Mutex
	bodies []string // the broker's answers that hold no tokens
}

func newListener() *listener { return &listener{Secrets: canary.New()} }

// Plant adds a secret that must not be logged.
func (in *Install) Plant(what, value string) { in.listener.Mark(what, value) }

// Watch adds a vendor: what it was sent is secret, too.
func (in *Install) Watch(v *fakevendor.Server) {
	in.listener.vendors = append(in.listener.vendors, v)
}

// listening is a transport that the listener hears.
type listening struct {
	listener *listener
	next     http.RoundTripper
	broker   string // address
}

// RoundTrip implements http.RoundTripper.
func (l listening) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.GetBody != nil {
		if copied, err := r.GetBody(); err == nil {
			body, _ = io.ReadAll(copied)
		}
	}
	l.listener.Request(r, body)
	answer, err := l.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	return answer, l.listener.hear(answer, r.URL.Host == l.broker)
}

// hear hears an answer and keeps the broker's bodies.
func (l *listener) hear(answer *http.Response, broker bool) error {
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("reading an answer: %w", err)
	}
	_ = answer.Body.Close()
	answer.Body = io.NopCloser(bytes.NewReader(body))
	if given := l.Answer(answer, body); broker && !given {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.bodies = append(l.bodies, string(body))
	}
	return nil
}

// check looks for every secret in every log, metric and answer without tokens.
func (l *listener) check(t testing.TB) {
	t.Helper()
	for _, v := range l.vendors {
		l.Vendor(v)
	}
	places := map[string]string{"an answer": strings.Join(l.bodies, "\n")}
	for i, w := range l.written {
		places[fmt.Sprintf("what was written (%d)", i)] = w.String()
	}
	l.Check(t, places)
}
