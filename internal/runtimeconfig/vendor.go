// SPDX-License-Identifier: Apache-2.0

package runtimeconfig

import (
	"net/url"
	"strings"

	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// Vendor is one vendor with all defaults applied.
type Vendor struct {
	Name        string `json:"name"`
	UID         string `json:"uid"`
	DisplayName string `json:"displayName"`
	// Sequence that first published it as it is; Load takes it from the item.
	Sequence int64 `json:"-"`
	// Target is nil where the vendor's variables have no defaults: then only
	// credentials that bring a Target of their own can be used.
	Target        *Target       `json:"target,omitempty"`
	Authorize     Authorize     `json:"authorize"`
	Callback      Callback      `json:"callback"`
	Scopes        Scopes        `json:"scopes"`
	PKCE          bool          `json:"pkce"`
	ClientAuth    ClientAuth    `json:"clientAuth"`
	TokenRequest  TokenRequest  `json:"tokenRequest"`
	TokenResponse TokenResponse `json:"tokenResponse"`
	Identity      Identity      `json:"identity"`
	Refresh       Refresh       `json:"refresh"`
	Revocation    Revocation    `json:"revocation"`
	// Introspection is true where the vendor answers RFC 7662.
	Introspection bool         `json:"introspection,omitempty"`
	Resource      Resource     `json:"resource"`
	Registration  Registration `json:"registration"`
	// Environment names the variables that hold the platform's credentials, nil
	// where the vendor has none there.
	Environment *Environment `json:"environment,omitempty"`
	// SharedUse says who may use shared and environment credentials.
	SharedUse NamespaceSet `json:"sharedUse"`
	// SelfRegisteredUse lets self-registered clients use them too.
	SelfRegisteredUse bool `json:"selfRegisteredUse,omitempty"`
	// Trusted namespaces skip the consent page.
	Trusted   NamespaceSet `json:"trusted"`
	Transport Transport    `json:"transport"`
}

// Target is what depends on a vendor's variables: where requests go and the
// values that they carry. Every reference is expanded.
type Target struct {
	// Issuer is the vendor's issuer identifier, empty where it has none.
	Issuer string `json:"issuer,omitempty"`
	// IDTokenIssuer is the iss expected in ID tokens; it may hold {tid}.
	IDTokenIssuer       string      `json:"idTokenIssuer,omitempty"`
	Endpoints           Endpoints   `json:"endpoints"`
	AuthorizeParameters []Parameter `json:"authorizeParameters,omitempty"`
	TokenParameters     []Parameter `json:"tokenParameters,omitempty"`
	RefreshParameters   []Parameter `json:"refreshParameters,omitempty"`
	// Resource is the fixed resource indicator, empty where there is none.
	Resource string `json:"resource,omitempty"`
	// IssuerParameter is true where the vendor's metadata advertises iss in
	// authorization responses (RFC 9207 section 3).
	IssuerParameter bool `json:"issuerParameter,omitempty"`
}

// ClientIDReference stands for the client id in Endpoints.Revocation.
const ClientIDReference = "{client_id}"

// Endpoints are absolute URLs; empty where the vendor has none. Refresh is
// never empty: it repeats Token where the vendor has no endpoint of its own.
// Revocation may hold ClientIDReference: ask RevocationFor.
type Endpoints struct {
	Authorization string `json:"authorization"`
	Token         string `json:"token"`
	Refresh       string `json:"refresh"`
	Revocation    string `json:"revocation,omitempty"`
	Introspection string `json:"introspection,omitempty"`
	Userinfo      string `json:"userinfo,omitempty"`
	JWKS          string `json:"jwks,omitempty"`
	Registration  string `json:"registration,omitempty"`
}

// RevocationFor is the revocation endpoint for a client id, which becomes one
// path segment at most: it cannot lead to another endpoint.
func (e Endpoints) RevocationFor(clientID string) string {
	segment := url.PathEscape(clientID)
	if clientID == "." || clientID == ".." {
		segment = strings.ReplaceAll(clientID, ".", "%2E")
	}
	return strings.ReplaceAll(e.Revocation, ClientIDReference, segment)
}

// Parameter is a name and a value.
type Parameter struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Authorize shapes the authorization request.
type Authorize struct {
	OmitResponseType bool     `json:"omitResponseType,omitempty"`
	FormPost         bool     `json:"formPost,omitempty"`
	PassParameters   []string `json:"passParameters,omitempty"`
	// Renames maps a standard parameter name to the vendor's.
	Renames map[string]string `json:"renames,omitempty"`
	// HandleState sends a bare handle of at most 64 bytes as state.
	HandleState bool `json:"handleState,omitempty"`
}

// CallbackPath says which redirect URI is used at the vendor.
type CallbackPath string

// The callback paths.
const (
	CallbackShared     CallbackPath = "shared"
	CallbackVendor     CallbackPath = "vendor"
	CallbackCredential CallbackPath = "credential"
)

// IssuerParameter says what is expected of iss in an authorization response.
type IssuerParameter string

// The expectations of iss.
const (
	IssuerWhenPresent IssuerParameter = "whenPresent"
	IssuerRequired    IssuerParameter = "required"
	IssuerIgnored     IssuerParameter = "ignored"
)

// Callback says how the vendor answers.
type Callback struct {
	Path            CallbackPath    `json:"path"`
	IssuerParameter IssuerParameter `json:"issuerParameter"`
	CodeParameter   string          `json:"codeParameter"`
	// CodeLifetimeSeconds bounds the broker's code; 0 means the broker's default.
	CodeLifetimeSeconds int      `json:"codeLifetimeSeconds,omitempty"`
	CaptureParameters   []string `json:"captureParameters,omitempty"`
}

// Scopes says which scopes exist and how they are written.
type Scopes struct {
	Default []string `json:"default,omitempty"`
	// Allowed scopes; empty means any well-formed one.
	Allowed []string `json:"allowed,omitempty"`
	Always  []string `json:"always,omitempty"`
	// Separator is " ", "," or "+".
	Separator string `json:"separator"`
	Parameter string `json:"parameter"`
	// Omit sends no scope at all.
	Omit         bool              `json:"omit,omitempty"`
	Descriptions map[string]string `json:"descriptions,omitempty"`
}

// ClientAuthMethod is how the broker authenticates at the vendor; the values
// are those of the OAuth Token Endpoint Authentication Methods registry.
type ClientAuthMethod string

// The client authentication methods.
const (
	AuthBasic         ClientAuthMethod = "client_secret_basic"
	AuthPost          ClientAuthMethod = "client_secret_post"
	AuthPrivateKeyJWT ClientAuthMethod = "private_key_jwt"
	AuthNone          ClientAuthMethod = "none"
)

// ClientAuth is how the broker authenticates at the vendor.
type ClientAuth struct {
	Method ClientAuthMethod `json:"method"`
	// RawBasic leaves out the form-urlencoding of RFC 6749 section 2.3.1.
	RawBasic bool `json:"rawBasic,omitempty"`
	// Algorithm and KeyID shape the assertion of private_key_jwt.
	Algorithm string `json:"algorithm,omitempty"`
	KeyID     string `json:"keyID,omitempty"`
	// TokenEndpointAudience puts the token endpoint into aud instead of the issuer.
	TokenEndpointAudience bool `json:"tokenEndpointAudience,omitempty"`
}

// TokenRequest shapes requests to the token endpoint.
type TokenRequest struct {
	JSON            bool        `json:"json,omitempty"`
	Headers         []Parameter `json:"headers,omitempty"`
	OmitGrantType   bool        `json:"omitGrantType,omitempty"`
	OmitRedirectURI bool        `json:"omitRedirectURI,omitempty"`
}

// ResponseFormat is how a token response is written.
type ResponseFormat string

// The response formats.
const (
	FormatJSON          ResponseFormat = "json"
	FormatForm          ResponseFormat = "form"
	FormatByContentType ResponseFormat = "byContentType"
)

// TokenResponse says where things are in a token response.
type TokenResponse struct {
	Format ResponseFormat `json:"format"`
	// ErrorPath, ErrorEquals and ErrorCodePath recognise an error inside a 200;
	// ErrorPath is empty where a top-level error member is the only sign.
	ErrorPath     string `json:"errorPath,omitempty"`
	ErrorEquals   string `json:"errorEquals,omitempty"`
	ErrorCodePath string `json:"errorCodePath,omitempty"`
	// Paths maps a standard member name to its dotted path at this vendor.
	Paths map[string]string `json:"paths,omitempty"`
	// TokenTypes are accepted besides bearer.
	TokenTypes        []string `json:"tokenTypes,omitempty"`
	TokenTypeOptional bool     `json:"tokenTypeOptional,omitempty"`
	Milliseconds      bool     `json:"milliseconds,omitempty"`
	// ScopeSeparator is " ", "," or "+".
	ScopeSeparator string `json:"scopeSeparator"`
}

// IDTokenMode says what becomes of ID tokens.
type IDTokenMode string

// The ID token modes.
const (
	IDTokenValidated   IDTokenMode = "validated"
	IDTokenRequired    IDTokenMode = "required"
	IDTokenUnvalidated IDTokenMode = "unvalidated"
)

// Identity says how ID tokens are validated.
type Identity struct {
	IDToken    IDTokenMode `json:"idToken"`
	Algorithms []string    `json:"algorithms"`
	Audiences  []string    `json:"audiences,omitempty"`
	OmitNonce  bool        `json:"omitNonce,omitempty"`
}

// Refresh says how tokens are refreshed.
type Refresh struct {
	Unsupported bool `json:"unsupported,omitempty"`
	// SingleUse vendors refuse a refresh token that was used once.
	SingleUse       bool `json:"singleUse,omitempty"`
	Static          bool `json:"static,omitempty"`
	OmitScope       bool `json:"omitScope,omitempty"`
	SendRedirectURI bool `json:"sendRedirectURI,omitempty"`
	// Raw hands the vendor's refresh token out as it is.
	Raw bool `json:"raw,omitempty"`
}

// Revocation says how the vendor revokes. Style repeats the API's enum.
type Revocation struct {
	Style             string `json:"style"`
	Tokens            string `json:"tokens,omitempty"`
	WholeGrant        bool   `json:"wholeGrant,omitempty"`
	SharedDenied      bool   `json:"sharedDenied,omitempty"`
	TokenParameter    string `json:"tokenParameter,omitempty"`
	ClientCredentials string `json:"clientCredentials,omitempty"`
	SuccessStatus     []int  `json:"successStatus,omitempty"`
	GoneStatus        []int  `json:"goneStatus,omitempty"`
}

// ResourceMode says what becomes of the resource parameter (RFC 8707).
type ResourceMode string

// The resource modes.
const (
	ResourcePass  ResourceMode = "pass"
	ResourceFixed ResourceMode = "fixed"
	ResourceOmit  ResourceMode = "omit"
)

// Resource says what becomes of the resource parameter.
type Resource struct {
	Mode        ResourceMode `json:"mode"`
	Parameter   string       `json:"parameter"`
	OnAuthorize bool         `json:"onAuthorize,omitempty"`
	OnToken     bool         `json:"onToken,omitempty"`
	OnRefresh   bool         `json:"onRefresh,omitempty"`
	Allowed     []string     `json:"allowed,omitempty"`
}

// Registration says how apps are registered at the vendor.
type Registration struct {
	// Mode repeats the API's enum: Disabled, Open, InitialAccessToken.
	Mode      string `json:"mode"`
	Anonymous bool   `json:"anonymous,omitempty"`
	Scheme    string `json:"scheme,omitempty"`
	// InitialAccessToken travels in the wire form only (see wire.go).
	InitialAccessToken secret.Text `json:"-"`
	Metadata           []Parameter `json:"metadata,omitempty"`
}

// Environment names the variables that hold a client id and secret.
type Environment struct {
	ClientIDVariable     string `json:"clientIDVariable"`
	ClientSecretVariable string `json:"clientSecretVariable"`
}

// NamespaceSet is a set of namespaces.
type NamespaceSet struct {
	All   bool     `json:"all,omitempty"`
	Names []string `json:"names,omitempty"`
}

// Transport bounds the calls to a vendor.
type Transport struct {
	TimeoutSeconds   int    `json:"timeoutSeconds"`
	MaxResponseBytes int    `json:"maxResponseBytes"`
	CABundle         string `json:"caBundle,omitempty"`
}
