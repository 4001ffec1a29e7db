// SPDX-License-Identifier: Apache-2.0

package runtimeconfig

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Snapshot is an immutable, indexed Document. Everything reachable from it is
// shared between goroutines and must not be changed.
type Snapshot struct {
	// Sequence increases with every publish; 0 for a file source.
	Sequence int64
	// Revision names the content: equal content, equal revision.
	Revision string
	// LoadedAt is when the snapshot was made.
	LoadedAt time.Time

	vendors  table[string, *Vendor]
	clients  table[string, *Client]
	byoc     table[[2]string, *Credential] // namespace, name
	defaults table[[2]string, *Credential] // namespace, vendor
	platform table[string, *Credential]    // vendor: shared, else environment
	shards   map[string]*loaded            // by name, for the next Load; nil where it is of no index
}

// Errors of Choose.
var (
	// ErrNoCredential: the client has no credential for the vendor.
	ErrNoCredential = errors.New("no credential for this vendor")
	// ErrCredentialNotReady: the chosen credential cannot be used.
	ErrCredentialNotReady = errors.New("credential not ready")
)

// Options are what a snapshot takes from the broker's surroundings.
type Options struct {
	// LookupEnv finds environment variables (os.LookupEnv); nil finds none.
	LookupEnv func(string) (string, bool)
	// Now is the clock (time.Now).
	Now func() time.Time
}

// NewSnapshot indexes d. It returns an error for a document that contradicts
// itself: two objects of one name, or a credential of an unknown vendor.
func NewSnapshot(d Document, revision string, sequence int64, o Options) (*Snapshot, error) {
	c := newChange(&Snapshot{}, counts{len(d.Vendors), len(d.Credentials), len(d.Clients)})
	for i := range d.Vendors {
		if err := c.addVendor(&d.Vendors[i]); err != nil {
			return nil, err
		}
	}
	for i := range d.Credentials {
		if err := c.addCredential(&d.Credentials[i]); err != nil {
			return nil, err
		}
	}
	for i := range d.Clients {
		if err := c.addClient(&d.Clients[i]); err != nil {
			return nil, err
		}
	}
	s := &Snapshot{Sequence: sequence, Revision: revision, LoadedAt: o.Now()}
	if err := c.finish(s, o.LookupEnv); err != nil {
		return nil, err
	}
	return s, nil
}

// Vendor finds a vendor by name.
func (s *Snapshot) Vendor(name string) (*Vendor, bool) {
	v := s.vendors.get(name)
	return v, v != nil
}

