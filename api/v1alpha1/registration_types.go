// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

const (
	// RegistrationFinalizer is on a BYOCCredential that has, or may have, an app at
	// the vendor that the operator registered: the app is deleted first.
	RegistrationFinalizer = "oauthbroker.dev/registration"
	// RegistrationLabel is on the Secret of a registration; its value is the UID of
	// the BYOCCredential.
	RegistrationLabel = "oauthbroker.dev/registration"
	// registrationPrefix begins the name of the Secret of a registration.
	registrationPrefix = "registration-"
)

// RegistrationSecretName is the name of the Secret, in the operator's namespace,
// that holds what the vendor registered for the BYOCCredential of this UID.
func RegistrationSecretName(uid string) string { return registrationPrefix + uid }

// RegistrationStatus tells of the app that the operator registers at the vendor
// (RFC 7591). It holds no secret.
type RegistrationStatus struct {
	// attempt is the software_id of a registration request that is under way. It is
	// written before the request is sent, and removed when its outcome is known.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Attempt string `json:"attempt,omitempty"`
	// softwareID that the registered app has at the vendor.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	SoftwareID string `json:"softwareID,omitempty"`
	// clientID of the registered app.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	ClientID string `json:"clientID,omitempty"`
	// registeredTime is when the app was registered, or last updated or renewed.
	// +optional
	RegisteredTime metav1.Time `json:"registeredTime,omitempty,omitzero"`
	// secretExpiresTime is when the client secret expires; absent where it does not.
	// +optional
	SecretExpiresTime metav1.Time `json:"secretExpiresTime,omitempty,omitzero"`
	// failure tells why the last call to the vendor failed; absent when it did not.
	// +optional
	Failure *RegistrationFailure `json:"failure,omitempty"`
	// held tells why and until when a call to the vendor waits that a change of this
	// object asks for; absent where none does.
	// +optional
	Held *RegistrationHold `json:"held,omitempty"`
	// pace counts the calls to the vendor that this object asked for. From the fifth
	// on they wait, and the longer the more there were.
	// +optional
	Pace *RegistrationPace `json:"pace,omitempty"`
	// orphans are apps that are, or may be, left at the vendor and that the operator
	// cannot delete. Where there are more, the oldest move to the OAuthVendor's status.
	// +kubebuilder:validation:MaxItems=8
	// +listType=map
	// +listMapKey=softwareID
	// +optional
	Orphans []OrphanedRegistration `json:"orphans,omitempty"`
}

// RegistrationFailure is a call to the vendor that failed.
type RegistrationFailure struct {
	// time of the call.
	// +required
	Time metav1.Time `json:"time"`
	// message says what went wrong and what to do. Of the vendor's answer it holds
	// the error code alone.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +required
	Message string `json:"message"`
	// nextTime is when it is tried again, at the latest: a change of the objects may
	// make it earlier.
	// +optional
	NextTime metav1.Time `json:"nextTime,omitempty,omitzero"`
}

// RegistrationHold is a call to the vendor that waits for its turn.
type RegistrationHold struct {
	// message says why it waits.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +required
	Message string `json:"message"`
	// nextTime is when the vendor is asked.
	// +required
	NextTime metav1.Time `json:"nextTime"`
}

// RegistrationPace counts calls to the vendor.
type RegistrationPace struct {
	// calls that the object asked for. One is forgotten every hour.
	// +kubebuilder:validation:Minimum=1
	// +required
	Calls int32 `json:"calls"`
	// time of the last of them.
	// +required
	Time metav1.Time `json:"time"`
}

// OrphanedRegistration is an app at the vendor that nobody manages any more. Look
// for its clientID, or for its softwareID, and delete it there.
type OrphanedRegistration struct {
	// softwareID that the registration request carried (RFC 7591 section 2).
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +required
	SoftwareID string `json:"softwareID"`
	// clientID of the app; absent where the vendor's answer never arrived: then the
	// app may or may not exist.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	ClientID string `json:"clientID,omitempty"`
	// credential is the BYOCCredential that it was for, as namespace/name.
	// +kubebuilder:validation:MaxLength=127
	// +optional
	Credential string `json:"credential,omitempty"`
	// reason says why it is out of reach.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +required
	Reason string `json:"reason"`
	// time when it was recorded.
	// +required
	Time metav1.Time `json:"time"`
}
