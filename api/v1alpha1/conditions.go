// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// docs/reference/conditions.md is made of this file (go run ./hack/conditions):
// the comment of a reason says with which status it goes, what it means, and
// after "Fix:" what to do.

// Condition types. All but Stalled have positive polarity: True is the good
// state. They use the words of Gateway API, and Stalled those of kstatus.
const (
	// ConditionAccepted is True when the object is valid by itself and nothing
	// that it names forbids it: the broker would serve it once its references resolve.
	ConditionAccepted = "Accepted"
	// ConditionResolvedRefs is True when every Secret and vendor that the object
	// names exists and holds what is needed, and discovery has answered.
	ConditionResolvedRefs = "ResolvedRefs"
	// ConditionProgrammed is True once at least one broker pod is ready and every
	// ready broker pod serves this object as it is now. It stays True until the
	// object changes.
	ConditionProgrammed = "Programmed"
	// ConditionCredentialsValid tells whether the vendor accepts the client
	// credentials, for an OAuthVendor those of credentials.secretRef. It is there
	// where the vendor's credentialProbe is on, and where the vendor refused the
	// credentials in a login or refresh, until it accepts them again or they change.
	// It changes nothing of what brokers serve.
	ConditionCredentialsValid = "CredentialsValid"
	// ConditionReady is True when Accepted, ResolvedRefs and Programmed are True
	// and CredentialsValid is not False.
	ConditionReady = "Ready"
	// ConditionStalled is there, and True, only while the object waits for nothing
	// but a change of its own spec. Flux and kstatus then call it failed, and stop
	// waiting. What other objects or the vendor may still mend is no reason for it:
	// in GitOps the order in which objects arrive is nobody's choice.
	ConditionStalled = "Stalled"
)

// Reasons of Accepted.
const (
	// ReasonAccepted (True): the object is valid. The message may hold a note.
	ReasonAccepted = "Accepted"
	// ReasonInvalid (False): a value is wrong in a way that the schema could not
	// refuse. It also is a reason of ResolvedRefs, where no Secret can have the
	// name that is given, and of Stalled (True). Fix: correct the field that the message names.
	ReasonInvalid = "Invalid"
	// ReasonConflict (False): an older object already has what this one claims.
	// Fix: delete one of the two, or change the field that the message names.
	ReasonConflict = "Conflict"
	// ReasonNotAllowed (False): the vendor does not let this namespace bring
	// credentials. Fix: ask the platform team to add the namespace to the vendor's
	// byoc.allowedNamespaces, or to label it so that the selector chooses it.
	ReasonNotAllowed = "NamespaceNotAllowed"
	// ReasonSelectorUnsupported (False): a namespace selector in namespaced mode,
	// where the operator cannot read namespaces. It also is a reason of Stalled
	// (True). Fix: list names instead.
	ReasonSelectorUnsupported = "SelectorUnsupported"
	// ReasonUnsupported (False): nobody can register this app: there is no operator,
	// or the platform's initial access token would go to a host that the credential's
	// variables choose. Fix: make an app at the vendor and name its Secret in
	// secretRef.
	ReasonUnsupported = "Unsupported"
)

// Reasons of ResolvedRefs.
const (
	// ReasonResolvedRefs (True): every reference resolves. The message may hold a note.
	ReasonResolvedRefs = "ResolvedRefs"
	// ReasonVendorNotFound (False): the named OAuthVendor does not exist in this
	// broker class, or is being deleted. Fix: create it, or correct the name.
	ReasonVendorNotFound = "VendorNotFound"
	// ReasonVendorNotAccepted (False): the named OAuthVendor is not accepted
	// itself. Fix: read the vendor's condition Accepted.
	ReasonVendorNotAccepted = "VendorNotAccepted"
	// ReasonSecretNotFound (False): the named Secret does not exist (yet). Fix:
	// create it; the operator sees it by itself.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretInvalid (False): the named Secret lacks a key, or a value is
	// unusable. Fix: store the keys that the message names, with the value alone.
	ReasonSecretInvalid = "SecretInvalid"
	// ReasonSecretUnreadable (False): the operator may not read the named Secret.
	// Fix: allow it to get Secrets in that namespace.
	ReasonSecretUnreadable = "SecretUnreadable"
	// ReasonDiscoveryPending (False): the vendor's metadata document has not been
	// read yet. Fix: wait some seconds.
	ReasonDiscoveryPending = "DiscoveryPending"
	// ReasonDiscoveryFailed (False): the vendor's metadata document is away or
	// wrong. Fix: correct issuer or discovery as the message says, or write the
	// endpoints out; the operator tries again by itself.
	ReasonDiscoveryFailed = "DiscoveryFailed"
)

