// SPDX-License-Identifier: Apache-2.0

package v1alpha1

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
