// SPDX-License-Identifier: Apache-2.0

package fakevendor

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/test/authority"
)

type tlsState struct {
	http *httptest.Server
	// ca is the certificate that CAPEM hands out.
	ca *x509.Certificate
}

// Start serves on a loopback port until the test ends.
func (s *Server) Start(t testing.TB) *Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(s)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // refused handshakes are what some tests want
	if s.options.TLS == PlainHTTP {
		srv.Start()
	} else {
		var own *tls.Certificate
		srv.TLS, own = s.tlsConfig(t)
		srv.StartTLS()
		s.tls.ca = srv.Certificate()
		if s.options.TLS == TLSUntrusted {
			s.tls.ca = selfSigned(t, "127.0.0.1").Leaf // any other than the one in use
		} else if own != nil {
			s.tls.ca = own.Leaf
		}
	}
	s.tls.http = srv
	s.note(func() { s.base = srv.URL })
	t.Cleanup(func() {
		close(s.done)
		srv.CloseClientConnections()
		srv.Close()
	})
	return s
}

func (s *Server) tlsConfig(t testing.TB) (*tls.Config, *tls.Certificate) {
	t.Helper()
	switch s.options.TLS {
	case TLSWrongName:
		cert := selfSigned(t, "wrong.example")
		return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, &cert
	case TLSOld:
		return &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, nil //nolint:gosec // clients must refuse it
	case TLSGood, TLSUntrusted, PlainHTTP:
	}
	return nil, nil
}

// CAPEM is the certificate to trust, in PEM; nil for plain http.
func (s *Server) CAPEM() []byte {
	if s.tls.ca == nil {
		return nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.tls.ca.Raw})
}

// Client trusts the server and follows no redirect.
func (s *Server) Client() *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}}
	if s.tls.ca != nil {
		transport.TLSClientConfig.RootCAs.AddCert(s.tls.ca)
	}
	return &http.Client{
		Transport: transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// selfSigned makes a certificate of a DNS name or IP address.
func selfSigned(t testing.TB, host string) tls.Certificate {
	t.Helper()
	a, err := authority.New(host)
	if err != nil {
		t.Fatal(err)
	}
	return a.Certificate
}
