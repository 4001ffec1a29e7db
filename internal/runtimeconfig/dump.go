// SPDX-License-Identifier: Apache-2.0

package runtimeconfig

import (
	"slices"
	"strings"
	"time"
)

// redacted stands where a value is that nobody may read.
const redacted = "[redacted]"

// Dump is a snapshot for people who look for a fault: everything but secrets.
type Dump struct {
	Sequence    int64            `json:"sequence"`
	Revision    string           `json:"revision"`
	LoadedAt    time.Time        `json:"loadedAt"`
	Vendors     []DumpVendor     `json:"vendors"`
	Credentials []DumpCredential `json:"credentials"`
	Clients     []Client         `json:"clients"`
}

// DumpVendor is a vendor, and whether it has the secrets that it may have.
type DumpVendor struct {
	Vendor
	InitialAccessToken string `json:"initialAccessToken,omitempty"`
}

// DumpCredential is a credential, and which secrets it has.
type DumpCredential struct {
	Credential
	ClientSecret string `json:"clientSecret,omitempty"`
	PrivateKey   string `json:"privateKey,omitempty"`
}

// Dump lists what the snapshot holds, sorted by name. The wire form of the
// types leaves secrets out; that a value is there is said in its place. Hashes
// of secrets are secrets here, too: a short one could be guessed from it.
func (s *Snapshot) Dump() Dump {
	d := Dump{Sequence: s.Sequence, Revision: s.Revision, LoadedAt: s.LoadedAt,
		Vendors: []DumpVendor{}, Credentials: []DumpCredential{}, Clients: []Client{}}
	for _, name := range s.VendorNames() {
		v := s.vendors.get(name)
		d.Vendors = append(d.Vendors, DumpVendor{Vendor: *v, InitialAccessToken: mark(!v.Registration.InitialAccessToken.Empty())})
	}
	add := func(c *Credential) {
		d.Credentials = append(d.Credentials, DumpCredential{
			Credential: *c, ClientSecret: mark(!c.ClientSecret.Empty()), PrivateKey: mark(!c.PrivateKey.Empty()),
		})
	}
	for _, c := range s.platform.all() {
		add(c)
	}
	for _, c := range s.byoc.all() {
		add(c)
	}
	slices.SortFunc(d.Credentials, func(a, b DumpCredential) int { return strings.Compare(a.Display(), b.Display()) })
	for _, c := range s.clients.all() {
		shown := *c
		shown.SecretSHA256 = slices.Repeat([]string{redacted}, len(c.SecretSHA256))
		d.Clients = append(d.Clients, shown)
	}
	slices.SortFunc(d.Clients, func(a, b Client) int { return strings.Compare(a.ID, b.ID) })
	return d
}

func mark(there bool) string {
	if there {
		return redacted
	}
	return ""
}
