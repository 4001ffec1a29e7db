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
	// Sequences are those of the items of the change, by id.
	Sequences map[string]int64
}

// Change is what there is to publish.
type Change struct {
	// Items are all, or those of a part: then Gone are the ids of the part's that
	// were published and are no more, and all else stays.
	Items []runtimeconfig.Item
	Part  bool
	Gone  []string
}

// MakePlan plans the publication of a change. It is pure.
//
// Items are spread over buckets by the first bits of their hash. A bucket keeps
// its shard when none of its items changed; otherwise it is encoded again, splits
// where it passes maxShardBytes, and merges with its neighbour where both are
// small. An item keeps its sequence as long as its body is the same.
func MakePlan(prev Published, c Change) (Plan, error) {
	sequence := prev.Index.Sequence + 1
	names := make(map[string]string, len(prev.Index.Shards)) // prefix -> name
	for _, ref := range prev.Index.Shards {
		names[ref.Prefix] = ref.Name
	}
	buckets, sequences := spread(prev, c, sequence)
	t := newTrie(maps.Keys(buckets))
	for _, prefix := range slices.Sorted(maps.Keys(buckets)) {
		// An earlier step may have merged this one.
		if changed, there := buckets[prefix]; there && !sameItems(prev.Shards[names[prefix]], changed) {
			t.merge(buckets, prefix)
		}
	}
	p := Plan{Sequences: sequences, Next: Published{Index: prev.Index, Shards: make(map[string][]runtimeconfig.Item, len(buckets))}}
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
	if len(content) > maxShardBytes && len(items) > 1 && len(prefix) < runtimeconfig.HashBits {
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

// place is where an item is published; item is nil where it is not.
type place struct {
	item   *runtimeconfig.Item
	prefix string
}

// places finds every published item by its id.
func (p Published) places() map[string]place {
	count := 0
	for _, shard := range p.Shards {
		count += len(shard)
	}
	found := make(map[string]place, count)
	for _, ref := range p.Index.Shards {
		shard := p.Shards[ref.Name]
		for i := range shard {
			found[shard[i].ID] = place{item: &shard[i], prefix: ref.Prefix}
		}
	}
	return found
}

// find finds one item without a look at all: a plan leaves the buckets in the
// order of their prefixes, and the items of each in that of their ids.
func (p Published) find(id string) place {
	hash := runtimeconfig.Hash(id)
	n, _ := slices.BinarySearchFunc(p.Index.Shards, hash, func(ref runtimeconfig.ShardRef, hash string) int {
		if strings.HasPrefix(hash, ref.Prefix) {
			return 0
		}
		return strings.Compare(ref.Prefix, hash)
	})
	if n == len(p.Index.Shards) {
		return place{}
	}
	shard := p.Shards[p.Index.Shards[n].Name]
	i, found := slices.BinarySearchFunc(shard, id, func(it runtimeconfig.Item, id string) int { return strings.Compare(it.ID, id) })
	if !found {
		return place{}
	}
	return place{item: &shard[i], prefix: p.Index.Shards[n].Prefix}
}

// edits are changes of buckets by their prefix and then the item's id; nil takes
// an item out.
type edits map[string]map[string]*runtimeconfig.Item

func (e edits) add(prefix, id string, it *runtimeconfig.Item) {
	if e[prefix] == nil {
		e[prefix] = map[string]*runtimeconfig.Item{}
	}
	e[prefix][id] = it
}

// spread gives each item the sequence that first published its body, next where
// that is new, and puts it into the bucket that it is in, or into the one for
// its hash. A bucket in which nothing changed is the slice that it was.
func spread(prev Published, c Change, next int64) (buckets map[string][]runtimeconfig.Item, sequences map[string]int64) {
	find, gone := prev.find, c.Gone
	var places map[string]place
	if !c.Part {
		places = prev.places() // what was read may be in any order
		find = func(id string) place { return places[id] }
	}
	t := newTrie(prefixes(prev.Index.Shards))
	sequences = make(map[string]int64, len(c.Items))
	changes := edits{}
	for _, it := range c.Items {
		at := find(it.ID)
		if at.item != nil && bytes.Equal(at.item.Body, it.Body) {
			sequences[it.ID] = at.item.Sequence
			continue
		}
		if at.item == nil {
			at.prefix = t.find(runtimeconfig.Hash(it.ID))
		}
		it.Sequence, sequences[it.ID] = next, next
		changes.add(at.prefix, it.ID, &it)
	}
	for id := range places {
		if _, stays := sequences[id]; !stays {
			gone = append(gone, id)
		}
	}
	for _, id := range gone {
		if at := find(id); at.item != nil {
			changes.add(at.prefix, id, nil)
		}
	}
	buckets = make(map[string][]runtimeconfig.Item, len(prev.Index.Shards))
	for _, ref := range prev.Index.Shards {
		buckets[ref.Prefix] = prev.Shards[ref.Name]
	}
	for prefix, changed := range changes {
		if buckets[prefix] = apply(buckets[prefix], changed); len(buckets[prefix]) == 0 {
			delete(buckets, prefix)
		}
	}
	return buckets, sequences
}

// apply returns a bucket with changes.
func apply(items []runtimeconfig.Item, changed map[string]*runtimeconfig.Item) []runtimeconfig.Item {
	next := make([]runtimeconfig.Item, 0, len(items)+len(changed))
	for _, it := range items {
		if _, is := changed[it.ID]; !is {
			next = append(next, it)
		}
	}
	for _, it := range changed {
		if it != nil {
			next = append(next, *it)
		}
	}
	slices.SortFunc(next, func(a, b runtimeconfig.Item) int { return strings.Compare(a.ID, b.ID) })
	return next
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
