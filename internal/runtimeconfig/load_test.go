// SPDX-License-Identifier: Apache-2.0

package runtimeconfig_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// BenchmarkLoad_oneChange is a new configuration of which one client changed,
// with 10,000 credentials.
func BenchmarkLoad_oneChange(b *testing.B) {
	d := runtimeconfig.Document{Vendors: []runtimeconfig.Vendor{vendor("a")}}
	for i := range 10_000 {
		namespace := fmt.Sprintf("tenant-%d", i)
		d.Credentials = append(d.Credentials, byoc(namespace, "app", "a", true))
		d.Clients = append(d.Clients, client(namespace, "web"))
	}
	before, contents := publishMany(b, d)
	prev, err := runtimeconfig.Load(before, contents, nil, options())
	if err != nil {
		b.Fatal(err)
	}
	d.Clients[5000].DisplayName = "changed"
	after, contents := publishMany(b, d)
	b.ReportAllocs()
	for b.Loop() {
		if missing := after.Missing(prev); len(missing) != 1 {
			b.Fatalf("%d shards changed", len(missing))
		}
		if _, err := runtimeconfig.Load(after, contents, prev, options()); err != nil {
			b.Fatal(err)
		}
	}
}

// publishMany cuts a document into 64 shards.
func publishMany(tb testing.TB, d runtimeconfig.Document) (runtimeconfig.Index, map[string][]byte) {
	tb.Helper()
	items, err := runtimeconfig.Encode(d)
	if err != nil {
		tb.Fatal(err)
	}
	const bits = 6
	buckets := map[string][]runtimeconfig.Item{}
	for _, it := range items {
		prefix := runtimeconfig.Hash(it.ID)[:bits]
		buckets[prefix] = append(buckets[prefix], it)
	}
	index := runtimeconfig.Index{Format: runtimeconfig.Format, Sequence: 1, NameKey: []byte(strings.Repeat("k", 32))}
	contents := map[string][]byte{}
	for prefix, bucket := range buckets {
		content, err := runtimeconfig.EncodeShard(bucket)
		if err != nil {
			tb.Fatal(err)
		}
		name := runtimeconfig.ShardName(index.NameKey, content)
		index.Shards, contents[name] = append(index.Shards, runtimeconfig.ShardRef{Name: name, Prefix: prefix}), content
	}
	slices.SortFunc(index.Shards, func(a, b runtimeconfig.ShardRef) int { return cmp.Compare(a.Prefix, b.Prefix) })
	return index, contents
}

// TestLoad_sequences: vendors and credentials know when they last changed, also
// those that are taken from the snapshot before.
func TestLoad_sequences(t *testing.T) {
	items, err := runtimeconfig.Encode(document())
	if err != nil {
		t.Fatal(err)
	}
	for n := range items {
		items[n].Sequence = int64(40 + n)
	}
	content, err := runtimeconfig.EncodeShard(items)
	if err != nil {
		t.Fatal(err)
	}
	index, _ := publish(t, document())
	name := runtimeconfig.ShardName(index.NameKey, content)
	index.Shards = []runtimeconfig.ShardRef{{Name: name}}
	first, err := runtimeconfig.Load(index, map[string][]byte{name: content}, nil, options())
	if err != nil {
		t.Fatal(err)
	}
	again, err := runtimeconfig.Load(index, nil, first, options())
	if err != nil {
		t.Fatal(err)
	}
	sequences := map[string]int64{}
	for _, it := range items {
		sequences[it.ID] = it.Sequence
	}
	for _, s := range []*runtimeconfig.Snapshot{first, again} {
		v, ok := s.Vendor("a")
		if !ok || v.Sequence != sequences["vendor/a"] {
			t.Fatalf("vendor a: %+v", v)
		}
		c, err := s.Choose(&runtimeconfig.Client{ID: "one.app", Namespace: "one"}, v, "")
		if err != nil || c.ID() != "byoc/one/own" || c.Sequence != sequences["byoc/one/own"] {
			t.Errorf("credential %s of sequence %d (%v)", c.ID(), c.Sequence, err)
		}
	}
}
