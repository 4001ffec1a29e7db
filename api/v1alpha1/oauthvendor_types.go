// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// OAuthVendor says how one vendor's OAuth endpoints behave, which credentials
// the platform shares, and which namespaces may use or bring credentials.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=ov,categories=oauthbroker
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.status=="False")].reason`
// +kubebuilder:printcolumn:name="Redirect URI",type=string,JSONPath=`.status.redirectURI`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$')",message="metadata.name must be a DNS label: lower-case letters, digits and -, at most 63 characters"
type OAuthVendor struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object. The name is the vendor's name in the broker's URLs.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`
	// spec is what the platform team wants.
	// +required
	Spec OAuthVendorSpec `json:"spec"`
	// status is what the operator observed. Before it has looked, observedGeneration
	// is -1, so that nobody takes a new object for a finished one.
	// +kubebuilder:default:={"observedGeneration":-1}
	// +optional
	Status OAuthVendorStatus `json:"status,omitempty,omitzero"`
}

// OAuthVendorList is a list of OAuthVendor.
//
// +kubebuilder:object:root=true
type OAuthVendorList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OAuthVendor `json:"items"`
}

// OAuthVendorSpec is one vendor.
//
// +kubebuilder:validation:XValidation:rule="has(self.discovery) != has(self.endpoints)",message="set exactly one of discovery and endpoints: discovery reads the vendor's metadata document, endpoints gives the URLs here"
// +kubebuilder:validation:XValidation:rule="!has(self.discovery) || has(self.issuer)",message="discovery needs issuer: the identifier that the metadata document must carry"
// +kubebuilder:validation:XValidation:rule="!has(self.issuer) || !has(self.discovery) || !self.issuer.contains('{')",message="discovery of a templated issuer is not supported: give endpoints with {variable} references instead"
// +kubebuilder:validation:XValidation:rule="!has(self.issuer) || self.issuer.findAll('[{][A-Za-z][A-Za-z0-9]*[}]').all(r, has(self.variables) && self.variables.exists(v, '{' + v.name + '}' == r))",message="issuer refers to an unknown variable: declare it under variables, or correct the {name}"
// +kubebuilder:validation:XValidation:rule="!has(self.endpoints) || [self.endpoints.authorization, self.endpoints.token, has(self.endpoints.refresh) ? self.endpoints.refresh : \"\", has(self.endpoints.revocation) ? self.endpoints.revocation : \"\", has(self.endpoints.introspection) ? self.endpoints.introspection : \"\", has(self.endpoints.userinfo) ? self.endpoints.userinfo : \"\", has(self.endpoints.jwks) ? self.endpoints.jwks : \"\", has(self.endpoints.registration) ? self.endpoints.registration : \"\"].all(u, u.findAll('[{][A-Za-z][A-Za-z0-9]*[}]').all(r, has(self.variables) && self.variables.exists(v, '{' + v.name + '}' == r)))",message="an endpoint refers to an unknown variable: declare it under variables, or correct the {name}"
// +kubebuilder:validation:XValidation:rule="!has(self.authorize) || !has(self.authorize.parameters) || self.authorize.parameters.all(p, p.value.findAll('[{][A-Za-z][A-Za-z0-9]*[}]').all(r, has(self.variables) && self.variables.exists(v, '{' + v.name + '}' == r)))",message="a value in authorize.parameters refers to an unknown variable: declare it under variables, or correct the {name}"
// +kubebuilder:validation:XValidation:rule="!has(self.tokenRequest) || !has(self.tokenRequest.parameters) || self.tokenRequest.parameters.all(p, p.value.findAll('[{][A-Za-z][A-Za-z0-9]*[}]').all(r, has(self.variables) && self.variables.exists(v, '{' + v.name + '}' == r)))",message="a value in tokenRequest.parameters refers to an unknown variable: declare it under variables, or correct the {name}"
// +kubebuilder:validation:XValidation:rule="!has(self.refresh) || !has(self.refresh.parameters) || self.refresh.parameters.all(p, p.value.findAll('[{][A-Za-z][A-Za-z0-9]*[}]').all(r, has(self.variables) && self.variables.exists(v, '{' + v.name + '}' == r)))",message="a value in refresh.parameters refers to an unknown variable: declare it under variables, or correct the {name}"
// +kubebuilder:validation:XValidation:rule="!has(self.resource) || !has(self.resource.value) || self.resource.value.findAll('[{][A-Za-z][A-Za-z0-9]*[}]').all(r, has(self.variables) && self.variables.exists(v, '{' + v.name + '}' == r))",message="resource.value refers to an unknown variable: declare it under variables, or correct the {name}"
// +kubebuilder:validation:XValidation:rule="!has(self.variables) || !self.variables.exists(v, has(v.pattern)) || (has(self.callback) && ((has(self.callback.path) && self.callback.path == 'Credential') || (has(self.callback.issuerParameter) && self.callback.issuerParameter == 'Required')))",message="a vendor with free-form variables has many issuers, so mix-up defence is needed: set callback.path to Credential, or callback.issuerParameter to Required"
// +kubebuilder:validation:XValidation:rule="!has(self.variables) || (has(self.callback) && ((has(self.callback.path) && self.callback.path != 'Shared') || (has(self.callback.issuerParameter) && self.callback.issuerParameter == 'Required')))",message="a vendor with variables may not share /v1/callback without an issuer check: set callback.path to Vendor or Credential, or callback.issuerParameter to Required"
// +kubebuilder:validation:XValidation:rule="!has(self.callback) || !has(self.callback.issuerParameter) || self.callback.issuerParameter != 'Required' || has(self.issuer)",message="callback.issuerParameter: Required needs issuer, the value to compare with"
// +kubebuilder:validation:XValidation:rule="!has(self.identity) || !has(self.identity.idToken) || self.identity.idToken != 'Required' || has(self.discovery) || (has(self.endpoints) && has(self.endpoints.jwks) && (has(self.issuer) || has(self.identity.issuer)))",message="identity.idToken: Required needs discovery, or endpoints.jwks with issuer, to validate against"
// +kubebuilder:validation:XValidation:rule="(has(self.brokerClass) ? self.brokerClass : 'default') == (has(oldSelf.brokerClass) ? oldSelf.brokerClass : 'default')",message="brokerClass is immutable: delete the object and create it again"
type OAuthVendorSpec struct {
	// brokerClass names the OAuth Broker install that serves this vendor.
	// +kubebuilder:default=default
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
	// +optional
	BrokerClass string `json:"brokerClass,omitempty"`
	// display is what people see of the vendor.
	// +optional
	Display *VendorDisplay `json:"display,omitempty"`
	// variables that URLs and parameter values may refer to as {name}; a
	// BYOCCredential gives their values.
	// +kubebuilder:validation:MaxItems=8
	// +listType=map
	// +listMapKey=name
	// +optional
	Variables []Variable `json:"variables,omitempty"`
	// issuer is the vendor's issuer identifier (RFC 8414 section 2). ID tokens,
	// discovery documents and the iss of RFC 9207 are compared with it.
	// +optional
	Issuer EndpointURL `json:"issuer,omitempty"`
	// discovery reads the endpoints from the vendor's metadata document.
	// +optional
	Discovery *Discovery `json:"discovery,omitempty"`
	// endpoints gives the vendor's URLs.
	// +optional
	Endpoints *Endpoints `json:"endpoints,omitempty"`
	// authorize shapes the authorization request to the vendor.
	// +optional
	Authorize *AuthorizeRequest `json:"authorize,omitempty"`
	// callback says how the vendor answers.
	// +optional
	Callback *Callback `json:"callback,omitempty"`
	// scopes says which scopes exist and how they are written.
	// +optional
	Scopes *Scopes `json:"scopes,omitempty"`
	// pkce is the PKCE mode of the leg between broker and vendor (RFC 7636).
	// S256 sends a challenge; None is for the few vendors that refuse one.
	// +kubebuilder:default=S256
	// +optional
	PKCE PKCEMode `json:"pkce,omitempty"`
	// clientAuthentication is how the broker authenticates at the token endpoint.
	// +optional
	ClientAuthentication *ClientAuthentication `json:"clientAuthentication,omitempty"`
	// tokenRequest shapes requests to the token endpoint.
	// +optional
	TokenRequest *TokenRequest `json:"tokenRequest,omitempty"`
	// tokenResponse says where things are in the token endpoint's answer.
	// +optional
	TokenResponse *TokenResponse `json:"tokenResponse,omitempty"`
	// identity says how ID tokens are validated (OpenID Connect Core 3.1.3.7).
	// +optional
	Identity *Identity `json:"identity,omitempty"`
	// refresh says whether and how tokens are refreshed (RFC 6749 section 6).
	// +optional
	Refresh *Refresh `json:"refresh,omitempty"`
	// refreshTokens says what clients get: Sealed binds the vendor's refresh token
	// to client, vendor and credential; Raw hands it out as it is, and only to an
	// authenticated confidential client on a BYOC credential of its own namespace.
	// +kubebuilder:default=Sealed
	// +optional
	RefreshTokens RefreshTokenMode `json:"refreshTokens,omitempty"`
	// revocation says how the vendor revokes.
	// +optional
	Revocation *Revocation `json:"revocation,omitempty"`
	// introspection says how the vendor introspects (RFC 7662).
	// +optional
	Introspection *Introspection `json:"introspection,omitempty"`
	// resource says what becomes of the resource parameter (RFC 8707).
	// +optional
	Resource *ResourceIndicator `json:"resource,omitempty"`
	// registration says how OAuth apps are registered at the vendor (RFC 7591).
	// +optional
	Registration *Registration `json:"registration,omitempty"`
	// credentials are the platform's own credentials at the vendor and who may use them.
	// +optional
	Credentials *SharedCredentials `json:"credentials,omitempty"`
	// byoc says which namespaces may bring credentials of their own.
	// +optional
	BYOC *BringYourOwn `json:"byoc,omitempty"`
	// trustedNamespaces are those whose BrokerClients skip the consent page.
	// +optional
	TrustedNamespaces *NamespacePolicy `json:"trustedNamespaces,omitempty"`
	// transport bounds the calls to the vendor.
	// +optional
	Transport *Transport `json:"transport,omitempty"`
	// credentialProbe lets the operator ask the vendor whether it accepts the
	// client credentials. Nothing is asked by default.
	// +optional
	CredentialProbe *CredentialProbe `json:"credentialProbe,omitempty"`
}

