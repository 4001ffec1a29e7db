// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

func testVendor() runtimeconfig.Vendor {
	return runtimeconfig.Vendor{
		Name: "acme", UID: "v", ClientAuth: runtimeconfig.ClientAuth{Method: runtimeconfig.AuthBasic},
		Scopes:    runtimeconfig.Scopes{Separator: " ", Parameter: "scope"},
		Callback:  runtimeconfig.Callback{CodeParameter: "code"},
		Transport: runtimeconfig.Transport{TimeoutSeconds: 10, MaxResponseBytes: 1 << 20},
	}
}

func testCredential(n int, value string) runtimeconfig.Credential {
	return runtimeconfig.Credential{
		Source: runtimeconfig.SourceBYOC, Namespace: fmt.Sprintf("tenant-%d", n), Name: "acme", UID: fmt.Sprint(n),
		Vendor: "acme", Default: true, ClientID: "id", ClientSecret: secret.New(value),
	}
}

func testDocument(credentials int) runtimeconfig.Document {
	d := runtimeconfig.Document{Vendors: []runtimeconfig.Vendor{testVendor()}}
	for n := range credentials {
		d.Credentials = append(d.Credentials, testCredential(n, "first"))
	}
	return d
}

// objectsOf are the objects of a document, as a translation gives them.
func objectsOf(d runtimeconfig.Document) []translate.Object {
	var objects []translate.Object
	for i := range d.Vendors {
		objects = append(objects, translate.Object{Vendor: &d.Vendors[i]})
	}
	for i := range d.Credentials {
		objects = append(objects, translate.Object{Credential: &d.Credentials[i]})
	}
	for i := range d.Clients {
		objects = append(objects, translate.Object{Client: &d.Clients[i]})
	}
	return objects
}

func fresh() Published {
	return Published{Index: runtimeconfig.Index{Format: runtimeconfig.Format, NameKey: bytes.Repeat([]byte{7}, 32)}}
}

