// SPDX-License-Identifier: Apache-2.0

package binary

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/canary"
)

// TestCanary: a check that never fails is no check.
func TestCanary(t *testing.T) {
	const code, token = "the-code-0123456789", "the-token-0123456789"
	for place, leak := range map[string]func(l *listener){
		"what was written": func(l *listener) { l.written = append(l.written, bytes.NewBufferString("token="+token)) },
		"an answer":        func(l *listener) { l.bodies = append(l.bodies, "<p>"+code) },
		"nowhere":          func(*listener) {},
	} {
		l := newListener()
		next := answers(`{"access_token":"` + token + `"}`)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://broker.example/?code="+code, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (listening{l, next, "broker.example"}).RoundTrip(r); err != nil {
			t.Fatal(err)
		}
		leak(l)
		h := &canary.Heard{TB: t}
		l.check(h)
		if found := len(h.Errors) == 1 && strings.HasPrefix(h.Errors[0], place); found != (place != "nowhere") {
			t.Errorf("%s: heard %q", place, h.Errors)
		}
	}
}

type answers string

// RoundTrip implements http.RoundTripper.
func (a answers) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(a)))}, nil
}
