// SPDX-License-Identifier: Apache-2.0

package v1alpha1

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
