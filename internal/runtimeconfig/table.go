// SPDX-License-Identifier: Apache-2.0

package runtimeconfig

import (
	"hash/maphash"
	"iter"
	"maps"
	"slices"
)

// partSize is about how many entries one part of a table holds.
const partSize = 16

// table is a map that nobody changes: an edited copy shares with it all parts
// but those that the edit touched, so that one change among 10,000 entries
// copies a few of them. The zero value is empty.
type table[K comparable, V any] struct {
	seed maphash.Seed
	// parts hold the entries by the lowest bits of their hash; their number is a
	// power of two.
	parts []map[K]V
	size  int
}

// get returns the zero value where there is none.
func (t *table[K, V]) get(k K) V {
	if len(t.parts) == 0 {
		var none V
		return none
	}
	return t.parts[t.place(k)][k]
}

func (t *table[K, V]) place(k K) int {
	if len(t.parts) == 1 {
		return 0 // small: no need to hash
	}
	return int(maphash.Comparable(t.seed, k) & uint64(len(t.parts)-1)) //nolint:gosec // below len
}

func (t *table[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, part := range t.parts {
			for k, v := range part {
				if !yield(k, v) {
					return
				}
			}
		}
	}
}

// edit returns a copy to be changed, with room for more entries.
func (t *table[K, V]) edit(more int) *edit[K, V] {
	e := &edit[K, V]{table: *t}
	n := max(1, len(t.parts))
	for n*2*partSize < t.size+more {
		n *= 2
	}
	if n == len(t.parts) {
		return e
	}
	e.table = table[K, V]{seed: maphash.MakeSeed(), parts: make([]map[K]V, n)}
	e.own = make([]bool, n)
	for k, v := range t.all() {
		e.set(k, v)
	}
	return e
}

// edit is a table that is being changed.
type edit[K comparable, V any] struct {
	table[K, V]
	// own tells which parts are this table's alone.
	own []bool
}

func (e *edit[K, V]) set(k K, v V) {
	part := e.part(k)
	e.size -= len(part)
	part[k] = v
	e.size += len(part)
}

func (e *edit[K, V]) remove(k K) {
	part := e.part(k)
	e.size -= len(part)
	delete(part, k)
	e.size += len(part)
}

// part is the one for k, to be written to.
func (e *edit[K, V]) part(k K) map[K]V {
	if e.own == nil {
		e.parts, e.own = slices.Clone(e.parts), make([]bool, len(e.parts))
	}
	i := e.place(k)
	if !e.own[i] {
		e.own[i] = true
		if e.parts[i] = maps.Clone(e.parts[i]); e.parts[i] == nil {
			e.parts[i] = map[K]V{}
		}
	}
	return e.parts[i]
}
