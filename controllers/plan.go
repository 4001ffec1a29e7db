// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

const (
	// maxShardBytes is the encoded size at which a bucket splits.
	maxShardBytes = 128 << 10
	// mergeBytes is the size below which two neighbours become one bucket: far
	// below a split, so that no bucket goes back and forth.
	mergeBytes = maxShardBytes / 4
	// hashBits is the length of runtimeconfig.Hash.
	hashBits = 256
)

// Published is a document as it is, or will be, in the cluster.
type Published struct {
	Index runtimeconfig.Index
	// Shards holds the items of each shard of the index, sorted by id.
	Shards map[string][]runtimeconfig.Item
}

// Shard is an encoded shard.
type Shard struct {
	Name    string
	Content []byte
}

// Plan says how to get from one published document to the next.
type Plan struct {
	Next Published
	// Create lists the shards that Next names and the previous index did not.
	Create []Shard
	// Retire lists the shards that the previous index named and Next does not.
	Retire []string
	// Changed is true where Next has other content.
	Changed bool
}

// MakePlan plans the publication of items. It is pure.
//
// Items are spread over buckets by the first bits of their hash. A bucket keeps
// its shard when none of its items changed; otherwise it is encoded again, splits
// where it passes maxShardBytes, and merges with its neighbour where both are
// small. An item keeps its sequence as long as its body is the same.
func MakePlan(prev Published, items []runtimeconfig.Item) (Plan, error) {
	sequence := prev.Index.Sequence + 1
	names := make(map[string]string, len(prev.Index.Shards)) // prefix -> name
	for _, ref := range prev.Index.Shards {
		names[ref.Prefix] = ref.Name
	}
	buckets := spread(prev, items, sequence)
	t := newTrie(maps.Keys(buckets))
	for _, prefix := range slices.Sorted(maps.Keys(buckets)) {
		// An earlier step may have merged this one.
		if changed, there := buckets[prefix]; there && !sameItems(prev.Shards[names[prefix]], changed) {
			t.merge(buckets, prefix)
		}
	}
	p := Plan{Next: Published{Index: prev.Index, Shards: make(map[string][]runtimeconfig.Item, len(buckets))}}
	p.Next.Index.Shards = nil
	for _, prefix := range slices.Sorted(maps.Keys(buckets)) {
		name, known := names[prefix]
		if known && sameItems(prev.Shards[name], buckets[prefix]) {
			p.keep(runtimeconfig.ShardRef{Name: name, Prefix: prefix}, buckets[prefix])
			continue
		}
		if err := p.encode(prefix, buckets[prefix]); err != nil {
			return Plan{}, err
		}
	}
	slices.SortFunc(p.Next.Index.Shards, func(a, b runtimeconfig.ShardRef) int { return strings.Compare(a.Prefix, b.Prefix) })
	for _, ref := range prev.Index.Shards {
		if _, stays := p.Next.Shards[ref.Name]; !stays {
			p.Retire = append(p.Retire, ref.Name)
		}
	}
	p.Changed = len(p.Create) > 0 || len(p.Retire) > 0
	if p.Changed {
		p.Next.Index.Sequence = sequence
	}
	return p, nil
}

func (p *Plan) keep(ref runtimeconfig.ShardRef, items []runtimeconfig.Item) {
	p.Next.Index.Shards = append(p.Next.Index.Shards, ref)
	p.Next.Shards[ref.Name] = items
}

// encode adds the shard of a bucket, or those of its halves where it is too big.
func (p *Plan) encode(prefix string, items []runtimeconfig.Item) error {
	if len(items) == 0 {
		return nil
	}
	content, err := runtimeconfig.EncodeShard(items)
	if err != nil {
		return fmt.Errorf("encoding bucket %q: %w", prefix, err)
	}
	if len(content) > maxShardBytes && len(items) > 1 && len(prefix) < hashBits {
		var halves [2][]runtimeconfig.Item
		for _, it := range items {
			bit := runtimeconfig.Hash(it.ID)[len(prefix)] - '0'
			halves[bit] = append(halves[bit], it)
		}
		if err := p.encode(prefix+"0", halves[0]); err != nil {
			return err
		}
		return p.encode(prefix+"1", halves[1])
	}
	name := runtimeconfig.ShardName(p.Next.Index.NameKey, content)
	p.keep(runtimeconfig.ShardRef{Name: name, Prefix: prefix}, items)
	p.Create = append(p.Create, Shard{Name: name, Content: content})
	return nil
}

// place is where an item is published.
type place struct {
	item   *runtimeconfig.Item
	prefix string
}

// count is how many items there are.
func (p Published) count() int {
	n := 0
	for _, shard := range p.Shards {
		n += len(shard)
	}
	return n
}

