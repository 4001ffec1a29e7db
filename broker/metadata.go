// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"net/http"

	"github.com/oauthbroker/oauth-broker/broker/client"
	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// authorizationServer is authorization server metadata (RFC 8414 section 2).
type authorizationServer struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
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
	SubjectTypes          []string `json:"subject_types_supported,omitempty"`
	IDTokenSigningAlgs    []string `json:"id_token_signing_alg_values_supported,omitempty"`
}

func (s *Server) metadata(v *runtimeconfig.Vendor) authorizationServer {
	issuer := s.issuer(v.Name)
	grants := []string{"authorization_code", "refresh_token"}
	if v.Refresh.Unsupported {
		grants = grants[:1]
	}
	return authorizationServer{
		Issuer: issuer, AuthorizationEndpoint: issuer + "/authorize", TokenEndpoint: issuer + "/token",
		ResponseTypes: []string{"code"}, ResponseModes: []string{"query"}, GrantTypes: grants,
		TokenAuthMethods:     []string{"none", "client_secret_basic", "client_secret_post", "private_key_jwt"},
		TokenAuthAlgs:        client.Algorithms(),
		CodeChallengeMethods: []string{oauth.ChallengeS256},
		IssuerParameter:      true,
		ScopesSupported:      v.Scopes.Allowed,
	}
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
