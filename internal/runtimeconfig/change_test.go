// SPDX-License-Identifier: Apache-2.0

package runtimeconfig_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// TestLoad_changeByChangeIsFromScratch: whatever happens to a document, a
// snapshot made from the one before is the one that is made from nothing, and
// what is refused with the one before is refused without it.
func TestLoad_changeByChangeIsFromScratch(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 7))
		w := world{rand: r, items: map[string]runtimeconfig.Item{}, sequence: 1}
		var prev *runtimeconfig.Snapshot
		good := maps.Clone(w.items)
		refused := 0
		for step := range 100 {
			w.sequence++
			for range 1 + r.IntN(4) {
				w.edit()
			}
			index, contents := w.publish(t)
			scratch, scratchErr := runtimeconfig.Load(index, contents, nil, options())
			missing := map[string][]byte{}
			for _, name := range index.Missing(prev) {
				missing[name] = contents[name]
			}
			next, err := runtimeconfig.Load(index, missing, prev, options())
			if (err == nil) != (scratchErr == nil) {
				t.Fatalf("seed %d, step %d: with the snapshot before: %v; from scratch: %v", seed, step, err, scratchErr)
			}
			if err != nil {
				refused++
				w.items = maps.Clone(good)
				continue
			}
			if diff := gocmp.Diff(w.view(t, scratch), w.view(t, next)); diff != "" {
				t.Fatalf("seed %d, step %d (from scratch -, with the snapshot before +):\n%s", seed, step, diff)
			}
			if !maps.EqualFunc(contents, next.Contents(), bytes.Equal) {
				t.Fatalf("seed %d, step %d: not the contents that were published", seed, step)
			}
			prev, good = next, maps.Clone(w.items)
		}
		if refused == 0 || refused > 70 {
			t.Errorf("seed %d: %d of 100 documents were refused: the test has lost its point", seed, refused)
		}
	}
}

// world is a document that is edited at random.
type world struct {
	rand     *rand.Rand
	items    map[string]runtimeconfig.Item
	sequence int64
	bits     int
}

func (w *world) pick(names ...string) string { return names[w.rand.IntN(len(names))] }

func (w *world) edit() {
	vendorName, namespace := w.pick("a", "b", "b", "c"), w.pick("one", "two", "three")
	switch w.rand.IntN(12) {
	case 0:
		w.bits = w.rand.IntN(4) // shards split and merge
	case 1:
		ids := slices.Sorted(maps.Keys(w.items))
		if len(ids) > 0 {
			delete(w.items, ids[w.rand.IntN(len(ids))])
		}
	case 2, 3, 4:
		v := vendor(vendorName)
		v.DisplayName = w.pick("", "x", "y")
		if w.rand.IntN(2) == 0 {
			v.Environment = &runtimeconfig.Environment{ClientIDVariable: "OAUTH_BROKER_" + strings.ToUpper(w.pick("a", "b")) + "_CLIENT_ID", ClientSecretVariable: "OAUTH_BROKER_B_CLIENT_SECRET"}
		}
		if w.rand.IntN(20) == 0 {
			v.Scopes.Parameter = "" // invalid
		}
		w.put(runtimeconfig.EncodeVendor(&v))
	case 5:
		c := shared(vendorName)
		c.ClientID = w.pick("shared-1", "shared-2")
		w.put(runtimeconfig.EncodeCredential(&c))
	case 6, 7, 8:
		c := byoc(namespace, w.pick("app", "more", "other"), vendorName, w.rand.IntN(4) == 0)
		c.ClientSecret = secret.New(w.pick("s1", "s2<&>"))
		w.put(runtimeconfig.EncodeCredential(&c))
	default:
		c := client(namespace, w.pick("web", "cli", "job", "bot"))
		c.DisplayName = w.pick("", "ä", "y")
		if w.rand.IntN(30) == 0 {
			c.RedirectURIs = nil // invalid
		}
		w.put(runtimeconfig.EncodeClient(&c))
	}
}

