// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/broker/once"
	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/broker/vendor"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// maxVendorCode bounds the vendor's code; the broker's own is made of it.
const maxVendorCode = 4 << 10

// callback takes the vendor's answer (RFC 6749 section 4.1.2). Until state,
// cookie, path and issuer agree, a person sees a page and nobody is redirected;
// after that the client gets a code or an error. The vendor's code is not
// redeemed here: that waits for the client's PKCE proof.
func (s *Server) callback(w http.ResponseWriter, r *request) error {
	p, err := oauth.ParseAnswer(r.URL.RawQuery)
	if err != nil {
		return badRequest("The vendor's answer cannot be read.", err)
	}
	l, err := s.matchLogin(w, r, p)
	if err != nil {
		return err
	}
	s.span(r, l.Trace)
	e, back, err := s.trustAsk(r, l.ask)
	if err != nil {
		return err
	}
	if err := checkIssuer(e, p); err != nil {
		return err
	}
	code, err := vendorCode(e, p)
	if err != nil {
		return err
	}
	if code == "" {
		return &redirectError{to: back, err: s.vendorDenial(e, p.Get("error"))}
	}
	return s.returnCode(w, r, back, &grantedCode{
		ID: l.ID, Binding: l.Binding, Client: l.Client, RedirectURI: l.RedirectURI, Challenge: l.Challenge, Scopes: l.Scopes,
		Resource: l.Resource, Callback: l.Callback, Verifier: l.Verifier, Nonce: l.Nonce, Code: code, Captured: captured(e.Vendor, p), Trace: s.traceContext(r),
		lifetime: s.codeLifetime(e.Vendor),
	})
}

// matchLogin finds the login of a state in this browser's cookies. The state is
// spent whatever comes after, unless nobody can tell whether it was spent before.
func (s *Server) matchLogin(w http.ResponseWriter, r *request, p oauth.Params) (*login, error) {
	id, vendorName, err := s.readState(r, p)
	if err != nil {
		return nil, badRequest("This sign-in is unknown or has expired.", err)
	}
	l, err := s.loadLogin(r, id)
	if err != nil {
		return nil, &pageError{
			status: http.StatusForbidden, title: "This sign-in belongs to another browser",
			text:  "The broker finds no trace of this sign-in in your browser: it was started elsewhere, it took too long, or cookies are blocked.",
			cause: err,
		}
	}
	r.language = l.Language
	switch {
	case vendorName != "" && vendorName != l.Binding.Vendor:
		s.endLogin(w, id)
		return nil, badRequest("The answer comes from another vendor than the one that was asked.", errors.New("mix-up: state and login name different vendors"))
	case l.Callback != r.URL.Path:
		s.endLogin(w, id)
		return nil, badRequest("The answer came to another address than the one that the vendor was given.", errors.New("mix-up: callback path differs from the login's"))
	}
	_, err = s.Once.Take(r.Context(), once.NewKey("state", id), l.Expires.Sub(s.Now()))
	if err != nil && !errors.Is(err, once.ErrTaken) {
		return nil, tryAgain(err)
	}
	s.endLogin(w, id)
	if err != nil {
		return nil, badRequest("This sign-in was answered before.", err)
	}
	return l, nil
}

// tryAgain is the page where one-time things cannot be taken. Nothing is spent,
// and the cookies stay: whoever loads the page again goes on.
func tryAgain(cause error) *pageError {
	return &pageError{
		status: http.StatusServiceUnavailable, title: "Try again in a moment",
		text: "The broker cannot check this sign-in now. Load this page again in a moment.", cause: cause,
	}
}

// readState reads the id of the login, and the vendor where the state tells it.
func (s *Server) readState(r *request, p oauth.Params) (id, vendorName string, err error) {
	name := "state"
	if v, ok := r.config.Vendor(r.PathValue("vendor")); ok && v.Authorize.Renames["state"] != "" {
		name = v.Authorize.Renames["state"]
	}
	state := p.Get(name)
	if isHandle(state) {
		return state, "", nil // all that it names is in the cookie
	}
	st, err := r.keys.VerifyState(state)
	return st.ID, st.Vendor, err
}

