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
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
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
	// status is what the operator observed.
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

// AuthorizeRequest shapes the authorization request.
type AuthorizeRequest struct {
	// responseType is Code, or Omit for the vendors that know no response_type.
	// +kubebuilder:default=Code
	// +optional
	ResponseType ResponseType `json:"responseType,omitempty"`
	// responseMode is Query, or FormPost where the vendor answers by a form
	// (OAuth 2.0 Form Post Response Mode); the broker then asks for it.
	// +kubebuilder:default=Query
	// +optional
	ResponseMode ResponseMode `json:"responseMode,omitempty"`
	// parameters are added to every authorization request.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	Parameters []AuthorizeParameter `json:"parameters,omitempty"`
	// passParameters are parameters of the client's request that go on to the
	// vendor, for example prompt, login_hint or access_type. Others are dropped.
	// When absent: prompt, login_hint and max_age for vendors with OpenID Connect
	// discovery, none for others. nonce always goes on with the scope openid.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	PassParameters []AuthorizeParameterName `json:"passParameters,omitempty"`
	// renames gives the vendor's own names for standard parameters.
	// +kubebuilder:validation:MaxItems=4
	// +listType=map
	// +listMapKey=standard
	// +optional
	Renames []Rename `json:"renames,omitempty"`
	// state is SignedJWT (at most 256 bytes), or Handle (at most 64 bytes) for
	// vendors that limit its length.
	// +kubebuilder:default=SignedJWT
	// +optional
	State StateFormat `json:"state,omitempty"`
}

// ResponseType says what is sent as response_type.
//
// +kubebuilder:validation:Enum=Code;Omit
type ResponseType string

const (
	// ResponseTypeCode sends response_type=code.
	ResponseTypeCode ResponseType = "Code"
	// ResponseTypeOmit sends no response_type.
	ResponseTypeOmit ResponseType = "Omit"
)

// ResponseMode is how the vendor's answer comes back.
//
// +kubebuilder:validation:Enum=Query;FormPost
type ResponseMode string

const (
	// ResponseModeQuery is the default of the code flow.
	ResponseModeQuery ResponseMode = "Query"
	// ResponseModeFormPost is a cross-site POST to the callback.
	ResponseModeFormPost ResponseMode = "FormPost"
)

// StateFormat is how the state for the vendor is written.
//
// +kubebuilder:validation:Enum=SignedJWT;Handle
type StateFormat string

const (
	// StateSignedJWT is a signed JWT of at most 256 bytes.
	StateSignedJWT StateFormat = "SignedJWT"
	// StateHandle is a random handle of at most 64 bytes.
	StateHandle StateFormat = "Handle"
)

// Rename gives the vendor's name for a standard authorize parameter.
type Rename struct {
	// standard name of the parameter.
	// +kubebuilder:validation:Enum=client_id;redirect_uri;scope;state
	// +required
	Standard string `json:"standard"`
	// as is the vendor's name for it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9._~-]+$`
	// +required
	As string `json:"as"`
}

// CallbackPath says which redirect URI is used at the vendor.
//
// +kubebuilder:validation:Enum=Shared;Vendor;Credential
type CallbackPath string

const (
	// CallbackShared is /v1/callback, the same for all vendors.
	CallbackShared CallbackPath = "Shared"
	// CallbackVendor is /v1/callback/{vendor}.
	CallbackVendor CallbackPath = "Vendor"
	// CallbackCredential is /v1/callback/{vendor}/{namespace}.{credential}, for
	// vendors with an issuer per tenant.
	CallbackCredential CallbackPath = "Credential"
)

// IssuerParameter says what is expected of iss in the vendor's answer (RFC 9207).
//
// +kubebuilder:validation:Enum=WhenPresent;Required;Ignored
type IssuerParameter string

const (
	// IssuerWhenPresent compares iss where the vendor sends it or advertises it.
	IssuerWhenPresent IssuerParameter = "WhenPresent"
	// IssuerRequired refuses an answer without iss.
	IssuerRequired IssuerParameter = "Required"
	// IssuerIgnored is for vendors known to send a wrong iss; it needs a callback
	// path of its own.
	IssuerIgnored IssuerParameter = "Ignored"
)

