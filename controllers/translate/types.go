// SPDX-License-Identifier: Apache-2.0

// Package translate decides: from everything that the cluster says, which
// document the brokers serve and which verdict each object gets.
//
// It is pure: no context, client, logger or clock. A user's mistake is a
// verdict, never an error. The same inputs give the same, sorted, output.
package translate

import (
	"k8s.io/apimachinery/pkg/types"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// Inputs is everything that a document depends on.
type Inputs struct {
	Settings Settings
	// Only says which namespaces' Credentials and Clients are there. Vendors always
	// are.
	Only Scope
	// Vendors, Credentials and Clients are the objects, in any order. Those of
	// another broker class are ignored, and so are those that are being deleted.
	Vendors     []*oauthv1alpha1.OAuthVendor
	Credentials []*oauthv1alpha1.BYOCCredential
	Clients     []*oauthv1alpha1.BrokerClient
	// Namespaces holds the labels of each namespace by name; nil in namespaced
	// mode, where selectors are refused.
	Namespaces map[string]map[string]string
	// Secrets holds every Secret that an object names. A missing entry means the
	// Secret does not exist.
	Secrets map[types.NamespacedName]Secret
	// Discovered holds what discovery found, by vendor. A missing entry means that
	// it has not answered yet.
	Discovered map[string]Discovered
	// Registered tells of registrations what their Secrets do not, by the UID of
	// the credential.
	Registered map[types.UID]Registered
}

// Scope is a set of namespaces; nil means all. Nothing that is decided on a
// namespace depends on the objects of another, so the output for some namespaces
// is the part of the whole output that is theirs and the vendors'.
type Scope map[string]bool

// Whole tells whether s is everything.
func (s Scope) Whole() bool { return s == nil }

// Settings are the install's own.
type Settings struct {
	// BrokerClass of this install; objects of another class are left alone.
	BrokerClass string
	// PublicURL of the broker, https://host without a trailing slash.
	PublicURL string
	// OperatorNamespace holds the Secrets that OAuthVendors name.
	OperatorNamespace string
	// Namespaced is true where the operator cannot read namespaces.
	Namespaced bool
	// Registers is true where somebody registers apps for credentials.
	Registers bool
}

// Secret is one version of a Secret.
type Secret struct {
	UID             string
	ResourceVersion string
	Data            map[string]secret.Text
	// OtherKeys are the names of keys that no object can use, sorted; a few are
	// enough, for a message about a Secret whose keys have the wrong names.
	OtherKeys []string
	// Unreadable is true where the operator could not read it: the API server
	// refused, or failed, and no earlier version was read.
	Unreadable bool
	// Stale is true where a newer version may be there and could not be read.
	Stale bool
}

// Discovered is what a vendor's metadata document said.
type Discovered struct {
	// Endpoints of the last good document; nil where there was none yet.
	Endpoints *oauthv1alpha1.Endpoints
	// IssuerParameter is authorization_response_iss_parameter_supported (RFC 9207).
	IssuerParameter bool
	// Source is a digest of what the document was read for.
	Source string
	// Problem is why the last try failed; empty when it did not. With Endpoints
	// set, the last good document goes on serving.
	Problem string
}

// Output is a document and a verdict for each object that was not ignored.
type Output struct {
	Document runtimeconfig.Document
	// Objects are those of Document, each vendor before what depends on it. A Memo
	// gives an object that is the same at the same address, so that what was made
	// of it can be remembered.
	Objects []Object
	// Verdicts sorted by kind, namespace, name.
	Verdicts []Verdict
	// Registrations are the apps that there should be at vendors.
	Registrations []*Registration
}

// Object is one object of a document: one of its members is not nil. It must
// not be changed.
type Object struct {
	Vendor     *runtimeconfig.Vendor
	Credential *runtimeconfig.Credential
	Client     *runtimeconfig.Client
}

// Namespace of the object; empty for a vendor and its shared credential.
func (o Object) Namespace() string {
	switch {
	case o.Credential != nil:
		return o.Credential.Namespace
	case o.Client != nil:
		return o.Client.Namespace
	}
	return ""
}

// Ref names an object.
type Ref struct {
	Kind      string // OAuthVendor, BYOCCredential or BrokerClient
	Namespace string
	Name      string
}

// String is for people: kind, namespace and name.
func (r Ref) String() string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

// Check is the outcome for one condition.
type Check struct {
	OK      bool
	Reason  string
	Message string
	// Note is the part of the message of a good object that is worth reading.
	Note string `json:",omitempty"`
}

// Verdict is what status should say of an object, besides Programmed and
// Ready, which depend on the brokers.
type Verdict struct {
	Ref          Ref
	UID          types.UID `json:"-"` // of the object
	Generation   int64
	Accepted     Check
	ResolvedRefs Check
	// Items are the ids of the published items that this object depends on (for a
	// credential: its own and its vendor's); empty where nothing is published.
	Items []string
	// RedirectURI to register at the vendor (vendors and credentials).
	RedirectURI string
	// ClientID at the broker (clients).
	ClientID string
	// ObservedSecret is the version of the Secret that was used.
	ObservedSecret *oauthv1alpha1.ObservedSecret
}
