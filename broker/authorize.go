// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"errors"
	"net/http"
	"strings"

	"github.com/oauthbroker/oauth-broker/broker/client"
	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/broker/vendor"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

const (
	// maxQuery bounds the query of an authorization request.
	maxQuery = 16 << 10
	// maxState bounds the client's state: it travels in the login's cookie.
	maxState = 1 << 10
	// maxNonce bounds the client's nonce, for the same reason.
	maxNonce = 256
)

// authorization is an authorization request in the making. The first half is
// set once client and redirect URI are known to be good.
type authorization struct {
	params oauth.Params
	client *runtimeconfig.Client
	back   returnAddress

	vendor   *runtimeconfig.Vendor
	endpoint vendor.Endpoint
	scopes   []string
	resource []string
	trace    string
	language string
}

// authorize starts a login (RFC 6749 section 4.1.1): it answers with a page
// until client and redirect URI are good, then with errors to the client, and
// at last with the consent page or a redirect to the vendor.
func (s *Server) authorize(w http.ResponseWriter, r *request) error {
	p, err := s.authorizeParams(r)
	if err != nil {
		return err
	}
	r.language = s.pages.languages.asked(p.Get("ui_locales"))
	a, err := s.trustReturn(r, p)
	if err != nil {
		return err
	}
	if err := s.checkRequest(r, a); err != nil {
		return &redirectError{to: a.back, err: oauth.AsError(err), ask: a.client.SelfRegistered}
	}
	a.trace, a.language = s.traceContext(r), r.language
	passed := passedOn(a.vendor, p)
	if s.needsConsent(r, a) {
		return s.showConsent(w, r, a, passed)
	}
	return s.toVendor(w, r, &outbound{ask: a.ask(), endpoint: a.endpoint, back: a.back, passed: passed, nonce: p.Get("nonce")})
}

// authorizeParams reads the query, or what was pushed before (RFC 9126).
func (s *Server) authorizeParams(r *request) (oauth.Params, error) {
	if len(r.URL.RawQuery) > maxQuery {
		return oauth.Params{}, &pageError{status: http.StatusRequestURITooLong, title: "This sign-in request is too long", text: "The application sent more than the broker accepts."}
	}
	p, err := oauth.ParseParams(r.URL.RawQuery)
	if err != nil {
		return p, badRequest("The application sent parameters that cannot be read: "+err.Error()+".", err)
	}
	if pushed, ok := strings.CutPrefix(p.Get("request_uri"), requestURIPrefix); ok {
		return s.pushedParams(r, p.Get("client_id"), pushed)
	}
	return p, nil
}

// trustReturn checks client_id and redirect_uri. Its errors are pages.
func (s *Server) trustReturn(r *request, p oauth.Params) (*authorization, error) {
	if name := r.PathValue("vendor"); name != "" {
		if _, ok := r.config.Vendor(name); !ok {
			return nil, &pageError{status: http.StatusNotFound, title: "Unknown vendor", text: "This broker does not serve the vendor that the application asked for."}
		}
	}
	c, err := s.clients(r).Find(r.Context(), p.Get("client_id"))
	switch {
	case errors.Is(err, client.ErrAway):
		return nil, &pageError{status: http.StatusServiceUnavailable, title: "Try again in a moment", text: "What the application says of itself cannot be read at the moment.", cause: err}
	case err != nil:
		return nil, badRequest("The application is not registered here (client_id).", err)
	}
	r.event.client = clientName(c)
	uri := p.Get("redirect_uri")
	if uri == "" && len(c.RedirectURIs) == 1 {
		uri = c.RedirectURIs[0]
	}
	if !oauth.MatchRedirectURI(c.RedirectURIs, uri) {
		return nil, badRequest("The address that the application wants to return to (redirect_uri) is not registered for it.", errors.New("redirect_uri not registered"))
	}
	back := returnAddress{redirectURI: uri, state: p.Get("state"), issuer: s.PublicURL}
	if name := vendorName(r, p); name != "" {
		if _, ok := r.config.Vendor(name); ok {
			back.issuer = s.issuer(name)
		}
	}
	return &authorization{params: p, client: c, back: back}, nil
}

// checkRequest judges the rest of the request. Its errors go to the client.
func (s *Server) checkRequest(r *request, a *authorization) error {
	// The vendor comes first: it is part of the issuer that every answer names.
	if err := s.chooseVendor(r, a); err != nil {
		return err
	}
	if err := checkProtocol(a); err != nil {
		return err
	}
	if err := checkScope(a); err != nil {
		return err
	}
	if err := s.chooseCredential(r, a); err != nil {
		return err
	}
	return checkResource(a)
}

// ask is the request once every check has passed.
func (a *authorization) ask() ask {
	return ask{
		Binding: runtimeconfig.NewBinding(a.vendor, a.endpoint.Credential), Client: a.client.ID, SelfRegistered: a.client.SelfRegistered,
		RedirectURI: a.back.redirectURI, State: a.back.state, Challenge: a.params.Get("code_challenge"), Scopes: a.scopes, Resource: a.resource, Trace: a.trace, Language: a.language,
	}
}

