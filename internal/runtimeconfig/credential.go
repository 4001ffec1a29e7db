// SPDX-License-Identifier: Apache-2.0

package runtimeconfig

import "github.com/oauthbroker/oauth-broker/internal/secret"

// Source says where a credential comes from.
type Source string

// The sources of credentials, in the order of preference.
const (
	SourceBYOC        Source = "byoc"
	SourceShared      Source = "shared"
	SourceEnvironment Source = "environment"
)

// Credential is an OAuth app at a vendor.
type Credential struct {
	Source Source `json:"source"`
	// Namespace and Name of the BYOCCredential; empty for a shared credential.
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	// UID of the BYOCCredential, or of the vendor.
	UID    string `json:"uid"`
	Vendor string `json:"vendor"`
	// Default is chosen for clients of the namespace that name no credential.
	Default bool `json:"default,omitempty"`
	// NotReady is why the credential cannot be used, for example SecretNotFound;
	// empty when it can. Such a credential is still chosen, and the login fails.
	NotReady string `json:"notReady,omitempty"`
	// Sequence that first published it as it is, 0 for a file source and for the
	// environment; Load takes it from the item.
	Sequence int64 `json:"-"`
	// ClientID is the client identifier at the vendor.
	ClientID string `json:"clientID,omitempty"`
	// ClientSecret and PrivateKey travel in the wire form only (see wire.go).
	ClientSecret secret.Text `json:"-"`
	PrivateKey   secret.Text `json:"-"`
	// Target overrides the vendor's where its variables have values of this credential.
	Target *Target `json:"target,omitempty"`
}
