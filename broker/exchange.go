// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"errors"
	"net/http"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/broker/once"
	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/broker/vendor"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// grantedCode is what the broker's authorization code holds: the vendor's code,
// not redeemed yet, and all that its redemption needs.
type grantedCode struct {
	ID          string
	Binding     runtimeconfig.Binding
	Client      string
	RedirectURI string
	Challenge   string
	Scopes      []string
	Resource    []string
	Callback    string
	Verifier    string
	Nonce       string
	Code        string
	Captured    map[string]string
	// Trace is the context of the trace that the login is.
	Trace string
	// lifetime of the code, for whoever seals it.
	lifetime time.Duration
}

// Fields implements seal.Content.
func (g *grantedCode) Fields(f *seal.Fields) {
	f.Text("id", &g.ID)
	f.Object("b", (*binding)(&g.Binding))
	f.Text("cl", &g.Client)
	f.Text("ru", &g.RedirectURI)
	f.Text("ch", &g.Challenge)
	f.Texts("sc", &g.Scopes)
	f.Texts("re", &g.Resource)
	f.Text("cb", &g.Callback)
	f.Text("ve", &g.Verifier)
	f.Text("no", &g.Nonce)
	f.Text("co", &g.Code)
	f.Map("ca", &g.Captured)
	f.Text("tp", &g.Trace)
}

// redeemCode is the authorization_code grant. The order matters: no failure
// before the take consumes anything, and the vendor is called last.
func (s *Server) redeemCode(w http.ResponseWriter, r *request, t *tokenRequest) error {
	g, err := s.openCode(r, t)
	if err != nil {
		return err
	}
	resource, err := narrowResource(g.Resource, t.params.Resource())
	if err != nil {
		return err
	}
	e, err := s.boundEndpoint(r, g.Binding)
	if err != nil {
		return gone(err, oauth.InvalidGrant, "the credential of this sign-in was changed or removed meanwhile; sign in again")
	}
	if err := stillAllowed(r.config, t.client, e); err != nil {
		return oauth.Errorf(oauth.InvalidGrant, notAllowedAnyMore).Because(err)
	}
	release, err := s.take(r, once.NewKey("code", g.ID), s.Lifetimes.Code)
	if err != nil {
		return err
	}
	res, err := s.vendors.Exchange(r.Context(), e, vendor.CodeExchange{
		Code: secret.New(g.Code), Verifier: secret.New(g.Verifier), RedirectURI: s.PublicURL + g.Callback, Resource: resource,
	}, vendor.IDTokenCheck{Nonce: g.Nonce, Expected: e.ExpectsNonce(g.Scopes)})
	if err != nil {
		return s.vendorFailure(e, err, release)
	}
	return s.respond(w, r, t, grantResult{endpoint: e, binding: g.Binding, tokens: res, scopes: g.Scopes, family: g.ID, resource: g.Resource, captured: g.Captured, callback: g.Callback})
}

// openCode opens the code and checks everything that binds it: client, vendor,
// redirect URI, PKCE.
func (s *Server) openCode(r *request, t *tokenRequest) (*grantedCode, error) {
	code := t.params.Get("code")
	if code == "" {
		return nil, oauth.Errorf(oauth.InvalidRequest, "code is missing")
	}
	g := &grantedCode{}
	if err := r.keys.Open(seal.Code, code, "", g); err != nil {
		return nil, oauth.Errorf(oauth.InvalidGrant, "code is not valid, or has expired").Because(err)
	}
	s.span(r, g.Trace)
	verifier, uri := t.params.Get("code_verifier"), t.params.Get("redirect_uri")
	switch {
	case g.Client != t.client.ID:
		return nil, oauth.Errorf(oauth.InvalidGrant, "code is not valid, or has expired").Because(errors.New("code of another client"))
	case t.vendorName != "" && g.Binding.Vendor != t.vendorName:
		return nil, oauth.Errorf(oauth.InvalidGrant, "code is not valid, or has expired").Because(errors.New("code of another vendor"))
	case uri != "" && uri != g.RedirectURI:
		return nil, oauth.Errorf(oauth.InvalidGrant, "redirect_uri differs from the one of the authorization request")
	case verifier == "":
		return nil, oauth.Errorf(oauth.InvalidGrant, "code_verifier is missing")
	case !oauth.VerifyS256(g.Challenge, verifier):
		return nil, oauth.Errorf(oauth.InvalidGrant, "code_verifier does not fit the code_challenge")
	}
	return g, nil
}

// take takes a one-time thing. release gives it back; call it only when the
// vendor provably did not act.
func (s *Server) take(r *request, key once.Key, ttl time.Duration) (release func(), err error) {
	receipt, err := s.Once.Take(r.Context(), key, ttl)
	switch {
	case errors.Is(err, once.ErrTaken):
		return nil, oauth.Errorf(oauth.InvalidGrant, "code was used before").Because(err)
	case err != nil:
		return nil, oauth.Errorf(oauth.TemporarilyUnavailable, "the broker cannot make sure that the code is used once; try again").Because(err)
	}
	return func() {
		if err := s.Once.Release(r.Context(), receipt); err != nil {
			r.event.cause = "not released: " + err.Error()
		}
	}, nil
}

// vendorFailure turns a vendor's failure into the client's error. A vendor that
// is away never becomes invalid_grant, and a vendor's invalid_client is never
// relayed: the client would throw away its own registration.
func (s *Server) vendorFailure(e vendor.Endpoint, err error, release func()) error {
	ve, ok := errors.AsType[*vendor.Error](err)
	if !ok {
		return oauth.AsError(err)
	}
	if ve.NotSent && release != nil {
		release()
	}
	switch ve.Outcome {
	case vendor.OutcomeGrantRefused:
		return oauth.Errorf(oauth.InvalidGrant, "the vendor refused the grant; sign in again").Because(ve)
	case vendor.OutcomeScopeRefused:
		return oauth.Errorf(oauth.InvalidScope, "the vendor refused the scope").Because(ve)
	case vendor.OutcomeTargetRefused:
		return oauth.Errorf(oauth.InvalidTarget, "the vendor refused the resource").Because(ve)
	case vendor.OutcomeCredentialRefused:
		s.metrics.credentialRefused(e)
		return oauth.Errorf(oauth.ServerError, "the vendor refused the client credentials (expired or revoked): renew %s", e.Credential.Display()).Because(ve)
	case vendor.OutcomeUnavailable, vendor.OutcomeShed:
		return (&oauth.Error{Code: oauth.TemporarilyUnavailable, Description: "the vendor is not available; try again", RetryAfter: ve.RetryAfter}).Because(ve)
	case vendor.OutcomeIDToken:
		return oauth.Errorf(oauth.ServerError, "the vendor's id_token is not valid").Because(ve)
	case vendor.OutcomeOK, vendor.OutcomeRefused, vendor.OutcomeMalformed:
	}
	return oauth.Errorf(oauth.ServerError, "the vendor's token endpoint gave an answer that cannot be used").Because(ve)
}