// vendorName is the vendor of the address, else of the parameter.
func vendorName(r *request, p oauth.Params) string {
	if name := r.PathValue("vendor"); name != "" {
		return name
	}
	return p.Get("vendor")
}

func (s *Server) chooseVendor(r *request, a *authorization) error {
	name := vendorName(r, a.params)
	if v := a.params.Get("vendor"); v != "" && v != name {
		return oauth.Errorf(oauth.InvalidRequest, "vendor differs from the vendor in the address")
	}
	if name == "" {
		return oauth.Errorf(oauth.InvalidRequest, "vendor is missing: name the vendor to sign in at")
	}
	v, known := r.config.Vendor(name)
	allowed := false
	if known {
		_, allowed = r.config.Allows(a.client, v)
	}
	if !allowed {
		return oauth.Errorf(oauth.UnauthorizedClient, "this client may not use this vendor").Because(errors.New("vendor unknown, or not among the client's vendors"))
	}
	a.vendor, r.event.vendor = v, name
	return nil
}

func checkProtocol(a *authorization) error {
	p := a.params
	switch {
	case a.client.NotReady != "":
		return oauth.Errorf(oauth.TemporarilyUnavailable, "this client's registration is not ready; see the status of its BrokerClient").Because(errors.New(a.client.NotReady))
	case p.Has("request"):
		return oauth.Errorf(oauth.RequestNotSupported, "request objects are not supported")
	case p.Has("request_uri"):
		return oauth.Errorf(oauth.RequestURINotSupported, "request_uri is not supported")
	case p.Get("response_type") != "code":
		return oauth.Errorf(oauth.UnsupportedResponseType, "response_type must be code")
	case p.Has("response_mode") && p.Get("response_mode") != "query":
		return oauth.Errorf(oauth.InvalidRequest, "response_mode must be query")
	case !p.Has("code_challenge"):
		return oauth.Errorf(oauth.InvalidRequest, "code_challenge is missing: PKCE is required of every client")
	case p.Get("code_challenge_method") != oauth.ChallengeS256:
		return oauth.Errorf(oauth.InvalidRequest, "code_challenge_method must be S256")
	case !oauth.ValidChallenge(p.Get("code_challenge")):
		return oauth.Errorf(oauth.InvalidRequest, "code_challenge must be the base64url form of a SHA-256 sum, 43 characters")
	case len(p.Get("state")) > maxState:
		return oauth.Errorf(oauth.InvalidRequest, "state is longer than %d bytes", maxState)
	case len(p.Get("nonce")) > maxNonce:
		return oauth.Errorf(oauth.InvalidRequest, "nonce is longer than %d bytes", maxNonce)
	case p.Get("prompt") == "none":
		return oauth.Errorf(oauth.InteractionRequired, "prompt=none is not supported: the broker keeps no session")
	}
	return nil
}

// checkScope applies defaults and limits. Nothing is granted silently, and
// nothing is dropped silently.
func checkScope(a *authorization) error {
	scopes, err := oauth.ParseScope(a.params.Get("scope"))
	if err != nil {
		return oauth.Errorf(oauth.InvalidScope, "scope is not well formed")
	}
	allowed, _ := a.client.Vendor(a.vendor.Name)
	if len(scopes) == 0 {
		scopes = a.vendor.Scopes.Default
		if len(allowed.Scopes) > 0 && oauth.Beyond(scopes, allowed.Scopes) != "" {
			scopes = allowed.Scopes
		}
	}
	if len(a.vendor.Scopes.Allowed) > 0 && oauth.Beyond(scopes, oauth.Union(a.vendor.Scopes.Allowed, a.vendor.Scopes.Always)) != "" {
		return oauth.Errorf(oauth.InvalidScope, "a requested scope is not among the vendor's scopes.allowed")
	}
	if len(allowed.Scopes) > 0 && oauth.Beyond(scopes, oauth.Union(allowed.Scopes, a.vendor.Scopes.Always)) != "" {
		return oauth.Errorf(oauth.InvalidScope, "a requested scope is not among this client's scopes for the vendor")
	}
	a.scopes = oauth.Union(scopes, a.vendor.Scopes.Always)
	return nil
}

// chooseCredential picks the credential once; everything after uses exactly it.
func (s *Server) chooseCredential(r *request, a *authorization) error {
	cred, err := r.config.Choose(a.client, a.vendor, a.params.Get("credential"))
	if cred != nil {
		r.event.credential = cred.Display()
	}
	switch {
	case errors.Is(err, runtimeconfig.ErrCredentialNotReady):
		return notReady(cred)
	case err != nil:
		return oauth.Errorf(oauth.UnauthorizedClient, "there is no credential for this client at this vendor: bring one with a BYOCCredential, or ask the platform team to share theirs").Because(err)
	}
	e, ok := vendor.NewEndpoint(a.vendor, cred)
	if !ok {
		return oauth.Errorf(oauth.UnauthorizedClient, "this vendor needs a credential of your own that gives values to its variables").Because(errors.New("target has unset variables"))
	}
	a.endpoint = e
	return nil
}
