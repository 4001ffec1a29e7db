// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

const (
	// maxShardBytes is the encoded size at which a bucket splits.
	maxShardBytes = 128 << 10
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

// MakePlan plans the publication of items, sorted by id. It is pure.
//
// Items are spread over buckets by the first bits of their hash. A bucket keeps
// its shard when none of its items changed; otherwise it is encoded again and
// splits where it passes maxShardBytes. An item keeps its sequence as long as
// its body is the same.
func MakePlan(prev Published, items []runtimeconfig.Item) (Plan, error) {
	sequence := prev.Index.Sequence + 1
	buckets := spread(prev.Index.Shards, stamp(prev, items, sequence))
	names := make(map[string]string, len(prev.Index.Shards)) // prefix -> name
	for _, ref := range prev.Index.Shards {
		names[ref.Prefix] = ref.Name
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

// stamp gives each item the sequence that first published its body.
func stamp(prev Published, items []runtimeconfig.Item, next int64) []runtimeconfig.Item {
	old := map[string]runtimeconfig.Item{}
	for _, shard := range prev.Shards {
		for _, it := range shard {
			old[it.ID] = it
		}
	}
	stamped := slices.Clone(items)
	for i := range stamped {
		stamped[i].Sequence = next
		if before, ok := old[stamped[i].ID]; ok && string(before.Body) == string(stamped[i].Body) {
			stamped[i].Sequence = before.Sequence
		}
	}
	return stamped
}

// spread puts items into the buckets of refs. An item that no bucket covers
// (empty buckets are not kept) gets the widest new one that overlaps no other.
func spread(refs []runtimeconfig.ShardRef, items []runtimeconfig.Item) map[string][]runtimeconfig.Item {
	buckets := map[string][]runtimeconfig.Item{}
	inner := map[string]bool{} // proper prefixes of the buckets
	add := func(prefix string) {
		buckets[prefix] = nil
		for n := range len(prefix) {
			inner[prefix[:n]] = true
		}
	}
	for _, ref := range refs {
		add(ref.Prefix)
	}
	for _, it := range items {
		hash := runtimeconfig.Hash(it.ID)
		for n := 0; n <= hashBits; n++ {
			prefix := hash[:n]
			if inner[prefix] {
				continue
			}
			if _, ok := buckets[prefix]; !ok {
				add(prefix)
			}
			buckets[prefix] = append(buckets[prefix], it)
			break
		}
	}
	return buckets
}

// sameItems compares by id and sequence: equal sequences mean equal bodies.
func sameItems(a, b []runtimeconfig.Item) bool {
	return len(a) > 0 && slices.EqualFunc(a, b, func(x, y runtimeconfig.Item) bool { return x.ID == y.ID && x.Sequence == y.Sequence })
}
