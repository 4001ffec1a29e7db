// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/oauthbroker/oauth-broker/test/authority"
)

// Names of the files that all processes share.
const (
	certFile = "tls.crt"
	keyFile  = "tls.key"
)

// newCertificate writes one certificate for loopback, which is its own
// authority, and its key. P-256 is what most servers have today.
func newCertificate(dir string) error {
	a, err := authority.New("localhost", "127.0.0.1")
	if err != nil {
		return err
	}
	return authority.Write(dir, a.Certificate)
}

// trusting is the TLS configuration of whoever calls one of our processes.
func trusting(dir string) (*tls.Config, error) {
	pem, err := os.ReadFile(filepath.Join(dir, certFile))
	if err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("the certificate file holds no certificate")
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}, nil
}
