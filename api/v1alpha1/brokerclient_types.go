// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// BrokerClient is a deployment that may use the broker. Its client id is
// <namespace>.<name>.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=bc,categories=oauthbroker
// +kubebuilder:printcolumn:name="Client ID",type=string,JSONPath=`.status.clientID`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.status=="False")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$')",message="metadata.name must be a DNS label: lower-case letters, digits and -, at most 63 characters"
type BrokerClient struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`
	// spec is what the owner wants.
	// +required
	Spec BrokerClientSpec `json:"spec"`
	// status is what the operator observed. Before it has looked, observedGeneration
	// is -1, so that nobody takes a new object for a finished one.
	// +kubebuilder:default:={"observedGeneration":-1}
	// +optional
	Status BrokerClientStatus `json:"status,omitempty,omitzero"`
}

// BrokerClientList is a list of BrokerClient.
//
// +kubebuilder:object:root=true
type BrokerClientList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []BrokerClient `json:"items"`
}

// RedirectURI is a redirection endpoint of a client (RFC 6749 section 3.1.2):
// https, http of a loopback host (its port may vary, RFC 8252 section 7.3), or,
// for Native clients, a private-use scheme with a dot (RFC 8252 section 7.1).
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=1024
// +kubebuilder:validation:XValidation:rule="!self.contains('#')",message="a redirect URI has no fragment (RFC 6749 section 3.1.2)"
// +kubebuilder:validation:XValidation:rule="!self.contains('*')",message="a redirect URI is compared exactly: wildcards are not supported, list each URI"
// +kubebuilder:validation:XValidation:rule="self.matches('^https://[^/?#@\\\\s\\\\\\\\]+([/?][^#\\\\s\\\\\\\\]*)?$') || self.matches('^http://(localhost|127[.]0[.]0[.]1|\\\\[::1\\\\])(:[0-9]+)?([/?][^#\\\\s\\\\\\\\]*)?$') || self.matches('^[a-z][a-z0-9+-]*([.][a-z0-9+-]+)+:/[^#\\\\s\\\\\\\\]*$')",message="must be an https URL without user information, an http URL of localhost, 127.0.0.1 or [::1], or a private-use scheme with a dot such as com.example.app:/callback"
// +kubebuilder:validation:XValidation:rule="!self.matches('/[.][.]?(/|[?]|$)') && !self.lowerAscii().contains('%2e')",message="a redirect URI has no dot segments"
type RedirectURI string

// BrokerClientSpec is one client of the broker.
//
// +kubebuilder:validation:XValidation:rule="self.applicationType == 'Native' || self.redirectURIs.all(u, u.startsWith('https://') || u.startsWith('http://'))",message="private-use schemes in redirectURIs go with applicationType: Native"
// +kubebuilder:validation:XValidation:rule="(has(self.brokerClass) ? self.brokerClass : 'default') == (has(oldSelf.brokerClass) ? oldSelf.brokerClass : 'default')",message="brokerClass is immutable: delete the object and create it again"
type BrokerClientSpec struct {
	// brokerClass names the OAuth Broker install that serves this client.
	// +kubebuilder:default=default
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
	// +optional
	BrokerClass string `json:"brokerClass,omitempty"`
	// displayName is shown to people on the consent page.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="!self.matches('[\\\\x00-\\\\x1f\\\\x7f]')",message="displayName has no control characters"
	// +optional
	DisplayName string `json:"displayName,omitempty"`
	// applicationType is Web or Native (OpenID Connect Registration section 2).
	// +kubebuilder:default=Web
	// +kubebuilder:validation:Enum=Web;Native
	// +optional
	ApplicationType string `json:"applicationType,omitempty"`
	// redirectURIs of the client, compared exactly.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +listType=set
	// +required
	RedirectURIs []RedirectURI `json:"redirectURIs"`
	// authentication is how the client authenticates at the broker. PKCE with S256
	// is required of every client besides.
	// +required
	Authentication BrokerClientAuthentication `json:"authentication"`
	// vendors that the client may use.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	// +listType=map
	// +listMapKey=name
	// +required
	Vendors []AllowedVendor `json:"vendors"`
	// consent is WhenRequired, or Always to show the consent page even where the
	// vendor trusts this namespace. It can never waive the page.
	// +kubebuilder:default=WhenRequired
	// +kubebuilder:validation:Enum=WhenRequired;Always
	// +optional
	Consent string `json:"consent,omitempty"`
	// tokenEncryption makes token responses JWEs for this client (RFC 7516).
	// +optional
	TokenEncryption *TokenEncryption `json:"tokenEncryption,omitempty"`
}

// BrokerClientAuthenticationMethod is how a client authenticates at the broker.
//
// +kubebuilder:validation:Enum=None;ClientSecret;PrivateKeyJWT
type BrokerClientAuthenticationMethod string

const (
	// ClientAuthNone is a public client: PKCE only.
	ClientAuthNone BrokerClientAuthenticationMethod = "None"
	// ClientAuthSecret accepts client_secret_basic and client_secret_post.
	ClientAuthSecret BrokerClientAuthenticationMethod = "ClientSecret"
	// ClientAuthPrivateKeyJWT is private_key_jwt (RFC 7523).
	ClientAuthPrivateKeyJWT BrokerClientAuthenticationMethod = "PrivateKeyJWT"
)

// BrokerClientAuthentication is how the client authenticates.
//
// +kubebuilder:validation:XValidation:rule="(self.method == 'ClientSecret') == has(self.secretRef)",message="secretRef goes with method: ClientSecret, and that method needs it"
// +kubebuilder:validation:XValidation:rule="(self.method == 'PrivateKeyJWT') == has(self.jwks)",message="jwks goes with method: PrivateKeyJWT, and that method needs it"
type BrokerClientAuthentication struct {
	// method is None, ClientSecret or PrivateKeyJWT.
	// +required
	Method BrokerClientAuthenticationMethod `json:"method"`
	// secretRef names a Secret of this namespace with the key clientSecret (at
	// least 32 characters) and, while rotating, previousClientSecret.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`
	// jwks is the client's public key set (RFC 7517) as JSON.
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=16384
	// +optional
	JWKS string `json:"jwks,omitempty"`
}

// AllowedVendor is a vendor that a client may use.
type AllowedVendor struct {
	// name of the OAuthVendor.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
	// +required
	Name string `json:"name"`
	// scopes that the client may ask for. When empty: all that the vendor allows.
	// +kubebuilder:validation:MaxItems=128
	// +listType=set
	// +optional
	Scopes []ScopeToken `json:"scopes,omitempty"`
}

// TokenEncryption makes token responses JWEs.
type TokenEncryption struct {
	// algorithm of the key management.
	// +kubebuilder:validation:Enum=RSA-OAEP-256;ECDH-ES
	// +required
	Algorithm string `json:"algorithm"`
	// jwk is the client's public encryption key (RFC 7517) as JSON.
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=4096
	// +required
	JWK string `json:"jwk"`
}

// BrokerClientStatus is what the operator observed.
type BrokerClientStatus struct {
	// observedGeneration of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are Accepted, ResolvedRefs, Programmed, Ready and, where the spec is
	// wrong, Stalled.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// clientID to use at the broker: <namespace>.<name>.
	// +kubebuilder:validation:MaxLength=128
	// +optional
	ClientID string `json:"clientID,omitempty"`
	// observedSecret is the version of the Secret that this status speaks of.
	// +optional
	ObservedSecret *ObservedSecret `json:"observedSecret,omitempty"`
}
