// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/oauthbroker/oauth-broker/broker/client"
	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/broker/vendor"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// invalidToken is an error code of RFC 6750 section 3.1.
const invalidToken = "invalid_token"

// register registers, and counts what was refused by address: not all of it came
// as far as to be counted as a registration.
func (s *Server) register(w http.ResponseWriter, r *request) error {
	err := s.tryRegister(w, r)
	if err == nil {
		return nil
	}
	if slow := s.limitAddress(r); slow != nil {
		return slow
	}
	return err
}

// tryRegister has two uses. With vendor in the body, at the generic address, it
// registers an OAuth app at that vendor; otherwise a client of the broker.
func (s *Server) tryRegister(w http.ResponseWriter, r *request) error {
	body, members, err := readJSON(r)
	if err != nil {
		return err
	}
	if name, ok := members["vendor"]; ok && r.PathValue("vendor") == "" {
		return s.registerAtVendor(w, r, name, members)
	}
	return s.registerClient(w, r, body)
}

func (s *Server) stranger(r *request) string { return "address " + s.addressOf(r) }

// readJSON strictly reads a JSON object.
func readJSON(r *request) ([]byte, map[string]json.RawMessage, error) {
	mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mt != "application/json" {
		return nil, nil, &oauth.Error{Code: client.InvalidClientMetadata, Description: "the body must be application/json", Status: http.StatusUnsupportedMediaType}
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(b) > maxBody {
		return nil, nil, &oauth.Error{Code: client.InvalidClientMetadata, Description: "the body is too long", Status: http.StatusRequestEntityTooLarge}
	}
	members, err := oauth.DecodeObject(b)
	if err != nil {
		return nil, nil, oauth.Errorf(client.InvalidClientMetadata, "the body must be a JSON object: %s", err.Error())
	}
	return b, members, nil
}

// registerClient makes a client of the broker (RFC 7591 section 3). Nothing is
// stored: the client id is the registration.
func (s *Server) registerClient(w http.ResponseWriter, r *request, body []byte) error {
	if err := s.mayRegister(r); err != nil {
		return err
	}
	name := r.PathValue("vendor")
	if v, ok := r.config.Vendor(name); name != "" && (!ok || !v.SelfRegisteredUse) {
		return &oauth.Error{Code: oauth.InvalidRequest, Description: "this vendor takes no clients that register themselves", Status: http.StatusNotFound}
	}
	m, err := client.ParseMetadata(body)
	if err != nil {
		return err
	}
	reg, err := client.Register(r.keys, m, name, s.Now())
	if err != nil {
		return err
	}
	r.event.client = clientName(reg.Client())
	writeJSON(w, http.StatusCreated, s.registration(reg))
	return nil
}

func (s *Server) mayRegister(r *request) error {
	switch s.Registration.Mode {
	case RegistrationOpen:
		return s.limitRegistration(r, s.stranger(r))
	case RegistrationInitialAccessToken:
		if token := bearer(r); !token.Empty() && s.Registration.Token.Equal(token) {
			return nil
		}
		if err := s.limitRegistration(r, s.stranger(r)); err != nil {
			return err
		}
		return &oauth.Error{Code: invalidToken, Description: "registration needs the initial access token of this broker", Status: http.StatusUnauthorized, Bearer: true}
	case RegistrationDisabled:
	}
	return &oauth.Error{Code: oauth.AccessDenied, Description: "this broker does not take registrations: ask the platform team for a BrokerClient", Status: http.StatusForbidden}
}

// bearer is the token of the Authorization header (RFC 6750 section 2.1); empty
// where there is none.
func bearer(r *request) secret.Text {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return secret.Text{}
	}
	return secret.New(token)
}

// registrationResponse is the client information response (RFC 7591 section
// 3.2.1, RFC 7592 section 3).
type registrationResponse struct {
	ClientID                string `json:"client_id"`
	ClientSecret            string `json:"client_secret,omitempty"`
	ClientSecretExpiresAt   *int64 `json:"client_secret_expires_at,omitempty"`
	ClientIDIssuedAt        int64  `json:"client_id_issued_at"`
	RegistrationAccessToken string `json:"registration_access_token"`
	RegistrationClientURI   string `json:"registration_client_uri"`
	*client.Metadata
}

func (s *Server) registration(g *client.Registered) registrationResponse {
	out := registrationResponse{
		ClientID: g.ID, ClientSecret: g.Secret.Reveal(), ClientIDIssuedAt: g.IssuedAt.Unix(), Metadata: g.Metadata,
		RegistrationAccessToken: g.RegistrationToken.Reveal(), RegistrationClientURI: s.PublicURL + "/v1/register/" + g.ID,
	}
	if !g.Secret.Empty() {
		expires := g.ExpiresAt.Unix()
		out.ClientSecretExpiresAt = &expires
	}
	return out
}

