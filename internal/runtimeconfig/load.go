// SPDX-License-Identifier: Apache-2.0

package runtimeconfig

import (
	"errors"
	"fmt"
	"strings"
)

// Missing lists the shards of i that prev did not load yet; prev may be nil.
func (i Index) Missing(prev *Snapshot) []string {
	var names []string
	for _, s := range i.Shards {
		if prev == nil || prev.parsed[s.Name] == nil {
			names = append(names, s.Name)
		}
	}
	return names
}

// Load makes the snapshot of an index. shards holds the content of at least
// the shards that Missing names; the others are taken from prev, which may be
// nil. Every shard is checked against its name (an HMAC of its content) and
// every item against its place. On an error prev stays good.
func Load(i Index, shards map[string][]byte, prev *Snapshot, o Options) (*Snapshot, error) {
	s := newSnapshot(i.Revision(), i.Sequence, o)
	if prev != nil {
		s.makeRoom(prev)
	}
	s.parsed = make(map[string]map[string]entry, len(i.Shards))
	for _, ref := range i.Shards {
		entries, err := shardEntries(i, ref, shards, prev)
		if err != nil {
			return nil, fmt.Errorf("shard %s: %w", ref.Name, err)
		}
		s.parsed[ref.Name] = entries
	}
	// Entries are shared with prev: both are immutable.
	for _, add := range []func(entry) error{s.addVendor, s.addCredential, s.addClient} {
		for _, entries := range s.parsed {
			for _, e := range entries {
				if err := add(e); err != nil {
					return nil, err
				}
			}
		}
	}
	s.addEnvironment(o.LookupEnv)
	return s, nil
}

func shardEntries(i Index, ref ShardRef, shards map[string][]byte, prev *Snapshot) (map[string]entry, error) {
	if prev != nil {
		if e := prev.parsed[ref.Name]; e != nil {
			return e, nil
		}
	}
	content, ok := shards[ref.Name]
	if !ok {
		return nil, errors.New("content is missing")
	}
	if ShardName(i.NameKey, content) != ref.Name {
		return nil, errors.New("content does not match the name")
	}
	items, err := DecodeShard(content)
	if err != nil {
		return nil, err
	}
	entries := make(map[string]entry, len(items))
	for n, it := range items {
		if !strings.HasPrefix(Hash(it.ID), ref.Prefix) {
			return nil, fmt.Errorf("item %d is in the wrong shard", n)
		}
		if _, twice := entries[it.ID]; twice {
			return nil, fmt.Errorf("item %d is there twice", n)
		}
		if entries[it.ID], err = decodeItem(it); err != nil {
			return nil, fmt.Errorf("item %d: %w", n, err)
		}
	}
	return entries, nil
}
