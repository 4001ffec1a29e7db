// SPDX-License-Identifier: Apache-2.0

package fakevendor

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Sink is another host, to which a vendor redirects. Nothing may arrive there.
type Sink struct {
	URL string

	mu      sync.Mutex
	arrived []Request
}

// NewSink starts a Sink. Who trusts the vendor's certificate trusts the sink's,
// so that a client fails on nothing but its own refusal to follow.
func (s *Server) NewSink(t testing.TB) *Sink {
	t.Helper()
	k := &Sink{}
	srv := httptest.NewUnstartedServer(k)
	if s.options.TLS == PlainHTTP {
		srv.Start()
	} else {
		srv.StartTLS()
	}
	k.URL = srv.URL
	t.Cleanup(srv.Close)
	return k
}

// ServeHTTP records a request and answers like a token endpoint.
func (k *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxBody))
	k.mu.Lock()
	k.arrived = append(k.arrived, Request{
		Endpoint: Other, Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Body: body, Header: r.Header.Clone(),
	})
	k.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"access_token": "from-the-sink", "token_type": "Bearer"})
}

// Requests that arrived.
func (k *Sink) Requests() []Request {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]Request(nil), k.arrived...)
}
