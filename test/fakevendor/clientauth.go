// SPDX-License-Identifier: Apache-2.0

package fakevendor

import (
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// The client authentication methods, by their registered names.
const (
	MethodNone          = "none"
	MethodBasic         = "client_secret_basic"
	MethodPost          = "client_secret_post"
	MethodPrivateKeyJWT = "private_key_jwt"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// oauthError is an error of the token endpoint and its like.
type oauthError struct {
	status      int
	code        string
	description string
}

func invalidRequest(description string) *oauthError {
	return &oauthError{http.StatusBadRequest, "invalid_request", description}
}

func invalidGrant(description string) *oauthError {
	return &oauthError{http.StatusBadRequest, "invalid_grant", description}
}

func invalidClient(description string) *oauthError {
	return &oauthError{http.StatusUnauthorized, "invalid_client", description}
}

// credentials are what a request presents, by one method.
type credentials struct {
	method, id, secret string
}

// authenticate finds the client (RFC 6749 section 2.3), by exactly one method.
func (s *Server) authenticate(x *exchange) (Client, *oauthError) {
	presented, failure := s.presented(x)
	if failure != nil {
		return Client{}, failure
	}
	client, known := s.client(presented.id)
	switch {
	case !known:
		return Client{}, invalidClient("unknown client")
	case !slices.Contains(client.methods(), presented.method):
		return Client{}, invalidClient("this client may not use " + presented.method)
	}
	switch presented.method {
	case MethodBasic, MethodPost:
		if subtle.ConstantTimeCompare([]byte(client.Secret), []byte(presented.secret)) != 1 {
			return Client{}, invalidClient("wrong secret")
		}
	case MethodPrivateKeyJWT:
		if why := s.checkAssertion(x, client, presented.secret); why != "" {
			return Client{}, invalidClient(why)
		}
	}
	s.note(func() { x.rec.ClientID, x.rec.AuthMethod = client.ID, presented.method })
	return client, nil
}

func (s *Server) presented(x *exchange) (credentials, *oauthError) {
	var found []credentials
	if header := x.r.Header.Get("Authorization"); header != "" {
		id, secret, ok := s.parseBasic(header)
		if !ok {
			return credentials{}, invalidClient("malformed Basic credentials")
		}
		found = append(found, credentials{MethodBasic, id, secret})
	}
	if x.form.Has("client_secret") {
		found = append(found, credentials{MethodPost, x.form.Get("client_id"), x.form.Get("client_secret")})
	}
	if x.form.Has("client_assertion") || x.form.Has("client_assertion_type") {
		found = append(found, credentials{MethodPrivateKeyJWT, s.assertionIssuer(x.form.Get("client_assertion")), x.form.Get("client_assertion")})
	}
	switch len(found) {
	case 0:
		return credentials{MethodNone, x.form.Get("client_id"), ""}, nil
	case 1:
		if id := x.form.Get("client_id"); id != "" && id != found[0].id {
			return credentials{}, invalidRequest("client_id differs from the authenticated one")
		}
		return found[0], nil
	}
	return credentials{}, invalidRequest("more than one client authentication method")
}

// parseBasic form-decodes both parts (RFC 6749 section 2.3.1), unless RawBasic.
func (s *Server) parseBasic(header string) (id, secret string, ok bool) {
	scheme, encoded, _ := strings.Cut(header, " ")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if !strings.EqualFold(scheme, "Basic") || err != nil {
		return "", "", false
	}
	id, secret, ok = strings.Cut(string(raw), ":")
	if !ok || s.options.RawBasic {
		return id, secret, ok
	}
	id, errID := url.QueryUnescape(id)
	secret, errSecret := url.QueryUnescape(secret)
	return id, secret, errID == nil && errSecret == nil
}

func (s *Server) assertionIssuer(assertion string) string {
	claims := jwt.RegisteredClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(assertion, &claims); err != nil {
		return ""
	}
	return claims.Issuer
}

// checkAssertion checks a private_key_jwt (RFC 7523 section 3); it returns why not.
func (s *Server) checkAssertion(x *exchange, client Client, assertion string) string {
	if x.form.Get("client_assertion_type") != assertionType {
		return "wrong client_assertion_type"
	}
	claims := jwt.RegisteredClaims{}
	parser := jwt.NewParser(jwt.WithTimeFunc(s.options.Now), jwt.WithExpirationRequired(), jwt.WithSubject(client.ID),
		jwt.WithValidMethods([]string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}))
	if _, err := parser.ParseWithClaims(assertion, &claims, func(*jwt.Token) (any, error) { return client.PublicKey, nil }); err != nil {
		return "assertion: " + err.Error()
	}
	issuer := s.origin(x.r) + s.options.IssuerPath
	good := func(aud string) bool { return aud == issuer || aud == s.origin(x.r)+s.place(Token) }
	switch {
	case len(claims.Audience) != 1 || !good(claims.Audience[0]):
		return "assertion: aud must be the issuer or the token endpoint, alone"
	case claims.ExpiresAt.After(s.options.Now().Add(10 * time.Minute)):
		return "assertion: exp is too far away"
	case claims.ID == "":
		return "assertion: no jti"
	}
	replayed := false
	s.note(func() {
		replayed = s.usedJTIs[claims.ID]
		s.usedJTIs[claims.ID] = true
	})
	if replayed {
		return "assertion: jti was used before"
	}
	return ""
}
