// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/broker/vendor"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// unsupportedTokenType is an error code of RFC 7009 section 2.2.1.
const unsupportedTokenType = "unsupported_token_type"

const (
	hintAccess  = "access_token"
	hintRefresh = "refresh_token"
)

// errForeign is a token that is not this client's, or none at all.
var errForeign = errors.New("not a token of this client")

// ownedToken is a token that was issued to the caller.
type ownedToken struct {
	endpoint vendor.Endpoint
	token    secret.Text
	hint     string
	grant    *grant
}

// revoke revokes at the vendor (RFC 7009), only the client's own tokens. A token
// that is unknown, or another client's, gets the same 200 as one that was
// revoked, and no vendor is called. A client gives back what it was granted also
// where it may not use it any more: what was taken from it may be given again.
func (s *Server) revoke(w http.ResponseWriter, r *request) error {
	_, o, err := s.ownToken(r)
	if errors.Is(err, errForeign) {
		r.event.fail("foreign_token", err)
		w.WriteHeader(http.StatusOK)
		return nil
	}
	if err != nil {
		return err
	}
	if err := revocable(o.endpoint, o.hint); err != nil {
		return err
	}
	if err := s.vendors.Revoke(r.Context(), o.endpoint, o.token, o.hint); err != nil {
		return s.revocationFailure(o.endpoint, err)
	}
	if err := s.endRevoked(r, o.grant); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// rawEnded is how long the broker remembers that a vendor's own token was revoked,
// which the vendor knows: longer than a refresh and its kept answer take.
const rawEnded = 5 * time.Minute

// endRevoked ends a sign-in whose refresh token was revoked: answers of equal
// refreshes are kept for a moment, and must not outlive it (RFC 7009 section 2.1).
func (s *Server) endRevoked(r *request, g *grant) error {
	if s.Shared == nil {
		return nil
	}
	life := s.Lifetimes.Grant
	if g.raw {
		life = rawEnded
	}
	if _, err := s.Shared.Raise(context.WithoutCancel(r.Context()), g.familyKey(), familyEnded, life); err != nil {
		return oauth.Errorf(oauth.TemporarilyUnavailable, "the vendor revoked the token, and the broker cannot end what it keeps of it; try again").Because(err)
	}
	return nil
}

// revocable tells whether a token of a kind can be revoked at the vendor, or why
// not.
func revocable(e vendor.Endpoint, hint string) *oauth.Error {
	v := e.Vendor.Revocation
	switch {
	case v.Style == "" || v.Style == "None" || e.Target.Endpoints.Revocation == "":
		return oauth.Errorf(unsupportedTokenType, "this vendor has no revocation: the token stays valid until it expires")
	case v.Tokens == "Access" && hint == hintRefresh, v.Tokens == "Refresh" && hint == hintAccess:
		return oauth.Errorf(unsupportedTokenType, "this vendor does not revoke tokens of this kind")
	case v.SharedDenied && e.Credential.Source != runtimeconfig.SourceBYOC:
		return oauth.Errorf(unsupportedTokenType, "on a shared credential this vendor would end the user's whole grant, for other clients too")
	}
	return nil
}

// revocationFailure is 503 whatever went wrong: the token is still valid, and
// the client may try again (RFC 7009 section 2.2.1), which helps nothing where the
// vendor has no revocation for it.
func (s *Server) revocationFailure(e vendor.Endpoint, err error) error {
	out := &oauth.Error{Code: oauth.TemporarilyUnavailable, Description: "the vendor did not revoke the token; it is still valid, try again", Cause: err}
	if ve, ok := errors.AsType[*vendor.Error](err); ok {
		if ve.UnsupportedTokenType {
			return oauth.Errorf(unsupportedTokenType, "this vendor does not revoke tokens of this kind").Because(ve)
		}
		out.RetryAfter = ve.RetryAfter
		if ve.Outcome == vendor.OutcomeCredentialRefused {
			s.metrics.credentialRefused(e)
			out.Description = "the vendor refused the client credentials (expired or revoked); the token is still valid: renew " + e.Credential.Display()
		}
	}
	return out
}

// introspect passes the vendor's introspection through (RFC 7662) to the
// confidential client that the token was issued to.
func (s *Server) introspect(w http.ResponseWriter, r *request) error {
	t, o, err := s.ownToken(r)
	if t != nil && t.client != nil && t.client.Auth == runtimeconfig.ClientNone {
		return oauth.Errorf(oauth.InvalidClient, "introspection needs a client that authenticates").Because(errors.New("public client"))
	}
	if err == nil {
		err = stillGranted(r.config, t.client, o.endpoint)
	}
	foreign := errors.Is(err, errForeign)
	if foreign {
		r.event.fail("foreign_token", err)
	}
	if oe, ok := errors.AsType[*oauth.Error](err); foreign || ok && (oe.Code == unsupportedTokenType || oe.Code == oauth.InvalidGrant) {
		writeJSON(w, http.StatusOK, map[string]bool{"active": false})
		return nil
	}
	if err != nil {
		return err
	}
	if !o.endpoint.Vendor.Introspection || o.endpoint.Target.Endpoints.Introspection == "" {
		return oauth.Errorf(oauth.InvalidRequest, "this vendor has no introspection")
	}
	body, err := s.vendors.Introspect(r.Context(), o.endpoint, o.token, o.hint)
	if err != nil {
		return s.vendorFailure(o.endpoint, err, nil)
	}
	writeJSON(w, http.StatusOK, body)
	return nil
}

// ownToken authenticates the caller and finds out whether the token is its own:
// a sealed refresh token by what it seals, a vendor's raw token by its client
// being the only one on a BYOC credential.
func (s *Server) ownToken(r *request) (*tokenRequest, *ownedToken, error) {
	s.span(r, "")
	t, err := s.readTokenRequest(r)
	if err != nil {
		return t, nil, err
	}
	token := secret.New(t.params.Get("token"))
	if token.Empty() {
		return t, nil, oauth.Errorf(oauth.InvalidRequest, "token is missing")
	}
	if seal.Is(seal.RefreshToken, token.Reveal()) {
		o, err := s.ownRefreshToken(r, t, token)
		return t, o, err
	}
	if seal.IsSealed(token.Reveal()) {
		return t, nil, errForeign
	}
	e, ok := s.ownCredential(r, t)
	if !ok {
		return t, nil, oauth.Errorf(unsupportedTokenType, "the broker acts on its own refresh tokens only, unless the client brings its own credential")
	}
	hint := hintAccess
	if t.params.Get("token_type_hint") == hintRefresh {
		hint = hintRefresh
	}
	return t, &ownedToken{endpoint: e, token: token, hint: hint, grant: &grant{Family: rawFamily(t.client.ID, token), raw: true}}, nil
}

// ownRefreshToken finds what a refresh token of the broker's stands for. One whose
// credential is gone is as good as unknown: nobody could use it at the vendor.
func (s *Server) ownRefreshToken(r *request, t *tokenRequest, token secret.Text) (*ownedToken, error) {
	g, err := ownGrant(r, t, token)
	if err != nil {
		return nil, errors.Join(errForeign, err)
	}
	e, err := s.boundEndpoint(r, g.Binding)
	if away, ok := errors.AsType[*oauth.Error](err); ok {
		return nil, away
	}
	if err != nil {
		return nil, errors.Join(errForeign, err)
	}
	return &ownedToken{endpoint: e, token: secret.New(g.Token), hint: hintRefresh, grant: g}, nil
}

// ownCredential finds the BYOC credential of the caller's own namespace, for an
// authenticated confidential client.
func (s *Server) ownCredential(r *request, t *tokenRequest) (vendor.Endpoint, bool) {
	v, known := r.config.Vendor(t.vendorName)
	if !known || t.client.Auth == runtimeconfig.ClientNone {
		return vendor.Endpoint{}, false
	}
	_, allowed := r.config.Allows(t.client, v)
	c, err := r.config.Choose(t.client, v, t.params.Get("credential"))
	if err != nil || !allowed || c.Source != runtimeconfig.SourceBYOC || c.Namespace != t.client.Namespace {
		return vendor.Endpoint{}, false
	}
	r.event.credential = c.Display()
	return vendor.NewEndpoint(v, c)
}