// Callback says how the vendor answers.
//
// +kubebuilder:validation:XValidation:rule="!has(self.issuerParameter) || self.issuerParameter != 'Ignored' || (has(self.path) && self.path != 'Shared')",message="callback.issuerParameter: Ignored needs callback.path Vendor or Credential, or nothing would tell vendors apart"
type Callback struct {
	// path of the redirect URI: Shared, Vendor or Credential. Vendor is better
	// wherever the vendor's app registration allows it.
	// +kubebuilder:default=Shared
	// +optional
	Path CallbackPath `json:"path,omitempty"`
	// issuerParameter is WhenPresent, Required or Ignored.
	// +kubebuilder:default=WhenPresent
	// +optional
	IssuerParameter IssuerParameter `json:"issuerParameter,omitempty"`
	// codeParameter is the vendor's name for code.
	// +kubebuilder:default=code
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9._~-]+$`
	// +optional
	CodeParameter string `json:"codeParameter,omitempty"`
	// codeLifetimeSeconds is how long the vendor's code lives; the broker's own,
	// which is made of it, lives no longer.
	// +kubebuilder:default=60
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=600
	// +optional
	CodeLifetimeSeconds int32 `json:"codeLifetimeSeconds,omitempty"`
	// captureParameters are callback parameters handed to the client with the
	// token response, as vendor_callback members; they are never used as hosts.
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:Pattern=`^[A-Za-z0-9._~-]+$`
	// +listType=set
	// +optional
	CaptureParameters []string `json:"captureParameters,omitempty"`
}

// Scopes says which scopes exist and how they are written.
type Scopes struct {
	// default scopes are asked for when a client names none.
	// +kubebuilder:validation:MaxItems=128
	// +listType=set
	// +optional
	Default []ScopeToken `json:"default,omitempty"`
	// allowed scopes. When empty, any well-formed scope is allowed.
	// +kubebuilder:validation:MaxItems=512
	// +listType=set
	// +optional
	Allowed []ScopeToken `json:"allowed,omitempty"`
	// always are added to every request, for example offline_access.
	// +kubebuilder:validation:MaxItems=32
	// +listType=set
	// +optional
	Always []ScopeToken `json:"always,omitempty"`
	// separator between scopes towards the vendor: Space, Comma or Plus.
	// +kubebuilder:default=Space
	// +optional
	Separator ScopeSeparator `json:"separator,omitempty"`
	// parameter that carries the scopes, for example user_scope.
	// +kubebuilder:default=scope
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9._~-]+$`
	// +optional
	Parameter string `json:"parameter,omitempty"`
	// sent is Always, or Never where the vendor takes scopes from the app's settings.
	// +kubebuilder:default=Always
	// +kubebuilder:validation:Enum=Always;Never
	// +optional
	Sent string `json:"sent,omitempty"`
	// descriptions put scopes into words for the consent page.
	// +kubebuilder:validation:MaxItems=256
	// +listType=map
	// +listMapKey=scope
	// +optional
	Descriptions []ScopeDescription `json:"descriptions,omitempty"`
}

// ScopeSeparator is what stands between scopes.
//
// +kubebuilder:validation:Enum=Space;Comma;Plus
type ScopeSeparator string

const (
	// SeparatorSpace is the standard (RFC 6749 section 3.3).
	SeparatorSpace ScopeSeparator = "Space"
	// SeparatorComma is a comma.
	SeparatorComma ScopeSeparator = "Comma"
	// SeparatorPlus is a literal plus sign.
	SeparatorPlus ScopeSeparator = "Plus"
)

// ScopeDescription puts a scope into words.
type ScopeDescription struct {
	// scope that is described.
	// +required
	Scope ScopeToken `json:"scope"`
	// text for people.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +required
	Text string `json:"text"`
}

// PKCEMode is the PKCE mode towards the vendor.
//
// +kubebuilder:validation:Enum=S256;None
type PKCEMode string

const (
	// PKCES256 sends an S256 challenge.
	PKCES256 PKCEMode = "S256"
	// PKCENone sends no challenge.
	PKCENone PKCEMode = "None"
)