// isHandle tells whether a state is the bare id of a login (crypto/rand.Text).
func isHandle(state string) bool {
	return len(state) == 26 && strings.Trim(state, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// trustAsk checks that the client, its redirect URI and the credential are
// still what they were when the request was found good.
func (s *Server) trustAsk(r *request, a ask) (vendor.Endpoint, returnAddress, error) {
	back := returnAddress{redirectURI: a.RedirectURI, state: a.State, issuer: s.issuer(a.Binding.Vendor)}
	c := &runtimeconfig.Client{ID: a.Client, SelfRegistered: a.SelfRegistered}
	r.event.client = clientName(c)
	// A self-registered client stays what it was at the start: its document may
	// have changed since, and must not change this login.
	if !a.SelfRegistered {
		var ok bool
		if c, ok = r.config.Client(a.Client); !ok || !oauth.MatchRedirectURI(c.RedirectURIs, a.RedirectURI) {
			return vendor.Endpoint{}, back, badRequest("The application that started this sign-in is not registered any more.", errors.New("client or redirect_uri is gone"))
		}
	}
	e, err := s.boundEndpoint(r, a.Binding)
	if err != nil {
		return vendor.Endpoint{}, back, &redirectError{to: back, err: gone(err, oauth.ServerError, "the credential of this sign-in was changed or removed meanwhile; start again")}
	}
	if err := stillAllowed(r.config, c, e); err != nil {
		return vendor.Endpoint{}, back, &redirectError{to: back, err: oauth.Errorf(oauth.UnauthorizedClient, notAllowedAnyMore).Because(err)}
	}
	return e, back, nil
}

// notAllowedAnyMore is what a client is told that stillAllowed refuses.
const notAllowedAnyMore = "this client may not use this vendor, or its shared credential, any more"

// stillAllowed tells whether c may use vendor and credential, as it could when its
// login began; the error is for the log.
func stillAllowed(config *runtimeconfig.Snapshot, c *runtimeconfig.Client, e vendor.Endpoint) error {
	if _, allowed := config.Allows(c, e.Vendor); !allowed {
		return errors.New("vendor is not among the client's vendors any more")
	}
	if e.Credential.Source != runtimeconfig.SourceBYOC && !config.MayUseShared(c, e.Vendor) {
		return errors.New("shared use was withdrawn")
	}
	return nil
}

// boundEndpoint finds exactly the vendor and credential that a login was bound
// to. A credential that cannot be used for the moment is temporarily_unavailable,
// so that nobody is signed out for it; any other error means it is gone.
func (s *Server) boundEndpoint(r *request, b runtimeconfig.Binding) (vendor.Endpoint, error) {
	v, ok := r.config.Vendor(b.Vendor)
	if !ok {
		return vendor.Endpoint{}, errors.New("vendor is gone")
	}
	r.event.vendor = v.Name
	c, err := r.config.Bound(b)
	if c != nil {
		r.event.credential = c.Display()
	}
	switch {
	case errors.Is(err, runtimeconfig.ErrCredentialNotReady):
		return vendor.Endpoint{}, notReady(c)
	case err != nil:
		return vendor.Endpoint{}, errors.New("credential was changed or removed")
	}
	e, ok := vendor.NewEndpoint(v, c)
	if !ok {
		return vendor.Endpoint{}, errors.New("target has unset variables")
	}
	return e, nil
}

func notReady(c *runtimeconfig.Credential) *oauth.Error {
	return oauth.Errorf(oauth.TemporarilyUnavailable, "the credential for this vendor is not ready: %s; see its status", c.Display()).Because(errors.New(c.NotReady))
}

// gone is the error for a login or grant whose credential is gone; one that is
// only not ready stays temporarily_unavailable.
func gone(err error, code, what string) *oauth.Error {
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		return e
	}
	return oauth.Errorf(code, "%s", what).Because(err)
}

// checkIssuer defends against mix-up (RFC 9207 section 2.4): where iss is sent
// it must be the right one, compared letter by letter; where it is advertised
// or required it must be there.
func checkIssuer(e vendor.Endpoint, p oauth.Params) error {
	if e.Vendor.Callback.IssuerParameter == runtimeconfig.IssuerIgnored {
		return nil
	}
	iss := p.Get("iss")
	required := e.Vendor.Callback.IssuerParameter == runtimeconfig.IssuerRequired || e.Target.IssuerParameter
	switch {
	case iss == "" && required:
		return badRequest("The vendor's answer does not say who it is from.", errors.New("mix-up: iss is missing"))
	case iss == "":
		return nil
	case e.Target.Issuer == "" && e.Vendor.Callback.Path == runtimeconfig.CallbackShared:
		// Nothing to compare with, and nothing else tells vendors apart here: it may
		// be another vendor's answer that this one had the browser fetch.
		return badRequest("The vendor's answer says who it is from, and this broker does not know whether that is right.", errors.New("mix-up: the vendor sends iss; set spec.issuer, or callback.path: Vendor"))
	case e.Target.Issuer != "" && iss != e.Target.Issuer:
		return badRequest("The answer comes from another vendor than the one that was asked.", errors.New("mix-up: iss is not the vendor's issuer"))
	}
	return nil
}

// vendorCode reads the code; it is empty where the vendor sent an error.
func vendorCode(e vendor.Endpoint, p oauth.Params) (string, error) {
	code, failed := p.Get(e.Vendor.Callback.CodeParameter), p.Has("error")
	switch {
	case code != "" && failed:
		return "", badRequest("The vendor's answer contradicts itself.", errors.New("both code and error"))
	case code == "" && !failed:
		return "", badRequest("The vendor's answer holds no code.", errors.New("neither code nor error"))
	case len(code) > maxVendorCode:
		return "", badRequest("The vendor's answer is too long.", errors.New("code is too long"))
	}
	return code, nil
}

// vendorDenial turns a vendor's authorization error into one for the client.
// The vendor's own text is dropped: it may be anybody's. Salesforce writes
// access-denied (https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_flow_errors.htm).
func (s *Server) vendorDenial(e vendor.Endpoint, code string) *oauth.Error {
	switch code {
	case oauth.AccessDenied, "access-denied", "login_required", "consent_required", oauth.InteractionRequired, "account_selection_required", "user_cancelled_login", "user_cancelled_authorize":
		return oauth.Errorf(oauth.AccessDenied, "the user or the vendor denied the request")
	case oauth.InvalidScope:
		return oauth.Errorf(oauth.InvalidScope, "the vendor refused the requested scope")
	case oauth.InvalidTarget, "invalid_resource": // the latter is Entra ID's
		return oauth.Errorf(oauth.InvalidTarget, "the vendor refused the requested resource")
	case oauth.TemporarilyUnavailable, oauth.ServerError:
		return oauth.Errorf(oauth.TemporarilyUnavailable, "the vendor is temporarily unavailable; try again")
	case oauth.UnauthorizedClient, oauth.InvalidClient:
		s.metrics.credentialRefused(e)
		return oauth.Errorf(oauth.ServerError, "the vendor refused the broker's app: renew %s", e.Credential.Display())
	}
	return oauth.Errorf(oauth.ServerError, "the vendor refused the authorization request")
}

// returnCode seals the vendor's code into the broker's and sends it to the client.
func (s *Server) returnCode(w http.ResponseWriter, r *request, back returnAddress, g *grantedCode) error {
	sealed, err := r.keys.Seal(seal.Code, s.Now().Add(g.lifetime), "", g)
	if err != nil {
		return &redirectError{to: back, err: oauth.AsError(err)}
	}
	params := make(oauth.Query, 0, 3)
	params.Add("code", sealed)
	location, err := back.location(params)
	if err != nil {
		return badRequest("The application's return address cannot be used.", err)
	}
	redirectTo(w, r, location)
	return nil
}

// codeLifetime is the broker's own, or the vendor's where that is shorter.
func (s *Server) codeLifetime(v *runtimeconfig.Vendor) time.Duration {
	if seconds := v.Callback.CodeLifetimeSeconds; seconds > 0 {
		return min(s.Lifetimes.Code, time.Duration(seconds)*time.Second)
	}
	return s.Lifetimes.Code
}

func captured(v *runtimeconfig.Vendor, p oauth.Params) map[string]string {
	var out map[string]string
	for _, name := range v.Callback.CaptureParameters {
		if value := p.Get(name); value != "" && len(value) <= 512 {
			if out == nil {
				out = map[string]string{}
			}
			out[name] = value
		}
	}
	return out
}

// formPost takes the vendor's answer as a cross-site form (OAuth 2.0 Form Post
// Response Mode), only from vendors that are configured so. The login's cookie
// is SameSite=Lax and does not come along, so nothing is touched here: the
// browser is sent on to the GET callback, where it does.
func (s *Server) formPost(w http.ResponseWriter, r *request) error {
	form, err := s.readBody(r)
	if err != nil {
		return badRequest("The vendor's answer cannot be read.", err)
	}
	p, err := oauth.ParseAnswer(form)
	if err != nil {
		return badRequest("The vendor's answer cannot be read.", err)
	}
	_, name, err := s.readState(r, p)
	if err != nil {
		return badRequest("This sign-in is unknown or has expired.", err)
	}
	if name == "" {
		name = r.PathValue("vendor")
	}
	v, ok := r.config.Vendor(name)
	if !ok || !v.Authorize.FormPost {
		return notAllowed(http.MethodGet)(w, r)
	}
	r.event.vendor = v.Name
	var q oauth.Query
	for _, name := range slices.Concat([]string{"state", v.Authorize.Renames["state"], v.Callback.CodeParameter, "error", "iss"}, v.Callback.CaptureParameters) {
		if value := p.Get(name); value != "" {
			q.Set(name, value)
		}
	}
	w.Header().Set("Location", r.URL.Path+"?"+q.Encode())
	w.WriteHeader(http.StatusSeeOther)
	return nil
}