func (w *world) put(it runtimeconfig.Item, err error) {
	if err != nil {
		panic(err)
	}
	it.Sequence = w.sequence
	if old, there := w.items[it.ID]; there && bytes.Equal(old.Body, it.Body) {
		it.Sequence = old.Sequence
	}
	w.items[it.ID] = it
}

// publish cuts the items into shards by their first bits. Sometimes one is
// written in a way that is as good, but not ours.
func (w *world) publish(t *testing.T) (runtimeconfig.Index, map[string][]byte) {
	t.Helper()
	buckets := map[string][]runtimeconfig.Item{}
	for _, id := range slices.Sorted(maps.Keys(w.items)) {
		prefix := runtimeconfig.Hash(id)[:w.bits]
		buckets[prefix] = append(buckets[prefix], w.items[id])
	}
	index := runtimeconfig.Index{Format: runtimeconfig.Format, Sequence: w.sequence, NameKey: []byte(strings.Repeat("k", 32))}
	contents := map[string][]byte{}
	for prefix, bucket := range buckets {
		content, err := runtimeconfig.EncodeShard(bucket)
		if err != nil {
			t.Fatal(err)
		}
		switch w.rand.IntN(10) {
		case 0:
			content = bytes.Replace(content, []byte(`{"format"`), []byte(`{ "format"`), 1)
		case 1:
			content = bytes.ReplaceAll(content, []byte(`,{"id"`), []byte(` , {"id"`))
		case 2:
			content = bytes.ReplaceAll(content, []byte(`{"id"`), []byte("\n{\"id\""))
		}
		name := runtimeconfig.ShardName(index.NameKey, content)
		index.Shards, contents[name] = append(index.Shards, runtimeconfig.ShardRef{Name: name, Prefix: prefix}), content
	}
	slices.SortFunc(index.Shards, func(a, b runtimeconfig.ShardRef) int { return cmp.Compare(a.Prefix, b.Prefix) })
	return index, contents
}

