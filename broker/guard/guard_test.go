// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/guard"
)

func TestRedTeam_I12_SpecialAddresses(t *testing.T) {
	for _, address := range []string{
		"169.254.169.254:80", "100.64.0.1:443", "127.0.0.1:443", "10.0.0.1:443", "172.16.0.1:443", "192.168.1.1:443",
		"0.0.0.0:443", "224.0.0.1:443", "255.255.255.255:443", "192.0.2.1:443", "198.18.0.1:443", "240.0.0.1:443",
		"[::1]:443", "[::]:443", "[::ffff:127.0.0.1]:443", "[::ffff:10.0.0.1]:443", "[64:ff9b::7f00:1]:443",
		"[64:ff9b:1:a9fe:a9:fe00::]:443", "[::ffff:0:a9fe:a9fe]:443", "[::7f00:1]:443", "[2002:a9fe:a9fe::1]:443",
		"[2606:4700::5efe:192.168.1.1]:443", "[2606:4700::200:5efe:192.168.1.1]:443", "[2606:4700::5efe:7f00:1]:443", "[2001::1]:443", "[3fff::1]:443", "[fe80::1]:443", "[fc00::1]:443", "[ff02::1]:443", "[2001:db8::1]:443", "not an address",
	} {
		network := "tcp4"
		if address[0] == '[' {
			network = "tcp6"
		}
		if err := guard.Control(network, address, nil); !errors.Is(err, guard.ErrRefused) {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, c := range [][2]string{{"tcp4", "1.1.1.1:443"}, {"tcp4", "8.8.8.8:8443"}, {"tcp6", "[2606:4700::1111]:443"},
		{"tcp6", "[2606:4700::100:5efe:c0a8:101]:443"}, {"tcp6", "[2606:4700::1:5efe:c0a8:101]:443"}, {"tcp6", "[2606:4700::4efe:c0a8:101]:443"}, {"tcp6", "[2606:4700::5eff:c0a8:101]:443"}} {
		if err := guard.Control(c[0], c[1], nil); err != nil {
			t.Errorf("%s is refused: %v", c[1], err)
		}
	}
}

func TestClient_refusesAtConnectTime(t *testing.T) {
	called := false
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer s.Close()
	transport, ok := s.Client().Transport.(*http.Transport)
	if !ok {
		t.Fatal("the test server's client has another transport")
	}
	for _, allow := range []bool{false, true} {
		c := guard.NewClient(guard.Options{Timeout: 5 * time.Second, AllowLoopback: allow, RootCAs: transport.TLSClientConfig.RootCAs})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		if called != allow || (err == nil) != allow {
			t.Errorf("AllowLoopback %v: called %v, error %v", allow, called, err)
		}
	}
}

// TestClient_usesNoProxy: a proxy would resolve the name itself, and reach what
// the guard never sees.
func TestClient_usesNoProxy(t *testing.T) {
	asked := false
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked = true
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer proxy.Close()
	t.Setenv("HTTPS_PROXY", proxy.URL)
	t.Setenv("HTTP_PROXY", proxy.URL)
	c := guard.NewClient(guard.Options{Timeout: 5 * time.Second})
	if transport, ok := c.Transport.(*http.Transport); !ok || transport.Proxy != nil {
		t.Errorf("the transport %T takes a proxy", c.Transport)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://10.1.2.3/document", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	if !errors.Is(err, guard.ErrRefused) || asked {
		t.Errorf("got %v, the proxy was asked: %v", err, asked)
	}
}

// TestClient_onlyHTTPS: what came over http anybody on the way may have written.
func TestClient_onlyHTTPS(t *testing.T) {
	called := false
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer s.Close()
	if _, err := call(t.Context(), guard.NewClient(guard.Options{Timeout: 5 * time.Second, AllowLoopback: true}), s.URL); !errors.Is(err, guard.ErrRefused) || called {
		t.Errorf("error %v, called %v", err, called)
	}
}