// places finds every published item by its id.
func (p Published) places() map[string]place {
	found := make(map[string]place, p.count())
	for _, ref := range p.Index.Shards {
		shard := p.Shards[ref.Name]
		for i := range shard {
			found[shard[i].ID] = place{item: &shard[i], prefix: ref.Prefix}
		}
	}
	return found
}

// spread gives each item the sequence that first published its body, next where
// that is new, and puts it into the bucket that it is in, or into the one for
// its hash. A bucket in which nothing changed is the slice that it was.
func spread(prev Published, items []runtimeconfig.Item, next int64) map[string][]runtimeconfig.Item {
	t := newTrie(prefixes(prev.Index.Shards))
	places := prev.places()
	prefix := func(it *runtimeconfig.Item) string {
		if at, known := places[it.ID]; known {
			return at.prefix
		}
		return t.find(runtimeconfig.Hash(it.ID))
	}
	same, changed := map[string]int{}, map[string]bool{}
	for i := range items {
		if at, known := places[items[i].ID]; known && bytes.Equal(at.item.Body, items[i].Body) {
			same[at.prefix]++
		} else {
			changed[prefix(&items[i])] = true
		}
	}
	buckets := make(map[string][]runtimeconfig.Item, len(prev.Index.Shards))
	for _, ref := range prev.Index.Shards {
		if before := prev.Shards[ref.Name]; changed[ref.Prefix] || same[ref.Prefix] != len(before) {
			changed[ref.Prefix] = true
		} else {
			buckets[ref.Prefix] = before
		}
	}
	for i := range items {
		it := items[i]
		in := prefix(&it)
		if !changed[in] {
			continue
		}
		it.Sequence = next
		if at, known := places[it.ID]; known && bytes.Equal(at.item.Body, it.Body) {
			it.Sequence = at.item.Sequence
		}
		buckets[in] = append(buckets[in], it)
	}
	for in := range changed {
		slices.SortFunc(buckets[in], func(a, b runtimeconfig.Item) int { return strings.Compare(a.ID, b.ID) })
	}
	return buckets
}

// trie knows which prefixes are buckets.
type trie struct {
	buckets map[string]bool
	// inner are the proper prefixes of the buckets.
	inner map[string]bool
}

func newTrie(buckets iter.Seq[string]) trie {
	t := trie{buckets: map[string]bool{}, inner: map[string]bool{}}
	for prefix := range buckets {
		t.add(prefix)
	}
	return t
}

func prefixes(refs []runtimeconfig.ShardRef) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, ref := range refs {
			if !yield(ref.Prefix) {
				return
			}
		}
	}
}

func (t trie) add(prefix string) {
	t.buckets[prefix] = true
	for n := range len(prefix) {
		t.inner[prefix[:n]] = true
	}
}

// find is the bucket of a hash. Where none covers it (empty buckets are not
// kept), that is the widest new one that overlaps no other.
func (t trie) find(hash string) string {
	n := 0
	for t.inner[hash[:n]] {
		n++
	}
	if !t.buckets[hash[:n]] {
		t.add(hash[:n])
	}
	return hash[:n]
}

// merge joins a bucket with its neighbour, and both with theirs, while they are
// small together: a document that shrank is not spread over many small shards.
func (t trie) merge(buckets map[string][]runtimeconfig.Item, prefix string) {
	for len(prefix) > 0 {
		parent := prefix[:len(prefix)-1]
		other := parent + string('0'+'1'-prefix[len(parent)])
		if t.inner[other] || size(buckets[prefix])+size(buckets[other]) > mergeBytes {
			return
		}
		joined := slices.Concat(buckets[prefix], buckets[other])
		slices.SortFunc(joined, func(a, b runtimeconfig.Item) int { return strings.Compare(a.ID, b.ID) })
		delete(buckets, prefix)
		delete(buckets, other)
		delete(t.inner, parent)
		buckets[parent], prefix = joined, parent
	}
}

// size is about what the items take in a shard.
func size(items []runtimeconfig.Item) int {
	const around = 48 // names of members, sequence, punctuation
	n := 0
	for i := range items {
		n += len(items[i].ID) + len(items[i].Body) + around
	}
	return n
}

// sameItems compares by id and sequence: equal sequences mean equal bodies.
func sameItems(a, b []runtimeconfig.Item) bool {
	if len(a) > 0 && len(a) == len(b) && &a[0] == &b[0] {
		return true
	}
	return len(a) > 0 && slices.EqualFunc(a, b, func(x, y runtimeconfig.Item) bool { return x.ID == y.ID && x.Sequence == y.Sequence })
}