func mustPlan(t *testing.T, prev Published, d runtimeconfig.Document) Plan {
	t.Helper()
	items, err := runtimeconfig.Encode(d)
	if err != nil {
		t.Fatal(err)
	}
	p, err := MakePlan(prev, Change{Items: items})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// checkLoads loads the next document of a plan as a broker would, from what
// exists after the plan, and compares it with the items that were asked for.
func checkLoads(t *testing.T, p Plan, existing map[string][]byte, d runtimeconfig.Document) *runtimeconfig.Snapshot {
	t.Helper()
	for _, s := range p.Create {
		existing[s.Name] = s.Content
	}
	s, err := runtimeconfig.Load(p.Next.Index, existing, nil, runtimeconfig.Options{Now: time.Now})
	if err != nil {
		t.Fatalf("loading the published document: %v", err)
	}
	var got []string
	for _, ref := range p.Next.Index.Shards {
		items, err := runtimeconfig.DecodeShard(existing[ref.Name])
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range items {
			got = append(got, it.ID+" "+string(it.Body))
		}
	}
	items, err := runtimeconfig.Encode(d)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, it := range items {
		want = append(want, it.ID+" "+string(it.Body))
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("the loaded document differs (-want +got):\n%s", diff)
	}
	return s
}

func TestMakePlan_oneChangeRewritesOneShard(t *testing.T) {
	d := testDocument(3000)
	first := mustPlan(t, fresh(), d)
	existing := map[string][]byte{}
	checkLoads(t, first, existing, d)
	if len(first.Create) < 4 {
		t.Fatalf("got %d shards for 3,000 credentials, want them spread", len(first.Create))
	}
	for _, s := range first.Create {
		if len(s.Content) > maxShardBytes {
			t.Errorf("shard of %d bytes, want at most %d", len(s.Content), maxShardBytes)
		}
	}

	d.Credentials[1234].ClientSecret = secret.New("second")
	second := mustPlan(t, first.Next, d)
	checkLoads(t, second, existing, d)
	if len(second.Create) != 1 || len(second.Retire) != 1 {
		t.Errorf("got %d created and %d retired shards, want 1 and 1", len(second.Create), len(second.Retire))
	}
	if second.Next.Index.Sequence != first.Next.Index.Sequence+1 {
		t.Errorf("got sequence %d, want %d", second.Next.Index.Sequence, first.Next.Index.Sequence+1)
	}
	changed := 0
	for _, items := range second.Next.Shards {
		for _, it := range items {
			if it.Sequence == second.Next.Index.Sequence {
				changed++
			}
		}
	}
	if changed != 1 {
		t.Errorf("got %d items with the new sequence, want 1", changed)
	}
}

// TestMakePlan_shrinks: what a document that was large leaves behind is not many
// small shards for ever.
func TestMakePlan_shrinks(t *testing.T) {
	large := mustPlan(t, fresh(), testDocument(3000))
	small := testDocument(20)
	p := mustPlan(t, large.Next, small)
	checkLoads(t, p, map[string][]byte{}, small)
	if len(p.Next.Index.Shards) != 1 {
		t.Errorf("got %d shards for 20 credentials that are left of 3,000 in %d, want 1", len(p.Next.Index.Shards), len(large.Next.Index.Shards))
	}
	if again := mustPlan(t, p.Next, small); again.Changed {
		t.Error("the same document was planned as a change")
	}
}

func TestMakePlan_nothingChanged(t *testing.T) {
	d := testDocument(50)
	first := mustPlan(t, fresh(), d)
	second := mustPlan(t, first.Next, d)
	if second.Changed {
		t.Error("the same document was planned as a change")
	}
	if diff := cmp.Diff(first.Next, second.Next); diff != "" {
		t.Errorf("the published state differs:\n%s", diff)
	}
}

func TestMakePlan_emptyDocument(t *testing.T) {
	first := mustPlan(t, fresh(), testDocument(3))
	p := mustPlan(t, first.Next, runtimeconfig.Document{})
	if len(p.Next.Index.Shards) != 0 || len(p.Retire) != 1 || !p.Changed {
		t.Errorf("got %+v, want the only shard retired", p)
	}
	checkLoads(t, p, map[string][]byte{}, runtimeconfig.Document{})
}

// TestMakePlan_anyHistoryLoads drives random changes and holds the incremental
// result against the document after each step.
func TestMakePlan_anyHistoryLoads(t *testing.T) {
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 1)) // #nosec G404 -- reproducible test input
		prev, existing, present := fresh(), map[string][]byte{}, map[int]string{}
		for step := range 12 {
			for range r.IntN(600) {
				n := r.IntN(2000)
				if r.IntN(3) == 0 {
					delete(present, n)
				} else {
					present[n] = strings.Repeat("x", r.IntN(400)) + fmt.Sprint(step)
				}
			}
			d := testDocument(0)
			for n, value := range present {
				d.Credentials = append(d.Credentials, testCredential(n, value))
			}
			p := mustPlan(t, prev, d)
			checkLoads(t, p, existing, d)
			for _, name := range p.Retire {
				delete(existing, name)
			}
			prev = p.Next
		}
	}
}

func FuzzMakePlan(f *testing.F) {
	f.Add([]byte("abcabd"), []byte("abd"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		prev := fresh()
		for _, set := range [][]byte{first, second, first} {
			ids := map[string]bool{}
			var items []runtimeconfig.Item
			for _, b := range set {
				id := fmt.Sprintf("x/%d", b)
				if !ids[id] {
					items = append(items, runtimeconfig.Item{ID: id, Body: json.RawMessage(`"` + strings.Repeat("y", int(b)*300) + `"`)})
				}
				ids[id] = true
			}
			slices.SortFunc(items, func(a, b runtimeconfig.Item) int { return strings.Compare(a.ID, b.ID) })
			p, err := MakePlan(prev, Change{Items: items})
			if err != nil {
				t.Fatal(err)
			}
			checkPartition(t, p.Next, len(items))
			prev = p.Next
		}
	})
}

func checkPartition(t *testing.T, p Published, want int) {
	t.Helper()
	count := 0
	for i, ref := range p.Index.Shards {
		for _, it := range p.Shards[ref.Name] {
			count++
			if !strings.HasPrefix(runtimeconfig.Hash(it.ID), ref.Prefix) {
				t.Errorf("%s is in bucket %q", it.ID, ref.Prefix)
			}
		}
		for _, other := range p.Index.Shards[i+1:] {
			if strings.HasPrefix(other.Prefix, ref.Prefix) {
				t.Errorf("buckets %q and %q overlap", ref.Prefix, other.Prefix)
			}
		}
	}
	if count != want {
		t.Errorf("got %d items in shards, want %d", count, want)
	}
}
