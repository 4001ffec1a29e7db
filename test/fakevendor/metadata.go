// SPDX-License-Identifier: Apache-2.0

package fakevendor

import "net/http"

// Issuer is the vendor's issuer identifier.
func (s *Server) Issuer() string { return s.origin(nil) + s.options.IssuerPath }

// URL of an endpoint. For Discovery it is the OpenID Connect form; for Refresh
// a URL of its own, besides which the token endpoint refreshes too.
func (s *Server) URL(e Endpoint) string { return s.origin(nil) + s.place(e) }

// place is where an endpoint is, from the host on.
func (s *Server) place(e Endpoint) string {
	if p, ok := s.options.Manners.Paths[e]; ok {
		return p
	}
	return s.options.IssuerPath + path(e)
}

func path(e Endpoint) string {
	switch e {
	case Introspection:
		return "/introspect"
	case Revocation:
		return "/revoke"
	case Registration:
		return "/register"
	case Discovery:
		return "/.well-known/openid-configuration"
	case Authorize, Token, Refresh, JWKS, Userinfo, Management, Other:
	}
	return "/" + string(e)
}

// origin is the server's own, or, for a handler without Start, that of a request.
func (s *Server) origin(r *http.Request) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.base != "" || r == nil:
		return s.base
	case r.TLS != nil:
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// metadata is one document for RFC 8414 and OpenID Connect Discovery.
func (s *Server) metadata(r *http.Request) map[string]any {
	origin := s.origin(r)
	issuer := origin + s.options.IssuerPath
	m := map[string]any{
		"issuer":                                issuer,
		"authorization_endpoint":                origin + s.place(Authorize),
		"token_endpoint":                        origin + s.place(Token),
		"jwks_uri":                              origin + s.place(JWKS),
		"userinfo_endpoint":                     origin + s.place(Userinfo),
		"introspection_endpoint":                origin + s.place(Introspection),
		"revocation_endpoint":                   origin + s.place(Revocation),
		"registration_endpoint":                 origin + s.place(Registration),
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query", "form_post"},
		"grant_types_supported":                 []string{"authorization_code", "refresh_token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{s.options.IDTokenAlgorithm},
		"token_endpoint_auth_methods_supported": []string{MethodBasic, MethodPost, MethodPrivateKeyJWT, MethodNone},
	}
	for member, e := range map[string]Endpoint{
		"jwks_uri": JWKS, "userinfo_endpoint": Userinfo, "introspection_endpoint": Introspection, "revocation_endpoint": Revocation, "registration_endpoint": Registration,
	} {
		if !s.options.Manners.has(e) {
			delete(m, member)
		}
	}
	if s.options.PKCE == PKCERequired || s.options.PKCE == PKCEOptional {
		m["code_challenge_methods_supported"] = []string{"S256"}
	}
	if s.options.IssuerParameter {
		m["authorization_response_iss_parameter_supported"] = true
	}
	if len(s.options.Scopes) > 0 {
		m["scopes_supported"] = s.options.Scopes
	}
	return m
}
