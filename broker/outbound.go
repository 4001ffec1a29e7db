// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"crypto/rand"
	"errors"
	"net/http"

	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/broker/vendor"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// outbound is a request on its way to the vendor.
type outbound struct {
	ask      ask
	endpoint vendor.Endpoint
	back     returnAddress
	// passed are the client's parameters that the vendor lets through.
	passed map[string]string
	// nonce of the client's own; empty where it sent none.
	nonce string
}

// toVendor seals the login into the browser's cookie and sends the browser to
// the vendor. It comes after consent: no cookie of a login is set before.
func (s *Server) toVendor(w http.ResponseWriter, r *request, o *outbound) error {
	location, err := s.startLogin(w, r, o)
	if errors.Is(err, errTooLarge) {
		err = oauth.Errorf(oauth.InvalidRequest, "the request is too large: shorten state, scope or redirect_uri").Because(err)
	}
	if err != nil {
		return &redirectError{to: o.back, err: oauth.AsError(err)}
	}
	redirectTo(w, r, location)
	return nil
}

func (s *Server) startLogin(w http.ResponseWriter, r *request, o *outbound) (string, error) {
	v := o.endpoint.Vendor
	l := &login{
		ask: o.ask, ID: rand.Text(), Callback: callbackPath(v, o.endpoint.Credential),
		Verifier: oauth2.GenerateVerifier(), Expires: s.Now().Add(s.Lifetimes.Login),
	}
	if o.endpoint.ExpectsNonce(l.Scopes) {
		// The client checks the ID token against its own nonce, so that one is sent.
		if l.Nonce = o.nonce; l.Nonce == "" {
			l.Nonce = rand.Text()
		}
	}
	state := l.ID
	if !v.Authorize.HandleState {
		state = r.keys.SignState(seal.State{ID: l.ID, Vendor: v.Name, Expires: l.Expires})
	}
	location, err := o.endpoint.AuthorizeURL(vendor.AuthorizeRequest{
		RedirectURI: s.PublicURL + l.Callback, State: state, Scopes: l.Scopes, Resource: l.Resource,
		Verifier: l.Verifier, Nonce: l.Nonce, Passed: o.passed,
	})
	if err != nil {
		return "", err
	}
	return location, s.saveLogin(w, r, l)
}

// passedOn picks the parameters that the vendor lets through.
func passedOn(v *runtimeconfig.Vendor, p oauth.Params) map[string]string {
	out := map[string]string{}
	for _, name := range v.Authorize.PassParameters {
		if p.Has(name) {
			out[name] = p.Get(name)
		}
	}
	return out
}
