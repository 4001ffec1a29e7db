// SPDX-License-Identifier: Apache-2.0

package broker_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/broker/live"
	"github.com/oauthbroker/oauth-broker/broker/once"
	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
)

// A replica that drains answers what still comes, and asks each client to come
// back on another connection.
func TestServer_drainHandsClientsOver(t *testing.T) {
	keys, err := seal.NewKeys(keyring.New(time.Now()), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	s, err := broker.New(broker.Config{
		PublicURL: "https://broker.example", Config: &live.Config{}, Keys: keys, Once: once.Stateless{},
		Registry: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(s.Public())
	defer ts.Close()
	for _, draining := range []bool{false, true} {
		if draining {
			s.Drain()
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, ts.URL+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := ts.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusOK || resp.Close != draining {
			t.Errorf("draining %v: %d, the connection closes: %v", draining, resp.StatusCode, resp.Close)
		}
	}
}
