// SPDX-License-Identifier: Apache-2.0

package fakevendor

import (
	"net/http"
	"strings"
)

// revoke revokes in the vendor's own manner. Unknown tokens are fine, and a
// refresh token ends its grant.
func (s *Server) revoke(w http.ResponseWriter, x *exchange) {
	m := s.options.Manners.Revocation
	token, failure := s.tokenToRevoke(x, m)
	clientID := ""
	if failure == nil {
		clientID, failure = s.revoker(x, m)
	}
	if failure == nil {
		failure = s.revocable(token, m)
	}
	if failure != nil {
		s.fail(w, x, failure)
		return
	}
	s.note(func() { s.endToken(token, clientID, m.WholeGrant) })
	if x.r.Method == http.MethodDelete {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// tokenToRevoke finds the token where this manner has it, and nowhere else.
func (s *Server) tokenToRevoke(x *exchange, m RevocationManner) (string, *oauthError) {
	method, kind := http.MethodPost, "application/x-www-form-urlencoded"
	switch m.Style {
	case "DeleteJSON":
		method, kind = http.MethodDelete, "application/json"
	case "JSONBody":
		kind = "application/json"
	case "DeletePath":
		method, kind = http.MethodDelete, ""
	case "BearerSelf":
		kind = ""
	}
	parameter := m.TokenParameter
	if parameter == "" {
		parameter = "token"
	}
	_, bearer, _ := strings.Cut(x.r.Header.Get("Authorization"), "Bearer ")
	got := x.r.Header.Get("Content-Type")
	switch {
	case x.r.Method != method:
		return "", &oauthError{http.StatusMethodNotAllowed, "invalid_request", method + " only"}
	case m.Style == "DeletePath":
		return strings.TrimPrefix(x.r.URL.Path, s.place(Revocation)+"/"), nil
	case m.Style == "BearerSelf" && (bearer == "" || x.form.Has(parameter)):
		return "", invalidRequest("the token belongs into the Authorization header, alone")
	case m.Style == "BearerSelf":
		return bearer, nil
	case x.bad != "":
		return "", invalidRequest(x.bad)
	case !strings.HasPrefix(got, kind):
		return "", invalidRequest("wrong content type " + got)
	case x.form.Get(parameter) == "":
		return "", invalidRequest("no " + parameter)
	}
	return x.form.Get(parameter), nil
}

// revoker authenticates as this manner asks. The id is empty where it asks for
// no client.
func (s *Server) revoker(x *exchange, m RevocationManner) (string, *oauthError) {
	id, secret := "", ""
	switch {
	case m.Style == "RFC7009Unauthenticated" || m.Style == "BearerSelf" || m.ClientCredentials == "Omitted":
		if x.form.Has("client_secret") || strings.HasPrefix(x.r.Header.Get("Authorization"), "Basic ") {
			return "", invalidRequest("client credentials are not expected here")
		}
		return "", nil
	case m.ClientCredentials == "Basic":
		id, secret, _ = x.r.BasicAuth()
	case m.ClientCredentials == "Body":
		id, secret = x.form.Get("client_id"), x.form.Get("client_secret")
	default:
		c, failure := s.authenticate(x)
		return c.ID, failure
	}
	c, known := s.client(id)
	if !known || c.Secret == "" || c.Secret != secret {
		return "", invalidClient("wrong client credentials")
	}
	if inPath, named := s.options.Manners.clientInPath(x.r.URL.Path); named && inPath != id {
		return "", &oauthError{http.StatusNotFound, "invalid_client", "the path names another client"}
	}
	return id, nil
}

// revocable tells whether this vendor revokes tokens of this kind.
func (s *Server) revocable(token string, m RevocationManner) *oauthError {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, isRefresh := s.refresh[token]
	_, isAccess := s.access[token]
	if isRefresh && m.Tokens == "Access" || isAccess && m.Tokens == "Refresh" {
		return &oauthError{http.StatusBadRequest, "unsupported_token_type", "not this kind of token"}
	}
	return nil
}

// endToken ends a token of a client, or of any client where that is empty.
func (s *Server) endToken(token, clientID string, wholeGrant bool) {
	mine := func(g *grant, ok bool) bool { return ok && (clientID == "" || g.clientID == clientID) }
	if g, ok := s.refresh[token]; mine(g, ok) {
		g.revoked = true
		s.stats.Revocations++
	}
	if g, ok := s.access[token]; mine(g, ok) {
		delete(s.access, token)
		g.revoked = g.revoked || wholeGrant
		s.stats.Revocations++
	}
}
