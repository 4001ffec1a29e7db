// SPDX-License-Identifier: Apache-2.0

package v1alpha1

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
	// errorWhen recognises an error by another member than "error", which always is
	// one: inside a 200, or where the error code stands elsewhere.
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

// ErrorWhen recognises an error, whatever the status of the answer.
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