// ClientAuthenticationMethod is a way to authenticate at the vendor's token
// endpoint (OpenID Connect Core section 9).
//
// +kubebuilder:validation:Enum=ClientSecretBasic;ClientSecretPost;PrivateKeyJWT;None
type ClientAuthenticationMethod string

const (
	// AuthClientSecretBasic is client_secret_basic.
	AuthClientSecretBasic ClientAuthenticationMethod = "ClientSecretBasic"
	// AuthClientSecretPost is client_secret_post.
	AuthClientSecretPost ClientAuthenticationMethod = "ClientSecretPost"
	// AuthPrivateKeyJWT is private_key_jwt (RFC 7523).
	AuthPrivateKeyJWT ClientAuthenticationMethod = "PrivateKeyJWT"
	// AuthNone is a public client: client_id only.
	AuthNone ClientAuthenticationMethod = "None"
)

// ClientAuthentication is how the broker authenticates at the vendor. Exactly
// one method is used for each request (OAuth 2.1 section 2.4).
//
// +kubebuilder:validation:XValidation:rule="!has(self.basicEncoding) || self.method == 'ClientSecretBasic'",message="basicEncoding goes with method: ClientSecretBasic"
// +kubebuilder:validation:XValidation:rule="!has(self.assertion) || self.method == 'PrivateKeyJWT'",message="assertion goes with method: PrivateKeyJWT"
type ClientAuthentication struct {
	// method is ClientSecretBasic, ClientSecretPost, PrivateKeyJWT or None.
	// +required
	Method ClientAuthenticationMethod `json:"method"`
	// basicEncoding is RFC6749 (form-urlencode, then base64), or Raw for vendors
	// that do not decode.
	// +kubebuilder:validation:Enum=RFC6749;Raw
	// +optional
	BasicEncoding string `json:"basicEncoding,omitempty"`
	// assertion shapes the client assertion of private_key_jwt.
	// +optional
	Assertion *ClientAssertion `json:"assertion,omitempty"`
}

// ClientAssertion shapes the broker's client assertion (RFC 7523 section 3).
type ClientAssertion struct {
	// algorithm of the signature.
	// +kubebuilder:default=RS256
	// +kubebuilder:validation:Enum=RS256;PS256;ES256;EdDSA
	// +optional
	Algorithm string `json:"algorithm,omitempty"`
	// keyID is sent as kid.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +optional
	KeyID string `json:"keyID,omitempty"`
	// audience is Issuer or TokenEndpoint.
	// +kubebuilder:default=Issuer
	// +kubebuilder:validation:Enum=Issuer;TokenEndpoint
	// +optional
	Audience string `json:"audience,omitempty"`
}

// TokenRequest shapes requests to the token endpoint.
type TokenRequest struct {
	// contentType is Form (the standard) or JSON.
	// +kubebuilder:default=Form
	// +kubebuilder:validation:Enum=Form;JSON
	// +optional
	ContentType string `json:"contentType,omitempty"`
	// headers are added. Accept: application/json is always sent unless given here.
	// +kubebuilder:validation:MaxItems=8
	// +listType=map
	// +listMapKey=name
	// +optional
	Headers []Header `json:"headers,omitempty"`
	// parameters are added to code exchanges.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	Parameters []TokenParameter `json:"parameters,omitempty"`
	// omit lists standard parameters that the vendor refuses.
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:Enum=grant_type;redirect_uri
	// +listType=set
	// +optional
	Omit []string `json:"omit,omitempty"`
}

// ResponsePath is a dotted path to a member of a JSON object.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*$`
type ResponsePath string

