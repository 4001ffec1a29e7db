// SPDX-License-Identifier: Apache-2.0

package broker_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/broker/live"
	"github.com/oauthbroker/oauth-broker/broker/once"
	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
)

// Issuers and redirect URIs are made of the public URL, letter by letter: a broker
// with another one than clients and vendors compare with does not start.
func TestNew_publicURL(t *testing.T) {
	keys, err := seal.NewKeys(keyring.New(time.Now()), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]struct{ good, inDevelopment bool }{
		"https://broker.example": {true, true}, "https://broker.example:8443": {true, true}, "https://127.0.0.1:8443": {true, true},
		"http://localhost:8080": {false, true}, "http://127.0.0.1:8080": {false, true}, "http://[::1]:8080": {false, true},
		"http://broker.example": {}, "http://127.0.0.1.nip.io": {}, "http://10.0.0.1": {},
		"https://broker.example/": {}, "https://broker.example/path": {}, "https://broker.example?x=y": {}, "https://broker.example#x": {},
		"https://user@broker.example": {}, "https://BROKER.example": {}, "https://": {}, "broker.example": {}, "": {}, "//broker.example": {},
		"ftp://broker.example": {}, "https://broker.example:port": {}, "https://bro ker.example": {},
	} {
		for _, development := range []bool{false, true} {
			_, err := broker.New(broker.Config{
				PublicURL: address, Development: development, Config: &live.Config{}, Keys: keys, Once: once.Stateless{},
				Registry: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Now: time.Now,
			})
			if good := want.good || development && want.inDevelopment; (err == nil) != good {
				t.Errorf("%q, development %v: %v", address, development, err)
			}
		}
	}
}
