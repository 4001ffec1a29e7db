// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// BYOCCredential brings a tenant's own OAuth app for one vendor. Only
// BrokerClients of the same namespace can use it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=byoc,categories=oauthbroker
// +kubebuilder:printcolumn:name="Vendor",type=string,JSONPath=`.spec.vendor`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.status=="False")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$')",message="metadata.name must be a DNS label: lower-case letters, digits and -, at most 63 characters"
type BYOCCredential struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`
	// spec is what the tenant wants.
	// +required
	Spec BYOCCredentialSpec `json:"spec"`
	// status is what the operator observed. Before it has looked, observedGeneration
	// is -1, so that nobody takes a new object for a finished one.
	// +kubebuilder:default:={"observedGeneration":-1}
	// +optional
	Status BYOCCredentialStatus `json:"status,omitempty,omitzero"`
}

// BYOCCredentialList is a list of BYOCCredential.
//
// +kubebuilder:object:root=true
type BYOCCredentialList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []BYOCCredential `json:"items"`
}

// CredentialSelection says when a credential is chosen.
//
// +kubebuilder:validation:Enum=Default;ByName
type CredentialSelection string

const (
	// SelectionDefault: chosen for every client of the namespace that names none.
	SelectionDefault CredentialSelection = "Default"
	// SelectionByName: chosen only by clients that send credential=NAME.
	SelectionByName CredentialSelection = "ByName"
)

// BYOCCredentialSpec is one OAuth app of a tenant.
//
// +kubebuilder:validation:XValidation:rule="has(self.secretRef) != has(self.dynamicRegistration)",message="set exactly one of secretRef (an app that you made at the vendor) and dynamicRegistration (the operator registers one)"
// +kubebuilder:validation:XValidation:rule="(has(self.brokerClass) ? self.brokerClass : 'default') == (has(oldSelf.brokerClass) ? oldSelf.brokerClass : 'default')",message="brokerClass is immutable: delete the object and create it again"
type BYOCCredentialSpec struct {
	// brokerClass names the OAuth Broker install that serves this credential.
	// +kubebuilder:default=default
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
	// +optional
	BrokerClass string `json:"brokerClass,omitempty"`
	// vendor is the name of the OAuthVendor.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="vendor is immutable: create a credential of another name for another vendor"
	// +required
	Vendor string `json:"vendor"`
	// selection is Default (chosen for every client of this namespace that names
	// none) or ByName (chosen by credential=NAME only).
	// +kubebuilder:default=Default
	// +optional
	Selection CredentialSelection `json:"selection,omitempty"`
	// secretRef names a Secret of this namespace with the keys clientID and, as
	// the vendor's client authentication asks, clientSecret or privateKey.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`
	// dynamicRegistration lets the operator register an app at the vendor (RFC 7591).
	// Where the vendor authenticates apps by key, the operator makes the key.
	// +optional
	DynamicRegistration *DynamicRegistration `json:"dynamicRegistration,omitempty"`
	// variables gives values to the vendor's variables, for example a tenant's host.
	// +kubebuilder:validation:MaxItems=8
	// +listType=map
	// +listMapKey=name
	// +optional
	Variables []VariableValue `json:"variables,omitempty"`
}

// VariableValue gives a value to a vendor's variable.
type VariableValue struct {
	// name of the variable.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9]*$`
	// +required
	Name string `json:"name"`
	// value of the variable. The vendor's pattern or enum decides whether it is good.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9._-]+$`
	// +required
	Value string `json:"value"`
}

// DynamicRegistration shapes the registration at the vendor (RFC 7591 section 2).
type DynamicRegistration struct {
	// clientName is shown to users by the vendor.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +optional
	ClientName string `json:"clientName,omitempty"`
	// scopes to register for.
	// +kubebuilder:validation:MaxItems=128
	// +listType=set
	// +optional
	Scopes []ScopeToken `json:"scopes,omitempty"`
	// deletionPolicy is Delete (unregister at the vendor, RFC 7592) or Retain.
	// +kubebuilder:default=Delete
	// +kubebuilder:validation:Enum=Delete;Retain
	// +optional
	DeletionPolicy string `json:"deletionPolicy,omitempty"`
}

// BYOCCredentialStatus is what the operator observed.
type BYOCCredentialStatus struct {
	// observedGeneration of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are Accepted, ResolvedRefs, Programmed, Ready, where the spec is
	// wrong Stalled and, where something
	// is known of the credentials, CredentialsValid.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// redirectURI to register at the vendor.
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	RedirectURI string `json:"redirectURI,omitempty"`
	// observedSecret is the version of the Secret that this status speaks of.
	// +optional
	ObservedSecret *ObservedSecret `json:"observedSecret,omitempty"`
	// registration tells of the app that dynamicRegistration made at the vendor.
	// +optional
	Registration *RegistrationStatus `json:"registration,omitempty"`
}
