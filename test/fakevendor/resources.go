// SPDX-License-Identifier: Apache-2.0

package fakevendor

import (
	"net/http"
	"strings"
)

// live returns the grant of an access token that still works.
func (s *Server) live(token string) (*grant, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.access[token]
	return g, ok && !g.revoked
}

// AccessTokenWorks tells whether a token would be accepted at the vendor's API.
func (s *Server) AccessTokenWorks(token string) bool {
	_, ok := s.live(token)
	return ok
}

// userinfo is the vendor's API.
func (s *Server) userinfo(w http.ResponseWriter, x *exchange) {
	scheme, token, _ := strings.Cut(x.r.Header.Get("Authorization"), " ")
	g, ok := s.live(token)
	if !strings.EqualFold(scheme, "Bearer") || !ok {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		http.Error(w, "invalid_token", http.StatusUnauthorized)
		return
	}
	s.answer(w, x, http.StatusOK, map[string]any{"sub": g.subject, "email": g.subject + "@vendor.example", "email_verified": false})
}

// introspect is RFC 7662, for authenticated clients.
func (s *Server) introspect(w http.ResponseWriter, x *exchange) {
	client, failure := s.authenticate(x)
	if failure == nil && x.bad != "" {
		failure = invalidRequest(x.bad)
	}
	if failure != nil {
		s.fail(w, x, failure)
		return
	}
	token := x.form.Get("token")
	g, ok := s.live(token)
	if !ok {
		s.mu.Lock()
		g, ok = s.refresh[token]
		ok = ok && !g.revoked
		s.mu.Unlock()
	}
	if !ok || g.clientID != client.ID {
		s.answer(w, x, http.StatusOK, map[string]any{"active": false})
		return
	}
	s.answer(w, x, http.StatusOK, map[string]any{
		"active": true, "client_id": g.clientID, "sub": g.subject, "scope": strings.Join(g.scopes, " "),
		"iss": s.origin(x.r) + s.options.IssuerPath,
	})
}
