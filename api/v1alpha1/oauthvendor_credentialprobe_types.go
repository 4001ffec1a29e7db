// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// CredentialProbeMode says whether and how client credentials are probed.
//
// +kubebuilder:validation:Enum=Disabled;BogusCode
type CredentialProbeMode string

const (
	// CredentialProbeDisabled asks nothing.
	CredentialProbeDisabled CredentialProbeMode = "Disabled"
	// CredentialProbeBogusCode redeems a code that cannot exist.
	CredentialProbeBogusCode CredentialProbeMode = "BogusCode"
)

// CredentialProbe lets the operator ask the vendor whether it accepts the client
// credentials, so that a wrong secret shows in the condition CredentialsValid
// before a user meets it. It covers the shared credentials of
// credentials.secretRef and every BYOCCredential of this vendor; credentials from
// the environment are the broker's alone.
type CredentialProbe struct {
	// mode is Disabled, or BogusCode: a token request with a code that cannot
	// exist. A vendor that follows RFC 6749 answers invalid_client to wrong
	// credentials and invalid_grant to right ones. Turn it on only where such
	// requests are harmless: some vendors count them as attacks on the app.
	// +required
	Mode CredentialProbeMode `json:"mode"`
	// intervalSeconds between two probes of one credential. A changed credential
	// is probed at once.
	// +kubebuilder:default=3600
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=604800
	// +optional
	IntervalSeconds int32 `json:"intervalSeconds,omitempty"`
}