// readRegistration reads a registration back (RFC 7592 section 2.1). Updating
// and deleting are refused: a stateless id cannot change or end before its time.
func (s *Server) readRegistration(w http.ResponseWriter, r *request) error {
	refused := &oauth.Error{Code: invalidToken, Description: "the registration access token does not belong to this client", Status: http.StatusUnauthorized, Bearer: true}
	if !s.Registration.enabled() {
		return refused.Because(errors.New("registration is disabled"))
	}
	g, err := client.Read(r.keys, r.PathValue("client"))
	if err != nil {
		return refused.Because(err)
	}
	if err := g.CheckRegistrationToken(bearer(r)); err != nil {
		return refused.Because(err)
	}
	r.event.client = clientName(g.Client())
	writeJSON(w, http.StatusOK, s.registration(g))
	return nil
}

// registerAtVendor registers an OAuth app at the vendor, with the broker's
// redirect URI, and returns the vendor's answer as it is.
func (s *Server) registerAtVendor(w http.ResponseWriter, r *request, name json.RawMessage, members map[string]json.RawMessage) error {
	s.span(r, "")
	v, err := s.registrableVendor(r, name)
	if err != nil {
		return err
	}
	redirectURI := s.PublicURL + callbackPath(v, &runtimeconfig.Credential{Source: runtimeconfig.SourceShared})
	answer, err := s.vendors.Register(r.Context(), v, members, redirectURI)
	if err != nil {
		return registrationFailure(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(answer.Status)
	_, _ = w.Write(answer.Body)
	return nil
}

// registrableVendor finds the vendor and decides whether the caller may register
// there: a client that the platform registered, that authenticates and is allowed
// this vendor; or anybody where the vendor says so and no token is spent.
func (s *Server) registrableVendor(r *request, name json.RawMessage) (*runtimeconfig.Vendor, error) {
	var text string
	if json.Unmarshal(name, &text) != nil {
		return nil, oauth.Errorf(oauth.InvalidRequest, "vendor must be a string")
	}
	v, known := r.config.Vendor(text)
	anybody := known && v.Registration.Anonymous && v.Registration.InitialAccessToken.Empty()
	c, err := s.registrant(r, anybody)
	if err != nil {
		return nil, err
	}
	// Anybody can register itself, with a secret too: that makes nobody known.
	if _, named := c.Vendor(text); !anybody && (!known || !named || c.Auth == runtimeconfig.ClientNone || c.SelfRegistered) {
		return nil, oauth.Errorf(oauth.UnauthorizedClient, "this client may not use this vendor")
	}
	r.event.vendor = v.Name
	if v.Registration.Mode == "" || v.Registration.Mode == "Disabled" || v.Target == nil || v.Target.Endpoints.Registration == "" {
		return nil, oauth.Errorf(oauth.InvalidRequest, "this vendor has no dynamic registration: create an app at the vendor and bring it with a BYOCCredential")
	}
	if v.Registration.Mode == "InitialAccessToken" && v.Registration.InitialAccessToken.Empty() {
		return nil, oauth.Errorf(oauth.TemporarilyUnavailable, "the vendor's initial access token is missing; see the status of the OAuthVendor")
	}
	return v, nil
}

// registrant authenticates the caller of a registration at a vendor, and slows it
// down. Where anybody may, it can be a client without a name.
func (s *Server) registrant(r *request, anybody bool) (*runtimeconfig.Client, error) {
	if r.Header.Get("Authorization") == "" {
		if !anybody {
			return nil, (&oauth.Error{Code: oauth.InvalidClient, Description: "registration at this vendor needs a client of the broker that authenticates with client_secret_basic", Challenge: true}).Because(errors.New("anonymous registration is not allowed"))
		}
		return &runtimeconfig.Client{}, s.limitRegistration(r, s.stranger(r))
	}
	c, err := s.auth.Authenticate(r.Request, s.clients(r), oauth.Params{}, s.PublicURL)
	if err != nil && r.slow != nil {
		return nil, r.slow
	}
	if err != nil {
		if slow := s.limitRegistration(r, s.stranger(r)); slow != nil {
			return nil, slow
		}
		return nil, err
	}
	r.event.client = clientName(c)
	if c.SelfRegistered { // anybody can be many of them
		return c, s.limitRegistration(r, s.stranger(r))
	}
	return c, s.limitRegistration(r, "client "+c.ID)
}

func registrationFailure(err error) error {
	ve, ok := errors.AsType[*vendor.Error](err)
	if !ok {
		return err
	}
	if ve.Outcome == vendor.OutcomeUnavailable || ve.Outcome == vendor.OutcomeShed {
		return &oauth.Error{Code: oauth.TemporarilyUnavailable, Description: "the vendor is not available; try again", RetryAfter: ve.RetryAfter, Cause: ve}
	}
	if ve.Outcome == vendor.OutcomeCredentialRefused {
		return oauth.Errorf(oauth.ServerError, "the vendor refused the registration: its initial access token may have expired").Because(ve)
	}
	return oauth.Errorf(oauth.ServerError, "the vendor's registration endpoint gave an answer that cannot be used").Because(ve)
}