// TokenResponse says where things are in the token endpoint's answer. The
// answer itself is handed on without loss.
type TokenResponse struct {
	// format is JSON, Form, or ByContentType.
	// +kubebuilder:default=JSON
	// +kubebuilder:validation:Enum=JSON;Form;ByContentType
	// +optional
	Format string `json:"format,omitempty"`
	// errorWhen recognises an error inside a 200. A top-level "error" member
	// always is one.
	// +optional
	ErrorWhen *ErrorWhen `json:"errorWhen,omitempty"`
	// paths of members that are not at their standard place; what is found there
	// is put at the standard place too.
	// +optional
	Paths *ResponsePaths `json:"paths,omitempty"`
	// tokenTypes are accepted besides bearer (any case), for example "user".
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	// +listType=set
	// +optional
	TokenTypes []string `json:"tokenTypes,omitempty"`
	// tokenType is Required, or Optional where the vendor sends none; the client
	// then gets Bearer.
	// +kubebuilder:default=Required
	// +kubebuilder:validation:Enum=Required;Optional
	// +optional
	TokenType string `json:"tokenType,omitempty"`
	// expiresInUnit is Seconds or Milliseconds; milliseconds are turned into seconds.
	// +kubebuilder:default=Seconds
	// +kubebuilder:validation:Enum=Seconds;Milliseconds
	// +optional
	ExpiresInUnit string `json:"expiresInUnit,omitempty"`
	// scopeSeparator of a scope string in the answer; what differs from a space is
	// turned into spaces.
	// +kubebuilder:default=Space
	// +optional
	ScopeSeparator ScopeSeparator `json:"scopeSeparator,omitempty"`
}

// ErrorWhen recognises an error inside a 200 answer.
type ErrorWhen struct {
	// path of the member to look at.
	// +required
	Path ResponsePath `json:"path"`
	// equals is the value, as text, that means an error, for example "false".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +required
	Equals string `json:"equals"`
	// errorPath is where the error code stands.
	// +optional
	ErrorPath ResponsePath `json:"errorPath,omitempty"`
}

// ResponsePaths are the places of the standard members.
type ResponsePaths struct {
	// accessToken is the place of access_token.
	// +optional
	AccessToken ResponsePath `json:"accessToken,omitempty"`
	// refreshToken is the place of refresh_token.
	// +optional
	RefreshToken ResponsePath `json:"refreshToken,omitempty"`
	// expiresIn is the place of expires_in.
	// +optional
	ExpiresIn ResponsePath `json:"expiresIn,omitempty"`
	// scope is the place of scope.
	// +optional
	Scope ResponsePath `json:"scope,omitempty"`
	// tokenType is the place of token_type.
	// +optional
	TokenType ResponsePath `json:"tokenType,omitempty"`
	// idToken is the place of id_token.
	// +optional
	IDToken ResponsePath `json:"idToken,omitempty"`
}

// IDTokenMode says what becomes of ID tokens.
//
// +kubebuilder:validation:Enum=Validated;Required;Unvalidated
type IDTokenMode string

const (
	// IDTokenValidated validates an ID token when there is one.
	IDTokenValidated IDTokenMode = "Validated"
	// IDTokenRequired refuses a token response without a valid ID token when
	// openid is among the scopes.
	IDTokenRequired IDTokenMode = "Required"
	// IDTokenUnvalidated hands it on unseen, for vendors that publish no keys.
	IDTokenUnvalidated IDTokenMode = "Unvalidated"
)

// Identity says how ID tokens are validated.
type Identity struct {
	// idToken is Validated, Required or Unvalidated.
	// +kubebuilder:default=Validated
	// +optional
	IDToken IDTokenMode `json:"idToken,omitempty"`
	// issuer expected in ID tokens where it differs from spec.issuer. It may hold
	// {tid}, which is replaced by the token's own tid claim (Entra ID's common
	// endpoints), a GUID.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^https?://`
	// +optional
	Issuer string `json:"issuer,omitempty"`
	// algorithms that are accepted. none and the HMAC family never are.
	// +kubebuilder:default={RS256}
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:Enum=RS256;RS384;RS512;PS256;PS384;PS512;ES256;ES384;ES512;EdDSA
	// +listType=set
	// +optional
	Algorithms []string `json:"algorithms,omitempty"`
	// audiences are accepted besides the client id (which must always be among them).
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +listType=set
	// +optional
	Audiences []string `json:"audiences,omitempty"`
	// nonce is Sent with every request for openid, or Omitted for vendors that
	// refuse or drop it.
	// +kubebuilder:default=Sent
	// +kubebuilder:validation:Enum=Sent;Omitted
	// +optional
	Nonce string `json:"nonce,omitempty"`
}

