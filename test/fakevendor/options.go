// SPDX-License-Identifier: Apache-2.0

package fakevendor

import (
	"crypto"
	"time"
)

// PKCEMode is what the vendor does with PKCE (RFC 7636).
type PKCEMode string

// The PKCE modes.
const (
	// PKCERequired refuses requests without an S256 challenge.
	PKCERequired PKCEMode = ""
	// PKCEOptional checks S256 where it is used.
	PKCEOptional PKCEMode = "optional"
	// PKCERefused answers invalid_request to a challenge or verifier.
	PKCERefused PKCEMode = "refused"
	// PKCEIgnored takes no notice of it.
	PKCEIgnored PKCEMode = "ignored"
)

// RefreshMode is what the vendor does with refresh tokens.
type RefreshMode string

// The refresh modes.
const (
	// RefreshRotating gives a new one at each refresh; the old one still works.
	RefreshRotating RefreshMode = ""
	// RefreshSingleUse gives a new one; the use of an old one ends the grant.
	RefreshSingleUse RefreshMode = "singleUse"
	// RefreshStatic repeats the same one.
	RefreshStatic RefreshMode = "static"
	// RefreshOmitted leaves it out of refresh answers; the first one stays good.
	RefreshOmitted RefreshMode = "omitted"
	// RefreshNone gives none, ever.
	RefreshNone RefreshMode = "none"
)

// TLSMode is how the server is reached.
type TLSMode string

// The TLS modes. All but TLSGood and PlainHTTP must be refused by a client
// that trusts CAPEM.
const (
	TLSGood TLSMode = ""
	// PlainHTTP serves http on loopback.
	PlainHTTP TLSMode = "plain"
	// TLSUntrusted has a certificate that CAPEM does not cover.
	TLSUntrusted TLSMode = "untrusted"
	// TLSWrongName has a trusted certificate of another host.
	TLSWrongName TLSMode = "wrongName"
	// TLSOld offers TLS 1.0 only.
	TLSOld TLSMode = "old"
)

// Options say what kind of vendor this is. The zero value is strict OAuth 2.1
// with OpenID Connect over TLS, and knows no client yet.
type Options struct {
	// Clients that are registered from the start; AddClient adds more.
	Clients []Client
	// Shape is how the vendor spells things, and Manners what it insists on.
	Shape   Shape
	Manners Manners
	TLS     TLSMode
	// IssuerPath makes the issuer one with a path, for example "/tenant".
	IssuerPath string
	PKCE       PKCEMode
	Refresh    RefreshMode
	// Scopes that exist; empty means every well-formed one.
	Scopes []string
	// IssuerParameter sends and advertises iss (RFC 9207).
	IssuerParameter bool
	// FormPost answers by form_post even where the request did not ask for it.
	FormPost bool
	// Deny makes the user refuse every login; for one login use Deny().
	Deny bool
	// RawBasic reads Basic credentials as they are, without the form-decoding of
	// RFC 6749 section 2.3.1.
	RawBasic bool
	// MaxState refuses longer states; 0 is no limit.
	MaxState int
	// IDTokenAlgorithm is RS256 (default) or ES256.
	IDTokenAlgorithm string
	// Subject of the user; "user-1" when empty. login_hint overrides it.
	Subject string
	// InitialAccessToken is required for registration; empty means open.
	InitialAccessToken string
	// RegistrationStatus of a success; 201 when 0. Some vendors answer 200.
	RegistrationStatus int
	// Manageable gives a registration access token with each app (RFC 7592).
	Manageable bool
	// RotateOnUpdate gives an app a new secret and token with each update.
	RotateOnUpdate bool
	// RegisteredSecretLifetime ends registered secrets; 0 is never. An update gives
	// them their whole time again, unless FixedExpiry.
	RegisteredSecretLifetime time.Duration
	FixedExpiry              bool
	// CodeLifetime is a minute when 0, TokenLifetime an hour.
	CodeLifetime  time.Duration
	TokenLifetime time.Duration
	// Keys may be shared by servers, since making them is slow; made when nil.
	Keys *Keys
	// Now is time.Now when nil.
	Now func() time.Time
}

// Client is an app that is registered at the vendor.
type Client struct {
	ID     string
	Secret string
	// RedirectURIs are compared exactly.
	RedirectURIs []string
	// Methods of client authentication that it may use, by their registered
	// names. When empty: private_key_jwt with PublicKey, else client_secret_basic
	// and client_secret_post with Secret, else none.
	Methods []string
	// PublicKey verifies private_key_jwt assertions.
	PublicKey crypto.PublicKey
	// SoftwareID and what else the app was registered with; empty for one that was not.
	SoftwareID string
	// ManagementToken manages the app (RFC 7592); empty where nothing does.
	ManagementToken string
	// SecretExpires is zero where the secret does not.
	SecretExpires time.Time
}

func (c Client) methods() []string {
	switch {
	case len(c.Methods) > 0:
		return c.Methods
	case c.PublicKey != nil:
		return []string{MethodPrivateKeyJWT}
	case c.Secret != "":
		return []string{MethodBasic, MethodPost}
	}
	return []string{MethodNone}
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Keys == nil {
		o.Keys = &Keys{}
	}
	if o.Subject == "" {
		o.Subject = "user-1"
	}
	if o.CodeLifetime == 0 {
		o.CodeLifetime = time.Minute
	}
	if o.TokenLifetime == 0 {
		o.TokenLifetime = time.Hour
	}
	if o.IDTokenAlgorithm == "" {
		o.IDTokenAlgorithm = "RS256"
	}
	if o.RegistrationStatus == 0 {
		o.RegistrationStatus = 201
	}
	o.Shape = o.Shape.withDefaults()
	return o
}
