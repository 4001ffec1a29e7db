// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types. All have positive polarity: True is the good state. They
// use the words of Gateway API.
const (
	// ConditionAccepted is True when the object is valid by itself and nothing
	// that it names forbids it: the broker would serve it once its references resolve.
	ConditionAccepted = "Accepted"
	// ConditionResolvedRefs is True when every Secret and vendor that the object
	// names exists and holds what is needed, and discovery has answered.
	ConditionResolvedRefs = "ResolvedRefs"
	// ConditionProgrammed is True once at least one broker pod is ready and every
	// ready broker pod serves this object as it is now.
	ConditionProgrammed = "Programmed"
	// ConditionReady is True when all the others are True.
	ConditionReady = "Ready"
)

// Reasons of the conditions.
const (
	// ReasonAccepted goes with Accepted=True.
	ReasonAccepted = "Accepted"
	// ReasonResolvedRefs goes with ResolvedRefs=True.
	ReasonResolvedRefs = "ResolvedRefs"
	// ReasonProgrammed goes with Programmed=True.
	ReasonProgrammed = "Programmed"
	// ReasonReady goes with Ready=True.
	ReasonReady = "Ready"

	// ReasonInvalid: a value is wrong in a way that the schema could not refuse.
	ReasonInvalid = "Invalid"
	// ReasonConflict: an older object already has what this one claims.
	ReasonConflict = "Conflict"
	// ReasonNotAllowed: the vendor does not allow this namespace.
	ReasonNotAllowed = "NamespaceNotAllowed"
	// ReasonSelectorUnsupported: a namespace selector in namespaced mode.
	ReasonSelectorUnsupported = "SelectorUnsupported"
	// ReasonUnsupported: the object asks for something that this release does not do.
	ReasonUnsupported = "Unsupported"

	// ReasonVendorNotFound: the named OAuthVendor does not exist.
	ReasonVendorNotFound = "VendorNotFound"
	// ReasonVendorNotAccepted: the named OAuthVendor is not accepted itself.
	ReasonVendorNotAccepted = "VendorNotAccepted"
	// ReasonSecretNotFound: the named Secret does not exist (yet).
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretInvalid: the named Secret lacks a key, or a value is unusable.
	ReasonSecretInvalid = "SecretInvalid"
	// ReasonSecretUnreadable: the operator may not read the named Secret.
	ReasonSecretUnreadable = "SecretUnreadable"
	// ReasonDiscoveryPending: discovery has not answered yet.
	ReasonDiscoveryPending = "DiscoveryPending"
	// ReasonDiscoveryFailed: the vendor's discovery document is away or wrong.
	ReasonDiscoveryFailed = "DiscoveryFailed"

	// ReasonVendorNotResolved: something that the vendor itself names is missing.
	ReasonVendorNotResolved = "VendorNotResolved"
	// ReasonRegistrationDisabled: the vendor has no dynamic registration.
	ReasonRegistrationDisabled = "RegistrationDisabled"
	// ReasonRegistrationPending: no app is registered at the vendor yet.
	ReasonRegistrationPending = "RegistrationPending"
	// ReasonRegistrationFailed: the vendor refused to register an app, or is away.
	ReasonRegistrationFailed = "RegistrationFailed"
	// ReasonRegistrationExpired: the registered client secret ended and could not be renewed.
	ReasonRegistrationExpired = "RegistrationExpired"
	// ReasonRegistrationUnusable: the vendor registered something else than the broker can use.
	ReasonRegistrationUnusable = "RegistrationUnusable"

	// ReasonPending: published, and not every ready broker pod serves it yet.
	ReasonPending = "Pending"
	// ReasonNoBrokerReady: no ready broker pod was found.
	ReasonNoBrokerReady = "NoBrokerReady"
	// ReasonNotPublished: not part of the published configuration.
	ReasonNotPublished = "NotPublished"
	// ReasonNotReady goes with Ready=False; the message names the condition to read.
	ReasonNotReady = "NotReady"
)

// Keys of the Secrets that objects refer to.
const (
	// SecretKeyClientID holds the OAuth client id at the vendor.
	SecretKeyClientID = "clientID"
	// SecretKeyClientSecret holds the OAuth client secret (at the vendor for
	// vendor and BYOC credentials; at the broker for a BrokerClient).
	SecretKeyClientSecret = "clientSecret"
	// SecretKeyPreviousClientSecret may hold the secret of a BrokerClient that is
	// being rotated out; both are accepted while it is there.
	SecretKeyPreviousClientSecret = "previousClientSecret"
	// SecretKeyPrivateKey holds a PEM private key for private_key_jwt at the vendor.
	SecretKeyPrivateKey = "privateKey"
	// SecretKeyTokenEndpointAuthMethod says how an app that the operator registered
	// authenticates (RFC 7591 section 2).
	SecretKeyTokenEndpointAuthMethod = "tokenEndpointAuthMethod"
	// SecretKeyRegistration holds what the operator needs to manage such an app.
	SecretKeyRegistration = "registration"
	// SecretKeyInitialAccessToken holds a vendor's RFC 7591 initial access token.
	SecretKeyInitialAccessToken = "initialAccessToken"
)

// DefaultBrokerClass is the brokerClass of an object that names none.
const DefaultBrokerClass = "default"
