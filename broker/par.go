// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"errors"
	"net/http"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/broker/once"
	"github.com/oauthbroker/oauth-broker/broker/seal"
)

const (
	// requestURIPrefix begins the request_uri of a pushed request (RFC 9126
	// section 2.2).
	requestURIPrefix = "urn:ietf:params:oauth:request_uri:"
	pushedLife       = time.Minute
	// maxPushed bounds a pushed request: it travels, sealed, in its request_uri.
	maxPushed = 8 << 10
)

// pushedRequest is what a request_uri seals: nothing is stored.
type pushedRequest struct {
	Client string `json:"c"`
	Vendor string `json:"v"`
	Query  string `json:"q"`
}

// pushAuthorization takes an authorization request from an authenticated client
// before the browser is sent (RFC 9126 section 2), and validates it as
// authorize would.
func (s *Server) pushAuthorization(w http.ResponseWriter, r *request) error {
	t, err := s.readTokenRequest(r)
	if err != nil {
		return err
	}
	if t.params.Has("request_uri") {
		return oauth.Errorf(oauth.InvalidRequest, "request_uri cannot be pushed")
	}
	query := t.params.With("client_id", t.client.ID).Without("client_secret", "client_assertion", "client_assertion_type")
	a, err := s.trustReturn(r, query)
	if err != nil {
		page, _ := errors.AsType[*pageError](err)
		return oauth.Errorf(oauth.InvalidRequest, "redirect_uri is missing, or not registered for this client").Because(page)
	}
	if err := s.checkRequest(r, a); err != nil {
		return err
	}
	encoded := query.Encode()
	if len(encoded) > maxPushed {
		return oauth.Errorf(oauth.InvalidRequest, "the request is too large")
	}
	sealed, err := r.keys.Seal(seal.PushedRequest, s.Now().Add(pushedLife), t.client.ID, pushedRequest{Client: t.client.ID, Vendor: a.vendor.Name, Query: encoded})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, map[string]any{"request_uri": requestURIPrefix + sealed, "expires_in": int(pushedLife.Seconds())})
	return nil
}

// pushedParams opens a request_uri. It is bound to the client that pushed it,
// and to the vendor's issuer.
func (s *Server) pushedParams(r *request, clientID, sealed string) (oauth.Params, error) {
	var pushed pushedRequest
	if err := r.keys.Open(seal.PushedRequest, sealed, clientID, &pushed); err != nil {
		return oauth.Params{}, badRequest("The application's request has expired, or is not its own (request_uri).", err)
	}
	if v := r.PathValue("vendor"); v != "" && v != pushed.Vendor {
		return oauth.Params{}, badRequest("The application's request is for another vendor (request_uri).", errors.New("request_uri of another vendor"))
	}
	switch _, err := s.Once.Take(r.Context(), once.NewKey("pushed", sealed), pushedLife); {
	case errors.Is(err, once.ErrTaken):
		return oauth.Params{}, badRequest("The application's request was used before (request_uri).", err)
	case err != nil:
		return oauth.Params{}, tryAgain(err)
	}
	p, err := oauth.ParseParams(pushed.Query)
	if err != nil {
		return p, badRequest("The application's request cannot be read.", err)
	}
	return p.With("vendor", pushed.Vendor), nil
}
