// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// flood registers until the broker refuses, and tells whether it ever did.
func flood(h *harness.Harness, body string, header http.Header) bool {
	for range 100 {
		if post(h, body, header) == http.StatusTooManyRequests {
			return true
		}
	}
	return false
}

func post(h *harness.Harness, body string, header http.Header) int {
	header = header.Clone()
	header.Set("Content-Type", "application/json")
	return h.Send(http.MethodPost, registerURL, body, header).Status
}

// Whoever uses up a limit uses up the own one: strangers count by address, as a
// proxy that is trusted tells it, and clients of the platform by name.
func TestRedTeam_H09_FloodIsOnesOwn(t *testing.T) {
	const document, atAcme = `{"redirect_uris":["https://app.example/cb"]}`, `{"vendor":"acme"}`
	s := open()
	s.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	edit := s.Edit
	s.Edit = func(d *runtimeconfig.Document) {
		edit(d)
		d.Clients = append(d.Clients, harness.WithSecret(harness.Client("tenant-a.second", harness.VendorName), harness.WebSecret))
	}
	from := func(address, authorization string) http.Header {
		header := http.Header{"X-Forwarded-For": {address}}
		if authorization != "" {
			header.Set("Authorization", authorization)
		}
		return header
	}
	h := harness.Standard(t, s)
	h.Pin(1)
	if !flood(h, document, from("203.0.113.1", "")) {
		t.Error("a stranger may register without end")
	}
	if status := post(h, document, from("203.0.113.2", "")); status != http.StatusCreated {
		t.Errorf("another stranger: %d", status)
	}
	if !flood(h, atAcme, from("203.0.113.3", web())) {
		t.Error("a client may register at a vendor without end")
	}
	for what, header := range map[string]http.Header{
		"another client at the same address": from("203.0.113.3", basicHeader("tenant-a.second", harness.WebSecret)), "the stranger's address": from("203.0.113.1", basicHeader("tenant-a.second", harness.WebSecret)),
	} {
		if status := post(h, atAcme, header); status == http.StatusTooManyRequests || status == http.StatusUnauthorized {
			t.Errorf("%s: %d", what, status)
		}
	}
	if status := post(h, atAcme, from("203.0.113.4", web())); status != http.StatusTooManyRequests {
		t.Errorf("the client that flooded, at another address: %d", status)
	}
}