// RefreshMode says whether the vendor refreshes.
//
// +kubebuilder:validation:Enum=Supported;Unsupported
type RefreshMode string

const (
	// RefreshSupported vendors give refresh tokens.
	RefreshSupported RefreshMode = "Supported"
	// RefreshUnsupported vendors never do; a refresh is refused without a call.
	RefreshUnsupported RefreshMode = "Unsupported"
)

// RefreshRotation is what the vendor does with a used refresh token.
//
// +kubebuilder:validation:Enum=Static;Rotating;SingleUse
type RefreshRotation string

const (
	// RotationStatic keeps the same refresh token.
	RotationStatic RefreshRotation = "Static"
	// RotationRotating may give a new one and accepts the old one for a while.
	RotationRotating RefreshRotation = "Rotating"
	// RotationSingleUse gives a new one and refuses the old one at once.
	RotationSingleUse RefreshRotation = "SingleUse"
)

// Refresh says how tokens are refreshed.
type Refresh struct {
	// mode is Supported or Unsupported.
	// +kubebuilder:default=Supported
	// +optional
	Mode RefreshMode `json:"mode,omitempty"`
	// rotation of the vendor's refresh tokens.
	// +kubebuilder:default=Rotating
	// +optional
	Rotation RefreshRotation `json:"rotation,omitempty"`
	// scope is Sent (what the client asked for, else the granted scopes), or
	// Omitted for vendors that refuse it on refresh.
	// +kubebuilder:default=Sent
	// +kubebuilder:validation:Enum=Sent;Omitted
	// +optional
	Scope string `json:"scope,omitempty"`
	// redirectURI is Omitted (the standard) or Sent.
	// +kubebuilder:default=Omitted
	// +kubebuilder:validation:Enum=Sent;Omitted
	// +optional
	RedirectURI string `json:"redirectURI,omitempty"`
	// parameters are added to refresh requests.
	// +kubebuilder:validation:MaxItems=8
	// +listType=map
	// +listMapKey=name
	// +optional
	Parameters []TokenParameter `json:"parameters,omitempty"`
}

// RefreshTokenMode says what refresh tokens clients get.
//
// +kubebuilder:validation:Enum=Sealed;Raw
type RefreshTokenMode string

const (
	// RefreshTokensSealed binds them to client, vendor and credential.
	RefreshTokensSealed RefreshTokenMode = "Sealed"
	// RefreshTokensRaw hands them out as they are.
	RefreshTokensRaw RefreshTokenMode = "Raw"
)

// RevocationStyle is a shape of revocation request.
//
// +kubebuilder:validation:Enum=None;RFC7009;RFC7009Unauthenticated;BearerSelf;JSONBody;DeleteJSON;DeletePath
type RevocationStyle string

const (
	// RevocationNone: the vendor has no revocation.
	RevocationNone RevocationStyle = "None"
	// RevocationRFC7009 is the standard, with client authentication.
	RevocationRFC7009 RevocationStyle = "RFC7009"
	// RevocationRFC7009Unauthenticated is the standard without client authentication (Google).
	RevocationRFC7009Unauthenticated RevocationStyle = "RFC7009Unauthenticated"
	// RevocationBearerSelf is a POST that carries the token itself as bearer (Slack, Dropbox, Linear).
	RevocationBearerSelf RevocationStyle = "BearerSelf"
	// RevocationJSONBody is a POST with a JSON body (Notion, Supabase).
	RevocationJSONBody RevocationStyle = "JSONBody"
	// RevocationDeleteJSON is a DELETE with a JSON body and basic authentication (GitHub).
	RevocationDeleteJSON RevocationStyle = "DeleteJSON"
	// RevocationDeletePath is a DELETE with the token in the path (HubSpot).
	RevocationDeletePath RevocationStyle = "DeletePath"
)

