// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// DiscoveryType is a kind of metadata document.
//
// +kubebuilder:validation:Enum=OpenIDConnect;OAuth
type DiscoveryType string

const (
	// DiscoveryOpenIDConnect is OpenID Connect Discovery 1.0: issuer + /.well-known/openid-configuration.
	DiscoveryOpenIDConnect DiscoveryType = "OpenIDConnect"
	// DiscoveryOAuth is RFC 8414: /.well-known/oauth-authorization-server inserted before the issuer's path.
	DiscoveryOAuth DiscoveryType = "OAuth"
)

// Discovery reads the vendor's endpoints from its metadata document.
type Discovery struct {
	// type of the metadata document.
	// +required
	Type DiscoveryType `json:"type"`
	// url of the document, where it is not at the place that type and issuer give.
	// +optional
	URL EndpointURL `json:"url,omitempty"`
	// allowedHosts are hosts, besides the issuer's, that the document may name in
	// its endpoints. Others are refused: secrets go to these URLs.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=set
	// +optional
	AllowedHosts []string `json:"allowedHosts,omitempty"`
	// refreshSeconds is how often the document is read again.
	// +kubebuilder:default=3600
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=604800
	// +optional
	RefreshSeconds int32 `json:"refreshSeconds,omitempty"`
}

// Endpoints are the vendor's URLs.
type Endpoints struct {
	// authorization endpoint (RFC 6749 section 3.1). A query in it is kept.
	// +required
	Authorization EndpointURL `json:"authorization"`
	// token endpoint (RFC 6749 section 3.2).
	// +required
	Token EndpointURL `json:"token"`
	// refresh endpoint, where it is not the token endpoint.
	// +optional
	Refresh EndpointURL `json:"refresh,omitempty"`
	// revocation endpoint (RFC 7009, or the vendor's own shape). {client_id} in
	// its path is the client id of the credential in use (GitHub).
	// +optional
	Revocation EndpointURL `json:"revocation,omitempty"`
	// introspection endpoint (RFC 7662).
	// +optional
	Introspection EndpointURL `json:"introspection,omitempty"`
	// userinfo endpoint (OpenID Connect Core 5.3).
	// +optional
	Userinfo EndpointURL `json:"userinfo,omitempty"`
	// jwks is the vendor's key set, for ID tokens.
	// +optional
	JWKS EndpointURL `json:"jwks,omitempty"`
	// registration endpoint (RFC 7591).
	// +optional
	Registration EndpointURL `json:"registration,omitempty"`
}
