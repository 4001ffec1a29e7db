// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// router is the network: requests to the public host go to a living replica,
// requests to a vendor's host to that vendor, and nothing goes anywhere else.
type router struct {
	canary     *canary
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
	req, err = r.canary.request(req)
	if err != nil {
		return nil, err
	}
	resp, err := r.transports[n].RoundTrip(req)
	if err != nil {
		return nil, err
	}
	return resp, r.canary.response(resp)
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

// authority is a throw-away CA with one certificate for the public host.
type authority struct{ server, client *tls.Config }

func newAuthority(t testing.TB) *authority {
	t.Helper()
	caKey, caCert := newCertificate(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "throw-away CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	key, cert := newCertificate(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: Host}, DNSNames: []string{Host}, KeyUsage: x509.KeyUsageDigitalSignature,
	}, caCert, caKey)
	pool := x509.NewCertPool()
	pool.AddCert(caCert)
	return &authority{
		server: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}},
		client: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool},
	}
}

// newCertificate signs template with the CA's key, or with its own where ca is nil.
func newCertificate(t testing.TB, template, ca *x509.Certificate, caKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(1), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if ca == nil {
		ca, caKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, &key.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}