// view is all that can be asked of a snapshot.
func (w *world) view(t *testing.T, s *runtimeconfig.Snapshot) map[string]string {
	t.Helper()
	dump, err := json.MarshalIndent(s.Dump(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	vendors, credentials, clients := s.Counts()
	all := map[string]string{"dump": string(dump), "counts": fmt.Sprint(vendors, credentials, clients)}
	for _, clientID := range []string{"one.web", "two.web", "three.cli", "three.job"} {
		c, ok := s.Client(clientID)
		if !ok {
			continue
		}
		for _, name := range []string{"a", "b", "c"} {
			v, ok := s.Vendor(name)
			if !ok {
				continue
			}
			open := *v
			open.SharedUse.All = true
			for _, credential := range []string{"", "app", "more"} {
				x, err := s.Choose(c, &open, credential)
				text := fmt.Sprint(err)
				if x != nil {
					_, bound := s.Bound(runtimeconfig.NewBinding(v, x))
					text += fmt.Sprint(" ", x.Display(), x.ClientID, x.ClientSecret.Reveal(), x.Sequence, v.Sequence, bound)
				}
				all[clientID+" "+name+" "+credential] = text
			}
		}
	}
	return all
}

// TestLoad_sharesWhatDidNotChange: of a shard in which one item changed, the
// others stay the same objects.
func TestLoad_sharesWhatDidNotChange(t *testing.T) {
	d := document()
	index, contents := publish(t, d)
	prev, err := runtimeconfig.Load(index, contents, nil, options())
	if err != nil {
		t.Fatal(err)
	}
	d.Clients[1].DisplayName = "changed"
	index, contents = publish(t, d)
	next, err := runtimeconfig.Load(index, contents, prev, options())
	if err != nil {
		t.Fatal(err)
	}
	for id, same := range map[string]bool{d.Clients[0].ID: true, d.Clients[1].ID: false, d.Clients[2].ID: true} {
		before, _ := prev.Client(id)
		after, _ := next.Client(id)
		if (before == after) != same {
			t.Errorf("client %s: the same object: %t", id, before == after)
		}
	}
	if c, _ := prev.Client(d.Clients[1].ID); c.DisplayName != "" {
		t.Error("the snapshot before was changed")
	}
}

// TestLoad_overlap: an index whose shards could both hold an item, or are not as a
// publisher writes them, is refused.
func TestLoad_overlap(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	empty := func(spaces int) (string, []byte) {
		content := []byte(`{"format":1,"items":[` + strings.Repeat(" ", spaces) + `]}`)
		return runtimeconfig.ShardName(key, content), content
	}
	one, first := empty(0)
	two, second := empty(1)
	contents := map[string][]byte{one: first, two: second}
	for prefixes, good := range map[[2]string]bool{{"0", "1"}: true, {"00", "01"}: true, {"", "0"}: false, {"0", "0"}: false, {"0", "01"}: false, {"1", "0"}: false, {"0", "1x"}: false, {"0", "1" + strings.Repeat("0", 256)}: false} {
		index := runtimeconfig.Index{Format: runtimeconfig.Format, NameKey: key, Shards: []runtimeconfig.ShardRef{{Name: one, Prefix: prefixes[0]}, {Name: two, Prefix: prefixes[1]}}}
		if _, err := runtimeconfig.Load(index, contents, nil, options()); (err == nil) != good {
			t.Errorf("prefixes %q: %v", prefixes, err)
		}
	}
	twice := runtimeconfig.Index{Format: runtimeconfig.Format, NameKey: key, Shards: []runtimeconfig.ShardRef{{Name: one, Prefix: "0"}, {Name: one, Prefix: "1"}}}
	if _, err := runtimeconfig.Load(twice, contents, nil, options()); err == nil {
		t.Error("an index that names one shard twice is taken")
	}
}

// TestLoad_movedShard: a known shard that the index puts elsewhere is looked at again.
func TestLoad_movedShard(t *testing.T) {
	index, contents := publish(t, document())
	prev, err := runtimeconfig.Load(index, contents, nil, options())
	if err != nil {
		t.Fatal(err)
	}
	index.Shards = []runtimeconfig.ShardRef{{Name: index.Shards[0].Name, Prefix: "0101"}}
	if missing := index.Missing(prev); len(missing) != 1 {
		t.Errorf("missing: %v", missing)
	}
	if _, err := runtimeconfig.Load(index, contents, prev, options()); err == nil {
		t.Error("items in the wrong shard were accepted")
	}
}

// TestSnapshot_lookupsDoNotAllocate: a login looks up many times.
func TestSnapshot_lookupsDoNotAllocate(t *testing.T) {
	s := load(t, document())
	var v *runtimeconfig.Vendor
	if n := testing.AllocsPerRun(100, func() {
		c, _ := s.Client("one.app")
		v, _ = s.Vendor("a")
		if _, err := s.Choose(c, v, "extra"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Choose(c, v, ""); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkLookups is what a login looks up, with 10 and with 10,000 credentials.
func BenchmarkLookups(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		d := runtimeconfig.Document{Vendors: []runtimeconfig.Vendor{vendor("a")}}
		ids := make([]string, n)
		for i := range n {
			namespace := fmt.Sprintf("tenant-%d", i)
			d.Credentials = append(d.Credentials, byoc(namespace, "app", "a", true))
			d.Clients = append(d.Clients, client(namespace, "web"))
			ids[i] = namespace + ".web"
		}
		s, err := runtimeconfig.NewSnapshot(d, "r", 1, runtimeconfig.Options{Now: time.Now})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				c, _ := s.Client(ids[i%n])
				v, _ := s.Vendor("a")
				if _, err := s.Choose(c, v, ""); err != nil {
					b.Fatal(err)
				}
				i += 7
			}
		})
	}
}
