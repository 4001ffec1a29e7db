// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/authority"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// proxy is an HTTP proxy that leads every CONNECT to one vendor.
type proxy struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	p := &proxy{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked = append(p.asked, r.Method+" "+r.Host)
		p.mu.Unlock()
		far, err := (&net.Dialer{}).DialContext(context.WithoutCancel(r.Context()), "tcp", to)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusOK)
		near, early, err := http.NewResponseController(w).Hijack()
		if err != nil {
			_ = far.Close()
			return
		}
		// The first bytes may have come before the connection was taken over.
		go func() { _, _ = io.Copy(far, early); _ = far.Close() }()
		_, _ = io.Copy(near, far)
		_ = near.Close()
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *proxy) saw() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// TestOutbound_proxyAndCA: HTTPS_PROXY leads to a vendor that only the proxy can
// reach, and SSL_CERT_FILE names the CA that signed for it. The vendor's host is
// one that the fake's certificate is for; it is never looked up here.
func TestOutbound_proxyAndCA(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := newProxy(t, strings.TrimPrefix(s.envy.Issuer(), "https://"))
	manifests := s.manifests(t)
	envy := strings.Replace(manifests["envy.yaml"], "token: "+s.envy.Issuer(), "token: https://example.com", 1)
	own, _, _ := strings.Cut(envy, "  transport:")
	s.Write("config/envy.yaml", own)
	s.Write("ca.pem", string(s.envy.CAPEM()))
	s.Env = []string{
		"OAUTH_BROKER_ENVY_CLIENT_ID=environment-app", "OAUTH_BROKER_ENVY_CLIENT_SECRET=" + envSecret,
		"HTTPS_PROXY=" + p.URL, "https_proxy=", "NO_PROXY=", "no_proxy=", "SSL_CERT_FILE=" + s.Path("ca.pem"), "SSL_CERT_DIR=" + t.TempDir(),
	}
	s.Start().Ready()
	login(t, s.cli("envy"))
	login(t, s.cli("envy"))
	if got := p.saw(); len(got) != 1 || got[0] != "CONNECT example.com:443" {
		t.Errorf("the proxy saw %q, want one tunnel to the vendor", got)
	}
	if n := s.envy.Stats().CodesRedeemed; n != 2 {
		t.Errorf("the vendor redeemed %d codes", n)
	}
	// A vendor of the loopback needs no proxy, and its own CA is still its own.
	login(t, s.web())
	if got := p.saw(); len(got) != 1 {
		t.Errorf("the proxy saw %q", got)
	}
}

// byAddress stands before a vendor at an address that Go does not take for the
// loopback, which no proxy is asked for whatever NO_PROXY says, and that leads
// there all the same.
func byAddress(t *testing.T, ca *authority.Authority, vendor *fakevendor.Server) (url string) {
	t.Helper()
	const address = "0.0.0.0"
	certificate, err := ca.Issue(address)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Scheme, r.URL.Host, r.RequestURI = "https", strings.TrimPrefix(vendor.Issuer(), "https://"), ""
		answer, err := vendor.Client().Transport.RoundTrip(r)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer func() { _ = answer.Body.Close() }()
		w.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", address, 1)
}

// TestOutbound_noProxy: the hosts of NO_PROXY are called without the proxy, and
// all others through it.
func TestOutbound_noProxy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	url := byAddress(t, s.CA, s.envy)
	p := newProxy(t, strings.Replace(strings.TrimPrefix(url, "https://"), "0.0.0.0", "127.0.0.1", 1))
	envy := strings.Replace(s.manifests(t)["envy.yaml"], "token: "+s.envy.Issuer(), "token: "+url, 1)
	own, _, _ := strings.Cut(envy, "  transport:")
	s.Write("config/envy.yaml", own)
	s.Write("ca.pem", string(s.CA.PEM()))
	for noProxy, tunnels := range map[string]int{"": 1, "10.0.0.0/8,.example.com,0.0.0.0:1": 1, "10.0.0.0/8, 0.0.0.0/8": 0, "0.0.0.0": 0, "*": 0} {
		s.Env = []string{
			"OAUTH_BROKER_ENVY_CLIENT_ID=environment-app", "OAUTH_BROKER_ENVY_CLIENT_SECRET=" + envSecret,
			"HTTPS_PROXY=" + p.URL, "https_proxy=", "NO_PROXY=" + noProxy, "no_proxy=", "SSL_CERT_FILE=" + s.Path("ca.pem"), "SSL_CERT_DIR=" + t.TempDir(),
		}
		b := s.Start()
		b.Ready()
		before := len(p.saw())
		login(t, s.cli("envy"))
		if got := p.saw()[before:]; len(got) != tunnels {
			t.Errorf("NO_PROXY=%s: the proxy saw %q, want %d tunnels", noProxy, got, tunnels)
		}
		b.Stop()
	}
}
