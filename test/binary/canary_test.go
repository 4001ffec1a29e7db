// SPDX-License-Identifier: Apache-2.0

package binary

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// hearing hears what would fail a test.
type hearing struct {
	testing.TB
	heard []string
}

func (*hearing) Helper() {}

// Errorf implements testing.TB.
func (h *hearing) Errorf(format string, a ...any) {
	h.heard = append(h.heard, fmt.Sprintf(format, a...))
}

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
		h := &hearing{TB: t}
		l.check(h)
		if found := len(h.heard) == 1 && strings.HasPrefix(h.heard[0], place); found != (place != "nowhere") {
			t.Errorf("%s: heard %q", place, h.heard)
		}
	}
}

type answers string

// RoundTrip implements http.RoundTripper.
func (a answers) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(a)))}, nil
}
