// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// OAuthVendorStatus is what the operator observed.
type OAuthVendorStatus struct {
	// observedGeneration of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are Accepted, ResolvedRefs, Programmed, Ready, where the spec is
	// wrong Stalled and, where something
	// is known of the shared credentials, CredentialsValid.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// redirectURI to register at the vendor.
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	RedirectURI string `json:"redirectURI,omitempty"`
	// observedSecret is the version of the shared credentials' Secret.
	// +optional
	ObservedSecret *ObservedSecret `json:"observedSecret,omitempty"`
	// discovery tells what the metadata document said.
	// +optional
	Discovery *DiscoveryStatus `json:"discovery,omitempty"`
	// orphanedRegistrations are apps that the operator registered and that are, or
	// may be, left at the vendor. Remove entries from the status when you have
	// deleted the apps. Where the list is full, the namespace that has the most
	// entries loses its newest.
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=softwareID
	// +optional
	OrphanedRegistrations []OrphanedRegistration `json:"orphanedRegistrations,omitempty"`
	// omittedOrphans is how many more apps there were no places for in
	// orphanedRegistrations; the operator's log has each.
	// +kubebuilder:validation:Minimum=0
	// +optional
	OmittedOrphans int32 `json:"omittedOrphans,omitempty"`
}

// DiscoveryStatus tells what the metadata document said.
type DiscoveryStatus struct {
	// observedTime is when the document last changed in a way that matters.
	// +optional
	ObservedTime metav1.Time `json:"observedTime,omitempty,omitzero"`
	// source is a digest of what the document was read for (issuer, discovery,
	// transport): a restarted operator uses endpoints only for the same.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Source string `json:"source,omitempty"`
	// endpoints that the document names.
	// +optional
	Endpoints *Endpoints `json:"endpoints,omitempty"`
	// issuerParameterSupported is the document's
	// authorization_response_iss_parameter_supported (RFC 9207 section 3).
	// +optional
	IssuerParameterSupported bool `json:"issuerParameterSupported,omitempty"`
}
