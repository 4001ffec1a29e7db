// SPDX-License-Identifier: Apache-2.0

package fakevendor

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
)

// Endpoint names a part of the server.
type Endpoint string

// The endpoints. Token and Refresh may share a URL: the grant type tells them apart.
const (
	Authorize     Endpoint = "authorize"
	Token         Endpoint = "token"
	Refresh       Endpoint = "refresh"
	JWKS          Endpoint = "jwks"
	Discovery     Endpoint = "discovery"
	Userinfo      Endpoint = "userinfo"
	Introspection Endpoint = "introspection"
	Revocation    Endpoint = "revocation"
	Registration  Endpoint = "registration"
	// Management is the place of one registered app (RFC 7592).
	Management Endpoint = "management"
	// Other is any path that the server does not have.
	Other Endpoint = "other"
)

// Request is what arrived, and what became of it.
type Request struct {
	Endpoint Endpoint
	Method   string
	Path     string
	Query    url.Values
	// Form is the form body, or the members of a JSON body.
	Form   url.Values
	Body   []byte
	Header http.Header
	// ClientID and Method of the client that authenticated; empty when none did.
	ClientID   string
	AuthMethod string
	// Error is the OAuth error that the request met, in the standard spelling.
	Error string
	// Behaviour is the name of the misbehaviour that answered.
	Behaviour string
}

// Stats count what the vendor did.
type Stats struct {
	CodesIssued   int
	CodesRedeemed int
	// CodeReplays are redemptions of a code that was used before.
	CodeReplays    int
	Refreshes      int
	RefreshReplays int
	Revocations    int
	Registrations  int
	// RegistrationUpdates and Unregistrations are of RFC 7592.
	RegistrationUpdates int
	Unregistrations     int
}

// Requests that arrived, oldest first; those of the given endpoints, or all.
func (s *Server) Requests(endpoints ...Endpoint) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Request
	for _, r := range s.requests {
		if len(endpoints) == 0 || slices.Contains(endpoints, r.Endpoint) {
			out = append(out, *r)
		}
	}
	return out
}

// Count is the number of requests that arrived at an endpoint.
func (s *Server) Count(e Endpoint) int { return len(s.Requests(e)) }

// Last is the newest request of an endpoint; its zero value when there is none.
func (s *Server) Last(e Endpoint) Request {
	all := s.Requests(e)
	if len(all) == 0 {
		return Request{}
	}
	return all[len(all)-1]
}

// Forget drops the recorded requests and zeroes Stats.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.stats = nil, Stats{}
}

// Stats of the server so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// record keeps a request; the handler fills in the rest through note.
func (s *Server) record(e Endpoint, r *http.Request, body []byte) *Request {
	rec := &Request{
		Endpoint: e, Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Body: body,
		Form: maps.Clone(r.PostForm), Header: r.Header.Clone(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, rec)
	return rec
}

// note changes a recorded request, and Stats, under the lock.
func (s *Server) note(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}