// VendorDisplay is what people see of the vendor.
type VendorDisplay struct {
	// name of the vendor in prose.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Name string `json:"name,omitempty"`
	// category groups vendors, for example "developer-tools".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Category string `json:"category,omitempty"`
	// iconURL is a picture. The broker never fetches it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^https://`
	// +optional
	IconURL string `json:"iconURL,omitempty"`
	// documentationURL explains the vendor's OAuth.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^https://`
	// +optional
	DocumentationURL string `json:"documentationURL,omitempty"`
	// setupURL is where an OAuth app is made at the vendor.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^https://`
	// +optional
	SetupURL string `json:"setupURL,omitempty"`
	// resourceServers are the APIs or MCP servers that the tokens are for.
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=1024
	// +listType=set
	// +optional
	ResourceServers []string `json:"resourceServers,omitempty"`
}

// Variable is a named part of URLs and parameter values.
//
// +kubebuilder:validation:XValidation:rule="has(self.pattern) != has(self.enum)",message="set exactly one of pattern and enum: one of them must say which values are good"
// +kubebuilder:validation:XValidation:rule="!has(self.pattern) || (self.pattern.startsWith('^') && self.pattern.endsWith('$') && !self.pattern.contains('|'))",message="pattern must be anchored with ^ and $ and may not hold |, so that a value cannot slip past it"
// +kubebuilder:validation:XValidation:rule="!has(self.default) || !has(self.enum) || self.default in self.enum",message="default must be one of enum"
type Variable struct {
	// name of the variable, referred to as {name}.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9]*$`
	// +required
	Name string `json:"name"`
	// description tells a tenant what to enter.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Description string `json:"description,omitempty"`
	// pattern is an anchored RE2 expression that good values match.
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Pattern string `json:"pattern,omitempty"`
	// enum lists the good values.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	// +listType=set
	// +optional
	Enum []string `json:"enum,omitempty"`
	// default is used where a credential gives no value.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +optional
	Default string `json:"default,omitempty"`
}

// Transport bounds the calls to the vendor.
type Transport struct {
	// timeoutSeconds bounds one call.
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=60
	// +optional
	TimeoutSeconds int32 `json:"timeoutSeconds,omitempty"`
	// maxResponseBytes bounds one answer, after decompression.
	// +kubebuilder:default=1048576
	// +kubebuilder:validation:Minimum=1024
	// +kubebuilder:validation:Maximum=4194304
	// +optional
	MaxResponseBytes int32 `json:"maxResponseBytes,omitempty"`
	// caBundle is PEM certificates trusted for this vendor instead of the system's.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=65536
	// +optional
	CABundle string `json:"caBundle,omitempty"`
}
