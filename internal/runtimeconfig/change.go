// SPDX-License-Identifier: Apache-2.0

package runtimeconfig

import (
	"fmt"

	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// change makes a snapshot from the one before: first everything that is gone is
// removed, then vendors, credentials and clients are added, in this order, and
// finish looks at what they say of one another. What stays is neither copied nor
// checked again.
type change struct {
	vendors  *edit[string, *Vendor]
	clients  *edit[string, *Client]
	byoc     *edit[[2]string, *Credential]
	defaults *edit[[2]string, *Credential]
	platform *edit[string, *Credential]
	// lost are vendors that were removed, and affected those whose platform
	// credential may be another one now.
	lost     []string
	affected []string
}

// newChange starts from prev, with room for a number of new objects.
func newChange(prev *Snapshot, more counts) *change {
	return &change{
		vendors: prev.vendors.edit(more.vendors), clients: prev.clients.edit(more.clients), platform: prev.platform.edit(more.vendors),
		byoc: prev.byoc.edit(more.credentials), defaults: prev.defaults.edit(more.credentials),
	}
}

// counts are numbers of objects.
type counts struct{ vendors, credentials, clients int }

func (c *change) removeVendor(v *Vendor) {
	c.vendors.remove(v.Name)
	c.lost = append(c.lost, v.Name)
	if p := c.platform.get(v.Name); p != nil && p.Source == SourceEnvironment {
		c.platform.remove(v.Name)
	}
}

func (c *change) removeClient(x *Client) { c.clients.remove(x.ID) }

func (c *change) removeCredential(x *Credential) {
	if x.Source == SourceShared {
		c.platform.remove(x.Vendor)
		c.affected = append(c.affected, x.Vendor)
		return
	}
	c.byoc.remove([2]string{x.Namespace, x.Name})
	if x.Default {
		c.defaults.remove([2]string{x.Namespace, x.Vendor})
	}
}

func (c *change) addVendor(v *Vendor) error {
	if err := v.validate(); err != nil {
		return fmt.Errorf("vendor %q: %w", v.Name, err)
	}
	if c.vendors.get(v.Name) != nil {
		return fmt.Errorf("vendor %q is there twice", v.Name)
	}
	c.vendors.set(v.Name, v)
	c.affected = append(c.affected, v.Name)
	return nil
}

func (c *change) addClient(x *Client) error {
	if err := x.validate(); err != nil {
		return fmt.Errorf("client %q: %w", x.ID, err)
	}
	if c.clients.get(x.ID) != nil {
		return fmt.Errorf("client %q is there twice", x.ID)
	}
	c.clients.set(x.ID, x)
	return nil
}

func (c *change) addCredential(x *Credential) error {
	if err := x.validate(); err != nil {
		return fmt.Errorf("credential %s: %w", x.Display(), err)
	}
	if c.vendors.get(x.Vendor) == nil {
		return unknownVendor(x)
	}
	if x.Source == SourceShared {
		if p := c.platform.get(x.Vendor); p != nil && p.Source == SourceShared {
			return fmt.Errorf("vendor %q has two shared credentials", x.Vendor)
		}
		c.platform.set(x.Vendor, x)
		return nil
	}
	key := [2]string{x.Namespace, x.Name}
	if c.byoc.get(key) != nil {
		return fmt.Errorf("credential %s is there twice", x.Display())
	}
	c.byoc.set(key, x)
	if !x.Default {
		return nil
	}
	slot := [2]string{x.Namespace, x.Vendor}
	if c.defaults.get(slot) != nil {
		return fmt.Errorf("namespace %q has two default credentials for vendor %q", x.Namespace, x.Vendor)
	}
	c.defaults.set(slot, x)
	return nil
}

// finish puts the tables into s.
func (c *change) finish(s *Snapshot, lookup func(string) (string, bool)) error {
	if err := c.checkLost(); err != nil {
		return err
	}
	for _, name := range c.affected {
		v := c.vendors.get(name)
		if v != nil && v.Environment != nil && c.platform.get(name) == nil {
			c.platform.set(name, fromEnvironment(v, lookup))
		}
	}
	s.vendors, s.clients, s.platform = c.vendors.table, c.clients.table, c.platform.table
	s.byoc, s.defaults = c.byoc.table, c.defaults.table
	return nil
}

// checkLost finds credentials that stayed while their vendor went.
func (c *change) checkLost() error {
	lost := map[string]bool{}
	for _, name := range c.lost {
		if c.vendors.get(name) == nil {
			lost[name] = true
			if x := c.platform.get(name); x != nil {
				return unknownVendor(x)
			}
		}
	}
	if len(lost) == 0 {
		return nil // all but always
	}
	for _, x := range c.byoc.all() {
		if lost[x.Vendor] {
			return unknownVendor(x)
		}
	}
	return nil
}

func unknownVendor(c *Credential) error {
	return fmt.Errorf("credential %s names the unknown vendor %q", c.Display(), c.Vendor)
}

// fromEnvironment makes a credential of a vendor's environment variables.
func fromEnvironment(v *Vendor, lookup func(string) (string, bool)) *Credential {
	c := &Credential{Source: SourceEnvironment, UID: v.UID, Vendor: v.Name}
	if lookup != nil {
		c.ClientID, _ = lookup(v.Environment.ClientIDVariable)
		value, _ := lookup(v.Environment.ClientSecretVariable)
		c.ClientSecret = secret.New(value)
	}
	switch {
	case c.ClientID == "":
		c.NotReady = "environment variable " + v.Environment.ClientIDVariable + " is not set at the broker"
	case c.ClientSecret.Empty() && v.ClientAuth.Method != AuthNone:
		c.NotReady = "environment variable " + v.Environment.ClientSecretVariable + " is not set at the broker"
	}
	return c
}
