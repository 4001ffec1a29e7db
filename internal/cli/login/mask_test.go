// SPDX-License-Identifier: Apache-2.0

package login

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// steering is text that would steer a terminal, or turn the text around it.
const steering = "\x1b]0;x\a\u009b2J\u202e"

// TestText_steersNoTerminal: a vendor chooses names and values of members.
func TestText_steersNoTerminal(t *testing.T) {
	for _, v := range []any{"a" + steering, map[string]any{"a" + steering: "b" + steering}} {
		if got := Text(v); strings.ContainsAny(got, steering[:1]+"\a\u009b\u202e") || !strings.Contains(got, "a") {
			t.Errorf("got %q", got)
		}
	}
}

// TestDiscover_steersNoTerminal: whoever answers at the address that was given
// need not be a broker.
func TestDiscover_steersNoTerminal(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"issuer":"https://a\u001b]0;x\u0007","authorization_endpoint":"x","token_endpoint":"x"}`))
	}))
	defer server.Close()
	f := Flow{Broker: server.URL, Vendor: "acme", HTTP: server.Client()}
	if _, err := f.Run(t.Context()); err == nil || strings.ContainsAny(err.Error(), "\x1b\a") || !strings.Contains(err.Error(), "https://a") {
		t.Errorf("got %q", err)
	}
}

// TestDiscover_plainHTTP: nothing is sent in the clear to another machine.
func TestDiscover_plainHTTP(t *testing.T) {
	for _, broker := range []string{"http://broker.example.com", "ftp://127.0.0.1", "http://127.0.0.1.example.com"} {
		f := Flow{Broker: broker, Vendor: "acme", HTTP: &http.Client{Transport: http.NewFileTransport(http.Dir(t.TempDir()))}}
		if _, err := f.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "must be https") {
			t.Errorf("%s: got %v", broker, err)
		}
	}
}
