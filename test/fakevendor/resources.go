// SPDX-License-Identifier: Apache-2.0

package fakevendor

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
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

// registration is the client metadata that the vendor reads (RFC 7591 section 2).
type registration struct {
	RedirectURIs []string `json:"redirect_uris"`
	AuthMethod   string   `json:"token_endpoint_auth_method"`
}

// register is RFC 7591, open or with an initial access token.
func (s *Server) register(w http.ResponseWriter, x *exchange) {
	if want := s.options.InitialAccessToken; want != "" && x.r.Header.Get("Authorization") != "Bearer "+want {
		s.note(func() { x.rec.Error = "invalid_token" })
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
		return
	}
	var asked registration
	metadata := map[string]any{}
	if json.Unmarshal(x.rec.Body, &metadata) != nil || json.Unmarshal(x.rec.Body, &asked) != nil || x.r.Method != http.MethodPost {
		s.fail(w, x, &oauthError{http.StatusBadRequest, "invalid_client_metadata", "not a POST of a JSON object"})
		return
	}
	if len(asked.RedirectURIs) == 0 || slices.ContainsFunc(asked.RedirectURIs, func(u string) bool { return strings.Contains(u, "#") }) {
		s.fail(w, x, &oauthError{http.StatusBadRequest, "invalid_redirect_uri", "redirect_uris are missing or malformed"})
		return
	}
	client := Client{ID: "registered-" + rand.Text(), RedirectURIs: asked.RedirectURIs}
	metadata["client_id"], metadata["client_id_issued_at"] = client.ID, s.options.Now().Unix()
	if asked.AuthMethod == "" {
		asked.AuthMethod = MethodBasic
	}
	metadata["token_endpoint_auth_method"], client.Methods = asked.AuthMethod, []string{asked.AuthMethod}
	if asked.AuthMethod != MethodNone {
		client.Secret = "registered-secret-" + rand.Text()
		metadata["client_secret"], metadata["client_secret_expires_at"] = client.Secret, 0
	}
	s.AddClient(client)
	s.note(func() { s.stats.Registrations++ })
	s.answer(w, x, s.options.RegistrationStatus, metadata)
}
