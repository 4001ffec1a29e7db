// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
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

// encoder makes the items of a document and remembers them: an object at the
// same address is the same, so its item is, too. The zero value is ready to use.
type encoder struct {
	last translate.Recent[translate.Object, encoded]
	// ids of the items of each namespace.
	ids map[string][]string
}

// encoded is what became of an object.
type encoded struct {
	item runtimeconfig.Item
	// limit is set where the object is too big for it.
	limit int
	// left is true where no item stands for the object.
	left bool
}

// encode makes the items of the objects of a scope, in their order, and tells the
// limits of those that are too big. Too big a vendor is left out with all that depends on
// it, and so is a client. Too big a credential becomes one that is not ready, so
// that its logins fail instead of falling back to another credential.
func (e *encoder) encode(objects []translate.Object, only translate.Scope) (c Change, big map[string]int) {
	e.last.Start(only)
	ids := map[string][]string{}
	c.Part, c.Items, big = !only.Whole(), make([]runtimeconfig.Item, 0, len(objects)), map[string]int{}
	for _, o := range objects {
		if c := o.Credential; c != nil {
			if _, left := big[runtimeconfig.VendorID(c.Vendor)]; left {
				continue
			}
		}
		r, known := e.last.Get(o.Namespace(), o)
		if !known {
			r = encodeObject(o)
		}
		e.last.Set(o.Namespace(), o, r)
		if r.limit > 0 {
			big[r.item.ID] = r.limit
		}
		if !r.left {
			c.Items = append(c.Items, r.item)
			ids[o.Namespace()] = append(ids[o.Namespace()], r.item.ID)
		}
	}
	c.Gone = e.turn(ids, only)
	return c, big
}

// turn takes the ids of a scope's items and returns those that are gone.
func (e *encoder) turn(ids map[string][]string, only translate.Scope) (gone []string) {
	if only.Whole() {
		e.ids = ids
		return nil // the plan looks at all that is published
	}
	for namespace := range only {
		there := make(map[string]bool, len(ids[namespace]))
		for _, id := range ids[namespace] {
			there[id] = true
		}
		for _, id := range e.ids[namespace] {
			if !there[id] {
				gone = append(gone, id)
			}
		}
		if e.ids[namespace] = ids[namespace]; len(there) == 0 {
			delete(e.ids, namespace)
		}
	}
	return gone
}

func encodeObject(o translate.Object) encoded {
	var r encoded
	var err error
	limit := maxItemBytes
	switch {
	case o.Vendor != nil:
		limit = maxVendorBytes
		r.item, err = runtimeconfig.EncodeVendor(o.Vendor)
	case o.Credential != nil:
		r.item, err = runtimeconfig.EncodeCredential(o.Credential)
	default:
		r.item, err = runtimeconfig.EncodeClient(o.Client)
	}
	if err == nil && len(r.item.Body) <= limit {
		return r
	}
	r.item, r.limit, r.left = runtimeconfig.Item{ID: r.item.ID}, limit, true // what is too big takes no memory besides
	if o.Credential != nil {
		r.item, err = runtimeconfig.EncodeCredential(stub(o.Credential))
		r.left = err != nil
	}
	return r
}

// stub is a credential without its values.
func stub(c *runtimeconfig.Credential) *runtimeconfig.Credential {
	return &runtimeconfig.Credential{
		Source: c.Source, Namespace: c.Namespace, Name: c.Name, UID: c.UID, Vendor: c.Vendor, Default: c.Default,
		NotReady: oauthv1alpha1.ReasonNotPublished,
	}
}
