// SPDX-License-Identifier: Apache-2.0

package v1alpha1

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
