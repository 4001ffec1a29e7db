// SPDX-License-Identifier: Apache-2.0

package fakevendor

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// token answers authorization_code and refresh_token requests.
func (s *Server) token(w http.ResponseWriter, x *exchange) {
	answer, failure := s.grantTokens(x)
	if failure != nil {
		s.fail(w, x, failure)
		return
	}
	answer = s.options.Shape.tokenAnswer(answer, s.options.TokenLifetime)
	if x.behaviour.Edit != nil {
		x.behaviour.Edit(answer)
	}
	w.Header().Set("Cache-Control", "no-store")
	s.options.Shape.encode(w, x.r, http.StatusOK, answer)
}

func (s *Server) grantTokens(x *exchange) (map[string]any, *oauthError) {
	kind := x.r.Header.Get("Content-Type")
	switch {
	case x.r.Method != http.MethodPost:
		return nil, &oauthError{http.StatusMethodNotAllowed, "invalid_request", "POST only"}
	case x.bad != "":
		return nil, invalidRequest(x.bad)
	case s.options.Shape.JSONRequests != strings.HasPrefix(kind, "application/json"):
		return nil, invalidRequest("wrong content type " + kind)
	case x.r.URL.Query().Has("client_secret") || x.r.URL.Query().Has("code"):
		return nil, invalidRequest("parameters belong in the body")
	}
	client, failure := s.authenticate(x)
	if failure != nil {
		return nil, failure
	}
	if wrong := s.options.Manners.checkToken(x); wrong != "" {
		return nil, invalidRequest(wrong)
	}
	switch {
	case x.endpoint == Refresh:
		return s.refreshGrant(x, client)
	case x.form.Get("grant_type") == "authorization_code":
		return s.codeGrant(x, client)
	}
	return nil, &oauthError{http.StatusBadRequest, "unsupported_grant_type", x.form.Get("grant_type")}
}

// codeGrant redeems a code once.
func (s *Server) codeGrant(x *exchange, client Client) (map[string]any, *oauthError) {
	g, failure := s.takeCode(x, client)
	if failure != nil {
		return nil, failure
	}
	if failure := s.checkVerifier(g, x.form.Get("code_verifier")); failure != nil {
		return nil, failure
	}
	return s.issueTokens(x, g, issue{scopes: g.scopes, nonce: g.nonce, refreshToken: s.newRefreshToken(g)})
}

// takeCode marks a code as used before anything else is checked about it.
func (s *Server) takeCode(x *exchange, client Client) (*grant, *oauthError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.grants[x.form.Get("code")]
	switch {
	case !ok:
		return nil, invalidGrant("unknown code")
	case g.clientID != client.ID:
		return nil, invalidGrant("the code is another client's")
	case g.used:
		s.stats.CodeReplays++
		g.revoked = true // RFC 6749 section 4.1.2
		return nil, invalidGrant("the code was used before")
	}
	g.used = true
	switch {
	case s.options.Now().After(g.expires):
		return nil, invalidGrant("the code has expired")
	case g.redirectURI != x.form.Get("redirect_uri"):
		return nil, invalidGrant("redirect_uri differs")
	}
	s.stats.CodesRedeemed++
	return g, nil
}

func (s *Server) checkVerifier(g *grant, verifier string) *oauthError {
	sum := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	switch {
	case s.options.PKCE == PKCEIgnored:
	case s.options.PKCE == PKCERefused && verifier != "":
		return invalidRequest("unknown parameter code_verifier")
	case g.challenge == "" && verifier != "":
		return invalidGrant("code_verifier without code_challenge")
	case g.challenge != "" && subtle.ConstantTimeCompare([]byte(challenge), []byte(g.challenge)) != 1:
		return invalidGrant("code_verifier does not match")
	}
	return nil
}

func (s *Server) newRefreshToken(g *grant) string {
	if s.options.Refresh == RefreshNone {
		return ""
	}
	token := "vendor-refresh-" + rand.Text()
	s.note(func() { s.refresh[token] = g })
	return token
}

// refreshGrant refreshes as Options.Refresh says.
func (s *Server) refreshGrant(x *exchange, client Client) (map[string]any, *oauthError) {
	old := x.form.Get("refresh_token")
	g, failure := s.takeRefreshToken(old, client)
	if failure != nil {
		return nil, failure
	}
	if s.options.Manners.RefreshRedirectURI && x.form.Get("redirect_uri") != g.redirectURI {
		return nil, invalidGrant("redirect_uri differs")
	}
	out := issue{scopes: g.scopes} // no nonce: a refreshed ID token carries none
	if asked := s.options.Shape.splitScopes(x.form.Get("scope")); len(asked) > 0 {
		if slices.ContainsFunc(asked, func(scope string) bool { return !slices.Contains(g.scopes, scope) }) {
			return nil, &oauthError{http.StatusBadRequest, "invalid_scope", "more than was granted"}
		}
		out.scopes = asked
	}
	switch s.options.Refresh {
	case RefreshStatic:
		out.refreshToken = old
	case RefreshRotating, RefreshSingleUse:
		out.refreshToken = s.newRefreshToken(g)
	case RefreshOmitted, RefreshNone:
	}
	return s.issueTokens(x, g, out)
}

func (s *Server) takeRefreshToken(token string, client Client) (*grant, *oauthError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g, ok := s.spent[token]; ok {
		s.stats.RefreshReplays++
		g.revoked = true
		return nil, invalidGrant("the refresh token was used before")
	}
	g, ok := s.refresh[token]
	if !ok || g.revoked || g.clientID != client.ID {
		return nil, invalidGrant("unknown refresh token")
	}
	if s.options.Refresh == RefreshSingleUse {
		delete(s.refresh, token)
		s.spent[token] = g
	}
	s.stats.Refreshes++
	return g, nil
}

// issue is what one answer is to hold.
type issue struct {
	scopes       []string
	nonce        string
	refreshToken string
}

// issueTokens makes an answer in the standard spelling.
func (s *Server) issueTokens(x *exchange, g *grant, out issue) (map[string]any, *oauthError) {
	access := "vendor-access-" + rand.Text()
	s.note(func() { s.access[access] = g })
	answer := map[string]any{"access_token": access, "scope": strings.Join(out.scopes, s.options.Shape.AnswerScopeSeparator)}
	if out.refreshToken != "" {
		answer["refresh_token"] = out.refreshToken
	}
	if slices.Contains(out.scopes, "openid") {
		token, err := s.idToken(x, g, tokenBinding{access: access, nonce: out.nonce})
		if err != nil {
			return nil, &oauthError{http.StatusInternalServerError, "server_error", err.Error()}
		}
		answer["id_token"] = token
	}
	return answer, nil
}

func (s *Server) fail(w http.ResponseWriter, x *exchange, failure *oauthError) {
	s.note(func() { x.rec.Error = failure.code })
	status, answer := s.options.Shape.tokenError(failure.status, failure.code, failure.description)
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="vendor"`)
	}
	w.Header().Set("Cache-Control", "no-store")
	s.options.Shape.encode(w, x.r, status, answer)
}
