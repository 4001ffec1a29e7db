// SPDX-License-Identifier: Apache-2.0

package runtimeconfig

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Missing lists the shards of i that prev did not load yet; prev may be nil.
func (i Index) Missing(prev *Snapshot) []string {
	var names []string
	for _, ref := range i.Shards {
		if prev.known(ref) == nil {
			names = append(names, ref.Name)
		}
	}
	return names
}

// known is a shard that s has loaded, if it stands where ref says.
func (s *Snapshot) known(ref ShardRef) *loaded {
	if s == nil {
		return nil
	}
	if l := s.shards[ref.Name]; l != nil && l.prefix == ref.Prefix {
		return l
	}
	return nil
}

// Contents are the shards as they were loaded, by name.
func (s *Snapshot) Contents() map[string][]byte {
	all := make(map[string][]byte, len(s.shards))
	for name, l := range s.shards {
		all[name] = l.content
	}
	return all
}

// Load makes the snapshot of an index. shards holds the content of at least
// the shards that Missing names; the others are taken from prev, which may be
// nil. Every shard is checked against its name (an HMAC of its content) and
// every item against its place. On an error prev stays good.
//
// The work is that of what changed: shards that prev has are not looked at, and
// of a new shard the items that stand in prev's as they are, byte for byte, are
// the same objects in the new snapshot. The result is what it would be without prev.
func Load(i Index, shards map[string][]byte, prev *Snapshot, o Options) (*Snapshot, error) {
	if err := i.Check(); err != nil {
		return nil, err
	}
	if prev == nil {
		prev = &Snapshot{}
	}
	s := &Snapshot{Revision: i.Revision(), Sequence: i.Sequence, LoadedAt: o.Now(), shards: make(map[string]*loaded, len(i.Shards))}
	var fresh []ShardRef
	for _, ref := range i.Shards {
		if l := prev.known(ref); l != nil {
			s.shards[ref.Name] = l
		} else {
			fresh = append(fresh, ref)
		}
	}
	var gone []*loaded
	for name, l := range prev.shards {
		if s.shards[name] == nil {
			gone = append(gone, l)
		}
	}
	var before, now []placed
	for _, l := range gone {
		before = append(before, l.entries...)
	}
	for _, ref := range fresh {
		l, err := i.loadShard(ref, shards, gone)
		if err != nil {
			return nil, fmt.Errorf("shard %s: %w", ref.Name, err)
		}
		s.shards[ref.Name] = l
		now = append(now, l.entries...)
	}
	c, err := changeOf(prev, before, now)
	if err != nil {
		return nil, err
	}
	if err := c.finish(s, o.LookupEnv); err != nil {
		return nil, err
	}
	return s, nil
}

// Check refuses an index whose shards are not as a publisher writes them: each once,
// in the order of their prefixes, and apart from the others, so that each item has one
// place.
func (i Index) Check() error {
	names := make(map[string]bool, len(i.Shards))
	for n, ref := range i.Shards {
		if names[ref.Name] || strings.Trim(ref.Prefix, "01") != "" || len(ref.Prefix) > HashBits {
			return fmt.Errorf("shard %s of the index is named twice, or has a bad prefix", ref.Name)
		}
		names[ref.Name] = true
		if n == 0 {
			continue
		}
		if before := i.Shards[n-1]; before.Prefix >= ref.Prefix || strings.HasPrefix(ref.Prefix, before.Prefix) {
			return fmt.Errorf("shards %s and %s of the index overlap or are not sorted", before.Name, ref.Name)
		}
	}
	return nil
}

// changeOf removes what is no more and adds what is new. Entries that stayed are
// the same pointers.
func changeOf(prev *Snapshot, before, now []placed) (*change, error) {
	removed, added := difference(before, now)
	var more counts
	for _, e := range added {
		e.do(func(*Vendor) { more.vendors++ }, func(*Credential) { more.credentials++ }, func(*Client) { more.clients++ })
	}
	c := newChange(prev, more)
	for _, e := range removed {
		e.do(c.removeVendor, c.removeCredential, c.removeClient)
	}
	var err error
	note := func(e error) {
		if err == nil {
			err = e
		}
	}
	for _, e := range added {
		e.do(func(v *Vendor) { note(c.addVendor(v)) }, nil, nil)
	}
	for _, e := range added {
		e.do(nil, func(x *Credential) { note(c.addCredential(x)) }, func(x *Client) { note(c.addClient(x)) })
	}
	return c, err
}

// difference tells what is in one list only.
func difference(before, now []placed) (removed, added []placed) {
	byID := func(a, b placed) int { return strings.Compare(a.id, b.id) }
	slices.SortFunc(before, byID)
	slices.SortFunc(now, byID)
	for len(before) > 0 && len(now) > 0 {
		switch {
		case before[0].entry == now[0].entry:
			before, now = before[1:], now[1:]
		case byID(before[0], now[0]) <= 0: // of equal ids both differ
			removed, before = append(removed, before[0]), before[1:]
		default:
			added, now = append(added, now[0]), now[1:]
		}
	}
	return append(removed, before...), append(added, now...)
}

// loadShard reads a shard; gone are those of the snapshot before that the index
// no longer names.
func (i Index) loadShard(ref ShardRef, shards map[string][]byte, gone []*loaded) (*loaded, error) {
	content, ok := shards[ref.Name]
	if !ok {
		return nil, errors.New("content is missing")
	}
	if ShardName(i.NameKey, content) != ref.Name {
		return nil, errors.New("content does not match the name")
	}
	entries, err := readShard(content, related(gone, ref.Prefix))
	if err != nil {
		return nil, err
	}
	for n, e := range entries {
		if !e.under(ref.Prefix) {
			return nil, fmt.Errorf("item %d is in the wrong shard", n)
		}
		if n > 0 && entries[n-1].id >= e.id {
			return nil, fmt.Errorf("item %d is there twice or not in order", n)
		}
	}
	return &loaded{prefix: ref.Prefix, content: content, entries: entries}, nil
}

// related are the entries that may be in the shard of a prefix, sorted by id.
func related(gone []*loaded, prefix string) []placed {
	var all []placed
	shards := 0
	for _, l := range gone {
		if strings.HasPrefix(l.prefix, prefix) || strings.HasPrefix(prefix, l.prefix) {
			all, shards = append(all, l.entries...), shards+1
		}
	}
	if shards > 1 {
		slices.SortFunc(all, func(a, b placed) int { return strings.Compare(a.id, b.id) })
	}
	return all
}
