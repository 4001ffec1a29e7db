// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"strings"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// Limits of published items, so that nobody can make a shard that no Secret
// (1 MiB) can hold and stop publishing for everyone.
const (
	// maxVendorBytes bounds a vendor, which the platform team writes: every list
	// of it may be full.
	maxVendorBytes = 768 << 10
	// maxItemBytes bounds what tenants write: a credential or a client.
	maxItemBytes = 128 << 10
)

// encode makes the items of a document, sorted by id, and tells the limits of
// those that are too big. Too big a vendor is left out with all that depends on
// it, and so is a client. Too big a credential becomes one that is not ready, so
// that its logins fail instead of falling back to another credential.
func encode(d runtimeconfig.Document) (items []runtimeconfig.Item, big map[string]int) {
	items = make([]runtimeconfig.Item, 0, len(d.Vendors)+len(d.Credentials)+len(d.Clients))
	big = map[string]int{}
	add := func(it runtimeconfig.Item, err error, limit int) bool {
		if err != nil || len(it.Body) > limit {
			big[it.ID] = limit
			return false
		}
		items = append(items, it)
		return true
	}
	for i := range d.Vendors {
		it, err := runtimeconfig.EncodeVendor(&d.Vendors[i])
		add(it, err, maxVendorBytes)
	}
	for i := range d.Credentials {
		c := &d.Credentials[i]
		if _, left := big[runtimeconfig.VendorID(c.Vendor)]; left {
			continue
		}
		it, err := runtimeconfig.EncodeCredential(c)
		if !add(it, err, maxItemBytes) {
			if it, err = runtimeconfig.EncodeCredential(stub(c)); err == nil {
				items = append(items, it)
			}
		}
	}
	for i := range d.Clients {
		it, err := runtimeconfig.EncodeClient(&d.Clients[i])
		add(it, err, maxItemBytes)
	}
	slices.SortFunc(items, func(a, b runtimeconfig.Item) int { return strings.Compare(a.ID, b.ID) })
	return items, big
}

// stub is a credential without its values.
func stub(c *runtimeconfig.Credential) *runtimeconfig.Credential {
	return &runtimeconfig.Credential{
		Source: c.Source, Namespace: c.Namespace, Name: c.Name, UID: c.UID, Vendor: c.Vendor, Default: c.Default,
		NotReady: oauthv1alpha1.ReasonNotPublished,
	}
}
