// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"net/http"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// authorizationServer is authorization server metadata (RFC 8414 section 2).
type authorizationServer struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	PAREndpoint           string   `json:"pushed_authorization_request_endpoint"`
	RevocationEndpoint    string   `json:"revocation_endpoint,omitempty"`
	RevocationAuthMethods []string `json:"revocation_endpoint_auth_methods_supported,omitempty"`
	RevocationAuthAlgs    []string `json:"revocation_endpoint_auth_signing_alg_values_supported,omitempty"`
	IntrospectionEndpoint string   `json:"introspection_endpoint,omitempty"`
	IntrospectionMethods  []string `json:"introspection_endpoint_auth_methods_supported,omitempty"`
	IntrospectionAlgs     []string `json:"introspection_endpoint_auth_signing_alg_values_supported,omitempty"`
	RegistrationEndpoint  string   `json:"registration_endpoint,omitempty"`
	ClientIDDocuments     bool     `json:"client_id_metadata_document_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	ResponseModes         []string `json:"response_modes_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgs         []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	CodeChallengeMethods  []string `json:"code_challenge_methods_supported"`
	IssuerParameter       bool     `json:"authorization_response_iss_parameter_supported"`
	RequestParameter      bool     `json:"request_parameter_supported"`
	RequestURIParameter   bool     `json:"request_uri_parameter_supported"`
	ScopesSupported       []string `json:"scopes_supported,omitempty"`
	JWKSURI               string   `json:"jwks_uri,omitempty"`
	UILocales             []string `json:"ui_locales_supported"`
	SubjectTypes          []string `json:"subject_types_supported,omitempty"`
	IDTokenSigningAlgs    []string `json:"id_token_signing_alg_values_supported,omitempty"`
}

func (s *Server) metadata(v *runtimeconfig.Vendor) authorizationServer {
	issuer := s.issuer(v.Name)
	grants := []string{"authorization_code", "refresh_token"}
	if v.Refresh.Unsupported {
		grants = grants[:1]
	}
	methods := []string{"none", "client_secret_basic", "client_secret_post", "private_key_jwt"}
	m := authorizationServer{
		Issuer: issuer, AuthorizationEndpoint: issuer + "/authorize", TokenEndpoint: issuer + "/token", PAREndpoint: issuer + "/par",
		ResponseTypes: []string{"code"}, ResponseModes: []string{"query"}, GrantTypes: grants,
		TokenAuthMethods:     methods,
		TokenAuthAlgs:        runtimeconfig.AssertionAlgorithms(),
		CodeChallengeMethods: []string{oauth.ChallengeS256},
		IssuerParameter:      true,
		UILocales:            s.pages.languages.names(),
		ScopesSupported:      v.Scopes.Allowed,
		ClientIDDocuments:    s.Documents != nil && v.SelfRegisteredUse,
	}
	if style := v.Revocation.Style; style != "" && style != "None" {
		m.RevocationEndpoint, m.RevocationAuthMethods, m.RevocationAuthAlgs = issuer+"/revoke", methods, runtimeconfig.AssertionAlgorithms()
	}
	if v.Introspection {
		m.IntrospectionEndpoint, m.IntrospectionMethods, m.IntrospectionAlgs = issuer+"/introspect", methods[1:], runtimeconfig.AssertionAlgorithms()
	}
	if s.Registration.enabled() && v.SelfRegisteredUse {
		m.RegistrationEndpoint = issuer + "/register"
	}
	return m
}

// serverMetadata serves RFC 8414 metadata of the vendor's issuer.
func (s *Server) serverMetadata(w http.ResponseWriter, r *request) error {
	v, err := s.metadataVendor(w, r)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, s.metadata(v))
	return nil
}

// openIDConfiguration serves the same for clients that look in the OpenID
// Connect place. The ID tokens, where there are any, are the vendor's own.
func (s *Server) openIDConfiguration(w http.ResponseWriter, r *request) error {
	v, err := s.metadataVendor(w, r)
	if err != nil {
		return err
	}
	m := s.metadata(v)
	m.JWKSURI, m.SubjectTypes, m.IDTokenSigningAlgs = s.PublicURL+"/v1/jwks", []string{"public"}, v.Identity.Algorithms
	if v.Target != nil && v.Target.Endpoints.JWKS != "" {
		m.JWKSURI = v.Target.Endpoints.JWKS
	}
	writeJSON(w, http.StatusOK, m)
	return nil
}

func (s *Server) metadataVendor(w http.ResponseWriter, r *request) (*runtimeconfig.Vendor, error) {
	v, ok := r.config.Vendor(r.PathValue("vendor"))
	if !ok {
		return nil, &oauth.Error{Code: oauth.InvalidRequest, Description: "there is no such issuer", Status: http.StatusNotFound}
	}
	r.event.vendor = v.Name
	w.Header().Set("Cache-Control", "public, max-age=300")
	return v, nil
}

// jwks serves the broker's own key set. It signs nothing that others verify.
func (s *Server) jwks(w http.ResponseWriter, _ *request) error {
	writeJSON(w, http.StatusOK, map[string][]any{"keys": {}})
	return nil
}
