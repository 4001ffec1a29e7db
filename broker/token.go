// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"errors"
	"mime"
	"net/http"

	"github.com/oauthbroker/oauth-broker/broker/body"
	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// maxBody bounds a form.
const maxBody = 64 << 10

// grantRefresh is the grant type of a refresh.
const grantRefresh = "refresh_token"

// tokenRequest is a token request, read once and authenticated.
type tokenRequest struct {
	params oauth.Params
	client *runtimeconfig.Client
	// vendorName of the address or the parameter; empty at the generic endpoint.
	vendorName string
}

// token is the token endpoint (OAuth 2.1 section 3.2).
func (s *Server) token(w http.ResponseWriter, r *request) error {
	t, err := s.readTokenRequest(r)
	if err != nil {
		return err
	}
	switch t.params.Get("grant_type") {
	case "authorization_code":
		r.event.grant = "authorization_code"
		return s.redeemCode(w, r, t)
	case grantRefresh:
		r.event.grant = grantRefresh
		if t.client.NoRefresh {
			return oauth.Errorf(oauth.UnauthorizedClient, "this client did not register the grant type refresh_token")
		}
		return s.redeemRefreshToken(w, r, t)
	case "":
		return oauth.Errorf(oauth.InvalidRequest, "grant_type is missing")
	}
	return oauth.Errorf(oauth.UnsupportedGrantType, "grant_type must be authorization_code or refresh_token")
}

// readTokenRequest parses the form and authenticates the client before anything
// else is looked at, and counts the request for whoever it turns out to be of.
func (s *Server) readTokenRequest(r *request) (*tokenRequest, error) {
	t, err := s.openTokenRequest(r)
	var caller *runtimeconfig.Client
	if err == nil {
		caller = t.client
	}
	if err := s.limitCaller(r, caller); err != nil {
		return nil, err
	}
	return t, err
}

func (s *Server) openTokenRequest(r *request) (*tokenRequest, error) {
	if r.URL.RawQuery != "" {
		return nil, oauth.Errorf(oauth.InvalidRequest, "parameters belong into the body, not into the address")
	}
	p, err := s.readForm(r)
	switch {
	case errors.Is(err, body.ErrTooLong):
		return nil, &oauth.Error{Code: oauth.InvalidRequest, Description: err.Error(), Status: http.StatusRequestEntityTooLarge}
	case errors.Is(err, errNoForm):
		return nil, &oauth.Error{Code: oauth.InvalidRequest, Description: err.Error(), Status: http.StatusUnsupportedMediaType}
	case err != nil:
		return nil, oauth.Errorf(oauth.InvalidRequest, "%s", err.Error())
	}
	t := &tokenRequest{params: p, vendorName: vendorName(r, p)}
	issuer := s.PublicURL
	if t.vendorName != "" {
		if _, ok := r.config.Vendor(t.vendorName); !ok {
			return nil, oauth.Errorf(oauth.InvalidRequest, "vendor is unknown")
		}
		r.event.vendor, issuer = t.vendorName, s.issuer(t.vendorName)
	}
	if v := p.Get("vendor"); v != "" && v != t.vendorName {
		return nil, oauth.Errorf(oauth.InvalidRequest, "vendor differs from the vendor in the address")
	}
	t.client, err = s.auth.Authenticate(r.Request, s.clients(r), p, issuer)
	if t.client != nil {
		r.event.client = clientName(t.client)
	}
	return t, err
}

var errNoForm = errors.New("the body must be application/x-www-form-urlencoded")

func isForm(contentType string) bool {
	const form = "application/x-www-form-urlencoded"
	if contentType == form {
		return true
	}
	mt, _, err := mime.ParseMediaType(contentType)
	return err == nil && mt == form
}

// readForm strictly reads a form body. Its errors are fixed texts.
func (s *Server) readForm(r *request) (oauth.Params, error) {
	form, err := s.readBody(r)
	if err != nil {
		return oauth.Params{}, err
	}
	return oauth.ParseParams(form)
}

// readBody reads the body of a form.
func (s *Server) readBody(r *request) (string, error) {
	if !isForm(r.Header.Get("Content-Type")) || r.Header.Get("Content-Encoding") != "" {
		return "", errNoForm
	}
	form, err := s.bodies.Read(r.Body, maxBody)
	if err != nil && !errors.Is(err, body.ErrTooLong) {
		return "", errors.New("the body broke off")
	}
	return form, err
}