// VendorNames lists the vendors, sorted.
func (s *Snapshot) VendorNames() []string {
	names := make([]string, 0, s.vendors.size)
	for n := range s.vendors.all() {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Counts tells how many vendors, credentials and clients there are.
func (s *Snapshot) Counts() (vendors, credentials, clients int) {
	return s.vendors.size, s.byoc.size + s.platform.size, s.clients.size
}

// Client finds a registered client by id.
func (s *Snapshot) Client(id string) (*Client, bool) {
	c := s.clients.get(id)
	return c, c != nil
}

// Choose picks the credential for a client at a vendor: the namespace's own
// (by name where one is given), else the shared one, else the environment's. A
// name of another namespace's credential looks like one that does not exist. A
// credential that is not ready is returned along with ErrCredentialNotReady.
func (s *Snapshot) Choose(c *Client, v *Vendor, name string) (*Credential, error) {
	cred := s.defaults.get([2]string{c.Namespace, v.Name})
	if name != "" {
		cred = s.byoc.get([2]string{c.Namespace, name})
		if cred == nil || cred.Vendor != v.Name {
			return nil, ErrNoCredential
		}
	}
	if cred == nil && s.MayUseShared(c, v) {
		cred = s.platform.get(v.Name)
	}
	if cred == nil {
		return nil, ErrNoCredential
	}
	if cred.NotReady != "" {
		return cred, ErrCredentialNotReady
	}
	return cred, nil
}

// Allows finds what c may do at v. A client that registered itself may use the
// vendors that take such clients.
func (s *Snapshot) Allows(c *Client, v *Vendor) (AllowedVendor, bool) {
	if c.SelfRegistered && len(c.Vendors) == 0 {
		return AllowedVendor{Name: v.Name}, v.SelfRegisteredUse
	}
	a, ok := c.Vendor(v.Name)
	return a, ok && (!c.SelfRegistered || v.SelfRegisteredUse)
}

// MayUseShared tells whether c may use v's shared or environment credentials.
func (s *Snapshot) MayUseShared(c *Client, v *Vendor) bool {
	if c.SelfRegistered {
		return v.SelfRegisteredUse
	}
	return v.SharedUse.Has(c.Namespace) || slices.Contains(c.SharedUse, v.Name)
}

// Trusts tells whether v lets c's namespace skip the consent page.
func (s *Snapshot) Trusts(c *Client, v *Vendor) bool {
	return !c.AlwaysConsent && (v.Trusted.Has(c.Namespace) || slices.Contains(c.Trusted, v.Name))
}

// Bound finds the credential that a Binding names, if it is still the same:
// ErrNoCredential where it was changed or removed, ErrCredentialNotReady where it
// is the same object and cannot be used now.
func (s *Snapshot) Bound(b Binding) (*Credential, error) {
	var c *Credential
	if b.Source == SourceBYOC {
		c = s.byoc.get([2]string{b.Namespace, b.Name})
	} else {
		c = s.platform.get(b.Vendor)
	}
	if c == nil || s.vendors.get(c.Vendor) == nil {
		return nil, ErrNoCredential
	}
	if c.NotReady != "" && c.Source == b.Source && c.UID == b.UID && c.Vendor == b.Vendor {
		return c, ErrCredentialNotReady
	}
	if NewBinding(s.vendors.get(c.Vendor), c) != b {
		return nil, ErrNoCredential
	}
	return c, nil
}

// Binding identifies the credential of a login. It is sealed into everything
// in flight, and later steps use exactly it or fail.
type Binding struct {
	Vendor    string
	Issuer    string
	Source    Source
	Namespace string
	Name      string
	UID       string
	ClientID  string
	// Target is a digest of where tokens are redeemed, for credentials whose own
	// variables decide it: a tenant that changes them starts anew. A vendor's own
	// move to another URL signs nobody out.
	Target string
}

// NewBinding binds to credential c of vendor v.
func NewBinding(v *Vendor, c *Credential) Binding {
	b := Binding{Vendor: v.Name, Source: c.Source, Namespace: c.Namespace, Name: c.Name, UID: c.UID, ClientID: c.ClientID}
	if t := TargetOf(v, c); t != nil {
		b.Issuer = t.Issuer
	}
	if c.Target != nil {
		sum := sha256.Sum256([]byte(c.Target.Endpoints.Token + "\n" + c.Target.Endpoints.Refresh))
		b.Target = hex.EncodeToString(sum[:8])
	}
	return b
}

// TargetOf is where requests with credential c go; nil where the vendor's
// variables have no values.
func TargetOf(v *Vendor, c *Credential) *Target {
	if c.Target != nil {
		return c.Target
	}
	return v.Target
}

// Has tells whether namespace is in the set. The empty namespace, of clients
// that registered themselves, never is.
func (n NamespaceSet) Has(namespace string) bool {
	return namespace != "" && (n.All || slices.Contains(n.Names, namespace))
}

// Display names the credential for people and logs, without content.
func (c *Credential) Display() string {
	switch c.Source {
	case SourceBYOC:
		return "BYOCCredential " + c.Namespace + "/" + c.Name
	case SourceShared:
		return "shared credential of OAuthVendor " + c.Vendor
	default:
		return "environment credential of OAuthVendor " + c.Vendor
	}
}

// Vendor finds the client's entry for a vendor.
func (c *Client) Vendor(name string) (AllowedVendor, bool) {
	i := slices.IndexFunc(c.Vendors, func(a AllowedVendor) bool { return a.Name == name })
	if i < 0 {
		return AllowedVendor{}, false
	}
	return c.Vendors[i], true
}

func (v *Vendor) validate() error {
	switch {
	case v.Name == "":
		return errors.New("name is empty")
	case v.ClientAuth.Method == "":
		return errors.New("clientAuth.method is empty")
	case v.Scopes.Separator == "" || v.Scopes.Parameter == "":
		return errors.New("scopes.separator or scopes.parameter is empty")
	case v.Callback.CodeParameter == "":
		return errors.New("callback.codeParameter is empty")
	case v.Transport.TimeoutSeconds <= 0 || v.Transport.MaxResponseBytes <= 0:
		return errors.New("transport.timeoutSeconds and transport.maxResponseBytes must be positive")
	case v.Target != nil:
		return v.Target.validate()
	}
	return nil
}

func (t *Target) validate() error {
	if t.Endpoints.Authorization == "" || t.Endpoints.Token == "" || t.Endpoints.Refresh == "" {
		return errors.New("target.endpoints needs authorization, token and refresh")
	}
	return nil
}

func (c *Credential) validate() error {
	switch {
	case c.Source != SourceBYOC && c.Source != SourceShared:
		return fmt.Errorf("source %q is not byoc or shared", c.Source)
	case c.Source == SourceBYOC && (c.Namespace == "" || c.Name == ""):
		return errors.New("namespace or name is empty")
	case c.NotReady == "" && c.ClientID == "":
		return errors.New("clientID is empty")
	case c.Target != nil:
		return c.Target.validate()
	}
	return nil
}

func (c *Client) validate() error {
	switch {
	case c.ID == "" || c.Namespace == "":
		return errors.New("id or namespace is empty")
	case len(c.RedirectURIs) == 0:
		return errors.New("redirectURIs is empty")
	case c.NotReady != "":
		return nil
	case c.Auth == ClientSecret && len(c.SecretSHA256) == 0:
		return errors.New("secretSHA256 is empty")
	case c.Auth == ClientPrivateKeyJWT && c.JWKS == "":
		return errors.New("jwks is empty")
	case c.Auth != ClientNone && c.Auth != ClientSecret && c.Auth != ClientPrivateKeyJWT:
		return fmt.Errorf("auth %q is unknown", c.Auth)
	}
	return nil
}
