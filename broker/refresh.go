// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"errors"
	"net/http"
	"slices"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/broker/once"
	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/broker/vendor"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// redeemRefreshToken is the refresh_token grant (RFC 6749 section 6).
func (s *Server) redeemRefreshToken(w http.ResponseWriter, r *request, t *tokenRequest) error {
	s.span(r, "")
	token := t.params.Get("refresh_token")
	if token == "" {
		return oauth.Errorf(oauth.InvalidRequest, "refresh_token is missing")
	}
	g, e, err := s.openGrant(r, t, secret.New(token))
	if err != nil {
		return err
	}
	if e.Vendor.Refresh.Unsupported {
		return oauth.Errorf(oauth.UnsupportedGrantType, "this vendor does not refresh tokens")
	}
	scopes, err := narrowScope(g, t, e.Vendor)
	if err != nil {
		return err
	}
	resource, err := narrowResource(g.Resource, t.params.Resource())
	if err != nil {
		return err
	}
	kept := secret.New(g.Token)
	res, err := s.refreshOnce(r, t, refreshment{shown: token, grant: g, endpoint: e, exchange: vendor.RefreshExchange{
		RefreshToken: kept, RedirectURI: s.PublicURL + g.Callback, Scopes: scopes, Resource: resource,
	}})
	if err != nil {
		return s.vendorFailure(e, err, nil)
	}
	return s.respond(w, r, t, grantResult{
		endpoint: e, binding: g.Binding, tokens: res, scopes: g.Scopes, asked: g.Asked, resource: g.Resource, callback: g.Callback, subject: g.Subject, family: g.Family, step: g.after(t.client, res), kept: kept,
	})
}

// openGrant opens a refresh token and checks client, vendor and credential. The
// vendor is not called for a token that is not this client's.
func (s *Server) openGrant(r *request, t *tokenRequest, token secret.Text) (*grant, vendor.Endpoint, error) {
	if !seal.IsSealed(token.Reveal()) {
		return s.rawGrant(r, t, token)
	}
	g, err := ownGrant(r, t, token)
	if err != nil {
		return nil, vendor.Endpoint{}, err
	}
	e, err := s.boundEndpoint(r, g.Binding)
	if err != nil {
		return nil, e, gone(err, oauth.InvalidGrant, "the credential that this refresh token belongs to was changed or removed; sign in again")
	}
	return g, e, stillGranted(r.config, t.client, e)
}

// ownGrant opens a refresh token of the broker's that was issued to the caller.
func ownGrant(r *request, t *tokenRequest, token secret.Text) (*grant, error) {
	g := &grant{}
	if err := r.keys.Open(seal.RefreshToken, token.Reveal(), "", g); err != nil {
		return nil, invalidRefreshToken(err)
	}
	switch {
	case g.Client != t.client.ID:
		return nil, invalidRefreshToken(errors.New("refresh token of another client"))
	case t.vendorName != "" && g.Binding.Vendor != t.vendorName:
		return nil, invalidRefreshToken(errors.New("refresh token of another vendor"))
	}
	return g, nil
}

// stillGranted tells whether c may refresh what it was granted at e.
func stillGranted(config *runtimeconfig.Snapshot, c *runtimeconfig.Client, e vendor.Endpoint) error {
	if err := stillAllowed(config, c, e); err != nil {
		return oauth.Errorf(oauth.InvalidGrant, notAllowedAnyMore).Because(err)
	}
	return switched(config, c, e)
}

// switched refuses a grant of the platform's app once the client's namespace
// brings an app of its own. While that one is not ready nobody is signed out.
func switched(config *runtimeconfig.Snapshot, c *runtimeconfig.Client, e vendor.Endpoint) error {
	if e.Credential.Source == runtimeconfig.SourceBYOC {
		return nil
	}
	own, err := config.Choose(c, e.Vendor, "")
	switch {
	case own == nil || own.Source != runtimeconfig.SourceBYOC:
		return nil
	case err != nil:
		return notReady(own)
	}
	return oauth.Errorf(oauth.InvalidGrant, "this refresh token belongs to the platform's app, and this namespace has an app of its own at the vendor now; sign in again").
		Because(errors.New("the namespace switched to its own credential"))
}

// rawGrant takes a vendor's own refresh token, where that is allowed.
func (s *Server) rawGrant(r *request, t *tokenRequest, token secret.Text) (*grant, vendor.Endpoint, error) {
	e, ok := s.ownCredential(r, t)
	if !ok || !rawAllowed(t.client, e) {
		return nil, vendor.Endpoint{}, invalidRefreshToken(errors.New("not a refresh token of the broker"))
	}
	return &grant{
		Binding: runtimeconfig.NewBinding(e.Vendor, e.Credential), Client: t.client.ID, Token: token.Reveal(),
		Callback: callbackPath(e.Vendor, e.Credential), Family: rawFamily(t.client.ID, token), raw: true,
	}, e, nil
}

// rawFamily is the family of a vendor's own refresh token, which has no other of
// which the broker knew. It ends where the token is revoked.
func rawFamily(clientID string, token secret.Text) string {
	return once.NewKey("raw", clientID, token.Reveal()).String()
}

func invalidRefreshToken(cause error) *oauth.Error {
	return oauth.Errorf(oauth.InvalidGrant, "refresh_token is not valid, or has expired; sign in again").Because(cause)
}

// narrowScope judges the scope of a refresh: never wider than what was granted or
// asked for, of which the vendor knows best. None asked means all that was granted.
// What a vendor's own refresh token was granted only the vendor knows, so there the
// limits of vendor and client count.
func narrowScope(g *grant, t *tokenRequest, v *runtimeconfig.Vendor) ([]string, error) {
	asked, err := oauth.ParseScope(t.params.Get("scope"))
	if err != nil {
		return nil, oauth.Errorf(oauth.InvalidScope, "scope is not well formed")
	}
	if len(asked) == 0 {
		return g.Scopes, nil
	}
	limits := [][]string{oauth.Union(g.Scopes, g.Asked)}
	if g.raw {
		allowed, _ := t.client.Vendor(v.Name)
		limits = slices.DeleteFunc([][]string{v.Scopes.Allowed, allowed.Scopes}, func(l []string) bool { return len(l) == 0 })
	}
	for _, limit := range limits {
		if oauth.Beyond(asked, limit) != "" {
			return nil, oauth.Errorf(oauth.InvalidScope, "scope is wider than what was granted")
		}
	}
	return asked, nil
}
