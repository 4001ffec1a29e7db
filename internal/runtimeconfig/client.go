// SPDX-License-Identifier: Apache-2.0

package runtimeconfig

// BrokerAuthMethod is how a client authenticates at the broker.
type BrokerAuthMethod string

// The ways to authenticate at the broker.
const (
	ClientNone          BrokerAuthMethod = "none"
	ClientSecret        BrokerAuthMethod = "client_secret"
	ClientPrivateKeyJWT BrokerAuthMethod = "private_key_jwt"
)

// MinRSABits is the least size of a client's RSA key (RFC 7518 section 3.3): none that
// is smaller is published, and the broker takes none.
const MinRSABits = 2048

// AssertionAlgorithms are those of client assertions that the broker takes; never none
// or HMAC.
func AssertionAlgorithms() []string {
	return []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"}
}

// Client is a registered client of the broker.
type Client struct {
	// ID is <namespace>.<name>.
	ID           string           `json:"id"`
	Namespace    string           `json:"namespace"`
	UID          string           `json:"uid"`
	DisplayName  string           `json:"displayName"`
	Native       bool             `json:"native,omitempty"`
	RedirectURIs []string         `json:"redirectURIs"`
	Auth         BrokerAuthMethod `json:"auth"`
	// SecretSHA256 are the SHA-256 sums (hex) of the accepted client secrets,
	// which have at least 32 characters. The secrets themselves are not published.
	SecretSHA256 []string `json:"secretSHA256,omitempty"`
	// JWKS is the client's public key set.
	JWKS    string          `json:"jwks,omitempty"`
	Vendors []AllowedVendor `json:"vendors"`
	// AlwaysConsent shows the consent page even where the namespace is trusted.
	AlwaysConsent bool `json:"alwaysConsent,omitempty"`
	// SharedUse and Trusted name the vendors that grant it to this client's
	// namespace by a label selector; they add to the vendors' own NamespaceSets.
	SharedUse  []string    `json:"sharedUse,omitempty"`
	Trusted    []string    `json:"trusted,omitempty"`
	Encryption *Encryption `json:"encryption,omitempty"`
	// NotReady is why the client cannot be used; empty when it can.
	NotReady string `json:"notReady,omitempty"`
	// SelfRegistered clients made themselves known (RFC 7591, or a client id
	// metadata document). They are never published and have no namespace.
	SelfRegistered bool `json:"-"`
	// NoRefresh clients registered without the refresh_token grant. A BrokerClient
	// has no such choice.
	NoRefresh bool `json:"-"`
}

// AllowedVendor is a vendor that a client may use.
type AllowedVendor struct {
	Name string `json:"name"`
	// Scopes that the client may ask for; empty means all that the vendor allows.
	Scopes []string `json:"scopes,omitempty"`
}

// Encryption makes token responses JWEs.
type Encryption struct {
	Algorithm string `json:"algorithm"`
	JWK       string `json:"jwk"`
}