// Revocation says how the vendor revokes.
type Revocation struct {
	// style of the request.
	// +required
	Style RevocationStyle `json:"style"`
	// tokens that the vendor revokes: Access, Refresh or Both.
	// +kubebuilder:default=Both
	// +kubebuilder:validation:Enum=Access;Refresh;Both
	// +optional
	Tokens string `json:"tokens,omitempty"`
	// effect is Token, or Grant where revoking one token ends everything that the
	// user granted the app.
	// +kubebuilder:default=Token
	// +kubebuilder:validation:Enum=Token;Grant
	// +optional
	Effect string `json:"effect,omitempty"`
	// sharedCredentials is Allowed or Denied: may a client revoke on a shared
	// credential? Denied by default where effect is Grant, since it would sign the
	// user out of other clients.
	// +kubebuilder:validation:Enum=Allowed;Denied
	// +optional
	SharedCredentials string `json:"sharedCredentials,omitempty"`
	// tokenParameter names the token in a form or JSON body.
	// +kubebuilder:default=token
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9._~-]+$`
	// +optional
	TokenParameter string `json:"tokenParameter,omitempty"`
	// clientCredentials is Authentication (as at the token endpoint), Basic, Body
	// or Omitted, for the styles that are not RFC 7009.
	// +kubebuilder:default=Authentication
	// +kubebuilder:validation:Enum=Authentication;Basic;Body;Omitted
	// +optional
	ClientCredentials string `json:"clientCredentials,omitempty"`
	// successStatus are HTTP statuses that mean "revoked"; 200 and 204 always do.
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:Minimum=200
	// +kubebuilder:validation:items:Maximum=299
	// +listType=set
	// +optional
	SuccessStatus []int32 `json:"successStatus,omitempty"`
	// goneStatus are HTTP statuses that mean "was not valid any more".
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:Minimum=400
	// +kubebuilder:validation:items:Maximum=499
	// +listType=set
	// +optional
	GoneStatus []int32 `json:"goneStatus,omitempty"`
}

// Introspection says how the vendor introspects.
type Introspection struct {
	// style of the request: None or RFC7662.
	// +kubebuilder:validation:Enum=None;RFC7662
	// +required
	Style string `json:"style"`
}

// ResourceIndicator says what becomes of the resource parameter (RFC 8707).
//
// +kubebuilder:validation:XValidation:rule="(self.mode == 'Fixed') == has(self.value)",message="value goes with mode: Fixed, and mode: Fixed needs a value"
type ResourceIndicator struct {
	// mode is Pass (the client's value goes on), Fixed (value is sent, and a client
	// that names another is refused) or Omit (accepted from clients, never sent).
	// +kubebuilder:validation:Enum=Pass;Fixed;Omit
	// +required
	Mode string `json:"mode"`
	// value that is sent; it may hold {variable} references.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Value string `json:"value,omitempty"`
	// parameter that carries it: resource or audience.
	// +kubebuilder:default=resource
	// +kubebuilder:validation:Enum=resource;audience
	// +optional
	Parameter string `json:"parameter,omitempty"`
	// sentOn lists the requests that carry it.
	// +kubebuilder:default={Authorize,Token,Refresh}
	// +kubebuilder:validation:MaxItems=3
	// +kubebuilder:validation:items:Enum=Authorize;Token;Refresh
	// +listType=set
	// +optional
	SentOn []string `json:"sentOn,omitempty"`
	// allowed values with mode Pass. When empty, any absolute URI without fragment.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=1024
	// +listType=set
	// +optional
	Allowed []string `json:"allowed,omitempty"`
}

// Registration says how OAuth apps are registered at the vendor (RFC 7591).
//
// +kubebuilder:validation:XValidation:rule="(self.mode == 'InitialAccessToken') == has(self.initialAccessTokenRef)",message="initialAccessTokenRef goes with mode: InitialAccessToken, and that mode needs it"
// +kubebuilder:validation:XValidation:rule="!has(self.anonymous) || self.anonymous != 'Allowed' || self.mode == 'Open'",message="anonymous: Allowed goes with mode: Open only: the platform's initial access token is never spent for strangers"
type Registration struct {
	// mode is Disabled, Open or InitialAccessToken.
	// +kubebuilder:validation:Enum=Disabled;Open;InitialAccessToken
	// +required
	Mode string `json:"mode"`
	// initialAccessTokenRef names a Secret of the operator's namespace with the
	// key initialAccessToken.
	// +optional
	InitialAccessTokenRef *SecretReference `json:"initialAccessTokenRef,omitempty"`
	// authorizationScheme of the initial access token, for example Bearer or SSWS.
	// +kubebuilder:default=Bearer
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9-]*$`
	// +optional
	AuthorizationScheme string `json:"authorizationScheme,omitempty"`
	// anonymous is Denied, or Allowed to let callers without authentication
	// register at the vendor through the broker.
	// +kubebuilder:default=Denied
	// +kubebuilder:validation:Enum=Allowed;Denied
	// +optional
	Anonymous string `json:"anonymous,omitempty"`
	// metadata is added to every registration request.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	Metadata []RegistrationMetadata `json:"metadata,omitempty"`
}

