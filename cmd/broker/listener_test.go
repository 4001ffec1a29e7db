// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/test/authority"
)

// pipes is a listener whose connections are made in memory: what one side does
// not read, the other cannot write.
type pipes struct {
	conns chan net.Conn
	ended chan struct{}
}

func (l pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.ended:
		return nil, net.ErrClosed
	}
}

func (l pipes) Close() error   { return nil }
func (l pipes) Addr() net.Addr { return &net.TCPAddr{} }

// serveOne serves one connection over TLS, and tells when it is closed.
func serveOne(t *testing.T) (client net.Conn, roots *authority.Authority, closed <-chan struct{}) {
	t.Helper()
	ca, err := authority.New("broker.test")
	if err != nil {
		t.Fatal(err)
	}
	reads := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	server := newHTTPServer(reads, slog.New(slog.DiscardHandler))
	server.IdleTimeout, server.WriteTimeout = time.Second, 5*time.Second // shorter than it is, for the test
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{ca.Certificate}, MinVersion: tls.VersionTLS12}
	end := make(chan struct{})
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			close(end)
		}
	}
	l := pipes{make(chan net.Conn, 1), make(chan struct{})}
	client, far := net.Pipe()
	l.conns <- far
	go func() { _ = server.ServeTLS(l, "", "") }()
	t.Cleanup(func() { close(l.ended); _ = server.Close(); _ = client.Close() })
	return client, ca, end
}

// TestListener_slowClients: whoever does not get on with what it began loses its
// connection, and so does who reads nothing of what it is sent.
func TestListener_slowClients(t *testing.T) {
	preface := "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00" // and empty settings
	for name, c := range map[string]struct {
		protocol, sends string
		reads           bool
	}{
		"headers":                {"http/1.1", "GET / HTTP/1.1\r\nHost: brok", true},
		"body":                   {"http/1.1", "POST / HTTP/1.1\r\nHost: broker.test\r\nContent-Length: 10\r\n\r\nabc", true},
		"nothing after HTTP/2":   {"h2", "", true},
		"nothing after settings": {"h2", preface, true},
		"half a frame":           {"h2", preface + "\x00\x00\x08\x06\x00", true},
		"half of the headers":    {"h2", preface + "\x00\x00\x01\x01\x00\x00\x00\x00\x01\x82", true},
		"reads nothing":          {"http/1.1", "GET / HTTP/1.1\r\nHost: broker.test\r\n\r\n", false},
		"reads nothing, HTTP/2":  {"h2", preface + "\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, ca, closed := serveOne(t)
			client := tls.Client(conn, &tls.Config{RootCAs: ca.Pool(), ServerName: "broker.test", NextProtos: []string{c.protocol}, MinVersion: tls.VersionTLS12})
			if err := client.HandshakeContext(t.Context()); err != nil || client.ConnectionState().NegotiatedProtocol != c.protocol {
				t.Fatalf("the handshake came to %q, %v", client.ConnectionState().NegotiatedProtocol, err)
			}
			if c.reads {
				go func() { _, _ = io.Copy(io.Discard, client) }()
			}
			start := time.Now()
			if _, err := client.Write([]byte(c.sends)); err != nil {
				t.Fatal(err)
			}
			select {
			case <-closed:
				t.Logf("closed after %s", time.Since(start).Round(time.Second))
			case <-time.After(100 * time.Second):
				t.Error("the connection stays")
			}
		})
	}
	t.Run("no handshake", func(t *testing.T) {
		t.Parallel()
		_, _, closed := serveOne(t)
		select {
		case <-closed:
		case <-time.After(100 * time.Second):
			t.Error("the connection stays")
		}
	})
}