// Reasons of ResolvedRefs of a BYOCCredential with dynamicRegistration.
const (
	// ReasonVendorNotResolved (False): something that the vendor itself names is
	// missing. Fix: read the vendor's condition ResolvedRefs.
	ReasonVendorNotResolved = "VendorNotResolved"
	// ReasonRegistrationDisabled (False): the vendor has no dynamic registration.
	// It is a reason of Accepted. Fix: ask the platform team for registration.mode,
	// or make an app at the vendor and name its Secret in secretRef.
	ReasonRegistrationDisabled = "RegistrationDisabled"
	// ReasonRegistrationPending (False): no app is registered at the vendor yet.
	// Fix: wait some seconds.
	ReasonRegistrationPending = "RegistrationPending"
	// ReasonRegistrationFailed (False): the vendor refused to register an app, or
	// is away. Fix: do what the message says; it is tried again by itself.
	ReasonRegistrationFailed = "RegistrationFailed"
	// ReasonRegistrationHeld (False): no app is registered yet, and the call to the
	// vendor waits, since this object changed, or its namespace registered apps, too
	// often in a short time. It also is the reason of an event. Fix: wait until the
	// time that the message names; what the object says then is sent.
	ReasonRegistrationHeld = "RegistrationHeld"
	// ReasonRegistrationExpired (False): the registered client secret ended and
	// could not be renewed. Fix: do what the message says, or delete the object and
	// create it again.
	ReasonRegistrationExpired = "RegistrationExpired"
	// ReasonRegistrationUnusable (False): the vendor registered something else than
	// the broker can use; the message says which client authentication. Fix: correct
	// the vendor's clientAuthentication.
	ReasonRegistrationUnusable = "RegistrationUnusable"
)

// Reasons of Programmed.
const (
	// ReasonProgrammed (True): every ready broker pod serves the object as it is.
	ReasonProgrammed = "Programmed"
	// ReasonPending (False): published, and not every ready broker pod serves it
	// yet. Fix: wait a second; after ten the message names the pods that lag, and
	// their logs tell why.
	ReasonPending = "Pending"
	// ReasonNoBrokerReady (False): published, and no ready broker pod was found.
	// Fix: look at the broker's Deployment, and at the operator's --broker-service
	// or --broker-admin.
	ReasonNoBrokerReady = "NoBrokerReady"
	// ReasonNotPublished (False): not part of the published configuration. Fix:
	// read the other conditions; where they are True, the message says what to
	// shorten, or the operator's log why it cannot write.
	ReasonNotPublished = "NotPublished"
)

// Reasons of CredentialsValid.
const (
	// ReasonCredentialsAccepted (True): the vendor knows the client credentials.
	ReasonCredentialsAccepted = "CredentialsAccepted"
	// ReasonCredentialsRefused (False): the vendor answered that the client
	// credentials are wrong, expired or revoked. Fix: store good ones in the Secret
	// that the message names, or correct the vendor's clientAuthentication.
	ReasonCredentialsRefused = "CredentialsRefused"
	// ReasonProbePending (Unknown): the vendor has not been asked yet. Fix: wait.
	ReasonProbePending = "ProbePending"
	// ReasonVendorDoesNotTell (Unknown): the vendor's answer does not tell wrong
	// credentials from right ones. Fix: nothing; a login will tell. Turn
	// credentialProbe off for this vendor.
	ReasonVendorDoesNotTell = "VendorDoesNotTell"
	// ReasonVendorUnavailable (Unknown): the vendor is away, or has asked to come
	// back later, and never told before. Fix: nothing; it is asked again by itself.
	ReasonVendorUnavailable = "VendorUnavailable"
)

// Reasons of Ready.
const (
	// ReasonReady (True): nothing is wrong.
	ReasonReady = "Ready"
	// ReasonNotReady (False): another condition is False. Fix: read the one that
	// the message names.
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
	// SecretKeyPrivateKey holds a PEM private key for private_key_jwt at the vendor;
	// the operator makes it for an app that it registers.
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