// RegistrationMetadata is a client metadata member of registration requests.
type RegistrationMetadata struct {
	// name of the member. redirect_uris is always the broker's.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self != 'redirect_uris'",message="redirect_uris is always the broker's: remove the entry"
	// +required
	Name string `json:"name"`
	// value of the member.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +required
	Value string `json:"value"`
}

// SharedCredentials are the platform's own credentials at the vendor.
//
// +kubebuilder:validation:XValidation:rule="has(self.secretRef) || (has(self.fromEnvironment) && self.fromEnvironment)",message="set secretRef, fromEnvironment: true, or both (the environment is used while the Secret does not exist)"
type SharedCredentials struct {
	// secretRef names a Secret of the operator's namespace with the keys clientID
	// and clientSecret (or privateKey).
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`
	// fromEnvironment lets the broker read OAUTH_BROKER_<VENDOR>_CLIENT_ID and
	// OAUTH_BROKER_<VENDOR>_CLIENT_SECRET (the vendor's name in upper case, - as _).
	// +optional
	FromEnvironment bool `json:"fromEnvironment,omitempty"`
	// allowedNamespaces may use these credentials. None by default.
	// +optional
	AllowedNamespaces *NamespacePolicy `json:"allowedNamespaces,omitempty"`
	// selfRegisteredClients is Denied, or Allowed to let clients that registered
	// themselves use these credentials (after the consent page).
	// +kubebuilder:default=Denied
	// +kubebuilder:validation:Enum=Allowed;Denied
	// +optional
	SelfRegisteredClients string `json:"selfRegisteredClients,omitempty"`
}

// BringYourOwn says which namespaces may bring credentials.
type BringYourOwn struct {
	// allowedNamespaces may bring BYOCCredentials for this vendor. All by default:
	// a tenant's credential is of use to that tenant only.
	// +optional
	AllowedNamespaces *NamespacePolicy `json:"allowedNamespaces,omitempty"`
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

// OAuthVendorStatus is what the operator observed.
type OAuthVendorStatus struct {
	// observedGeneration of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are Accepted, ResolvedRefs, Programmed and Ready.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// redirectURI to register at the vendor.
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	RedirectURI string `json:"redirectURI,omitempty"`
	// observedSecret is the version of the shared credentials' Secret.
	// +optional
	ObservedSecret *ObservedSecret `json:"observedSecret,omitempty"`
	// discovery tells what the metadata document said.
	// +optional
	Discovery *DiscoveryStatus `json:"discovery,omitempty"`
}

// DiscoveryStatus tells what the metadata document said.
type DiscoveryStatus struct {
	// observedTime is when the document last changed in a way that matters.
	// +optional
	ObservedTime metav1.Time `json:"observedTime,omitempty,omitzero"`
	// source is a digest of what the document was read for (issuer, discovery,
	// transport): a restarted operator uses endpoints only for the same.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Source string `json:"source,omitempty"`
	// endpoints that the document names.
	// +optional
	Endpoints *Endpoints `json:"endpoints,omitempty"`
	// issuerParameterSupported is the document's
	// authorization_response_iss_parameter_supported (RFC 9207 section 3).
	// +optional
	IssuerParameterSupported bool `json:"issuerParameterSupported,omitempty"`
}
