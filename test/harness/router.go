// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/authority"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// router is the network: requests to the public host go to a living replica,
// requests to a vendor's host to that vendor, and nothing goes anywhere else.
type router struct {
	listener   *listener
	replicas   []*replica
	transports []*http.Transport

	mu      sync.Mutex
	pinned  int
	next    int
	vendors map[string]http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (r *router) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != Host {
		if vendor := r.vendor(req.URL.Host); vendor != nil {
			return vendor.RoundTrip(req)
		}
		return nil, errors.New("harness: nothing may connect to " + req.URL.Host)
	}
	n, err := r.pick()
	if err != nil {
		return nil, err
	}
	req, err = r.listener.request(req)
	if err != nil {
		return nil, err
	}
	resp, err := r.transports[n].RoundTrip(req)
	if err != nil {
		return nil, err
	}
	return resp, r.listener.response(resp)
}

func (r *router) vendor(host string) http.RoundTripper {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.vendors[host]
}

func (r *router) addVendor(v *fakevendor.Server) {
	u, err := url.Parse(v.Issuer())
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.vendors[u.Host] = v.Client().Transport
}

func (r *router) pin(number int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pinned = number
}

// pick chooses the pinned replica, else the next one that lives.
func (r *router) pick() (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pinned > 0 {
		return r.pinned - 1, nil
	}
	for range r.replicas {
		n := r.next
		r.next = (r.next + 1) % len(r.replicas)
		if !r.replicas[n].dead.Load() {
			return n, nil
		}
	}
	return 0, errors.New("harness: no replica lives")
}

// transport is TLS for the public host: what replicas serve, and what clients trust.
type transport struct{ server, client *tls.Config }

func newTransport(t testing.TB) *transport {
	t.Helper()
	ca, err := authority.New()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := ca.Issue(Host)
	if err != nil {
		t.Fatal(err)
	}
	return &transport{
		server: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}},
		client: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: ca.Pool()},
	}
}
