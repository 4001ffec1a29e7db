// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"

	"github.com/oauthbroker/oauth-broker/controllers"
	"github.com/oauthbroker/oauth-broker/internal/kubesource"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// What may be published however often somebody edits: a Secret takes 1 MiB, and
// each broker gets the whole index with every publication.
const (
	mostIndexBytes = 64 << 10
	mostRetired    = 256
)

// publisher publishes without an operator around it, so that an hour of edits
// takes seconds.
func (in *install) publisher() *controllers.Publisher {
	in.t.Helper()
	numbers, err := controllers.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		in.t.Fatal(err)
	}
	store := &controllers.SecretStore{Reader: plane.Client, Touch: func(string) {}}
	recorder, log := events.NewFakeRecorder(100), slog.New(slog.DiscardHandler)
	in.clock.Stop()
	return &controllers.Publisher{
		Client: plane.Client, Lister: plane.Client, Namespace: in.published, Secrets: store, Events: recorder, Metrics: numbers, Log: log,
		Now: in.clock.Now, Random: rand.Reader,
		KeyRing: &controllers.KeyRing{
			Client: plane.Client, Secrets: store, Namespace: in.system, Name: "ring", PublishedNamespace: in.published,
			Events: recorder, Metrics: numbers, Log: log, Now: in.clock.Now,
		},
	}
}

// publish publishes a document of one client, whose redirect URI is edited.
func (in *install) publish(p *controllers.Publisher, edit int) controllers.Result {
	in.t.Helper()
	item, err := runtimeconfig.EncodeClient(&runtimeconfig.Client{
		ID: "tenant.portal", Namespace: "tenant", Auth: runtimeconfig.ClientNone, RedirectURIs: []string{fmt.Sprint("https://portal.example/", edit)},
	})
	if err != nil {
		in.t.Fatal(err)
	}
	result, err := p.Publish(in.t.Context(), controllers.Change{Items: []runtimeconfig.Item{item}})
	if err != nil {
		in.t.Fatal(err)
	}
	return result
}

// bounded checks what is published.
func (in *install) bounded() {
	in.t.Helper()
	index, object, err := in.index()
	if err != nil {
		in.t.Fatal(err)
	}
	if n := len(object.Data[runtimeconfig.IndexDataKey]); n > mostIndexBytes || len(index.Retired) > mostRetired {
		in.t.Fatalf("the index has %d bytes and %d retired shards, want at most %d and %d", n, len(index.Retired), mostIndexBytes, mostRetired)
	}
}

// TestCollection_manyEdits: somebody edits as fast as the operator publishes.
// Index and old shards stay few, and what a slow broker may be reading stays.
func TestCollection_manyEdits(t *testing.T) {
	in := newInstall(t)
	p, b := in.publisher(), in.startBroker()
	var names []string
	var last controllers.Result
	for edit := range 400 {
		in.clock.Advance(250 * time.Millisecond)
		last = in.publish(p, edit)
		names = append(names, last.Published.Index.Shards[0].Name)
	}
	in.bounded()
	left := map[string]bool{}
	for _, s := range in.shards() {
		left[s.Name] = true
	}
	if len(left) > mostRetired+1 {
		t.Errorf("%d shards are left, want at most %d", len(left), mostRetired+1)
	}
	for _, name := range names[len(names)-mostRetired:] {
		if !left[name] {
			t.Fatalf("shard %s was retired a minute ago and is gone", name)
		}
	}
	eventually(t, func() error { return b.serves(last.Published.Index.Sequence) })
}

// TestCollection_slowBroker: a broker read the index, and the shards that it
// names are collected before it asks for them. It never serves half: it reads
// the index again, at once, and serves the newest.
func TestCollection_slowBroker(t *testing.T) {
	in := newInstall(t)
	p := in.publisher()
	first := in.publish(p, 0)
	asks, goes := make(chan struct{}, 1), make(chan struct{})
	b := in.startBroker(func(o *kubesource.Options) {
		o.Config = rest.CopyConfig(o.Config)
		o.Config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				if strings.HasSuffix(r.URL.Path, "/"+first.Published.Index.Shards[0].Name) {
					select {
					case asks <- struct{}{}:
					default: // it asked before
					}
					<-goes
				}
				return next.RoundTrip(r)
			})
		})
	})
	<-asks
	in.publish(p, 1)
	in.clock.Advance(16 * time.Minute)
	last := in.publish(p, 2).Published.Index.Sequence
	close(goes)
	eventually(t, func() error { return b.serves(last) })
	if n := len(b.served()); n != 1 || b.problems.String() != "shard_gone\n" {
		t.Errorf("got %d snapshots and problems %q, want the newest alone, after one shard_gone", n, b.problems.String())
	}
}

func (b *broker) serves(sequence int64) error {
	if s := b.snapshot.Load(); s == nil || s.Sequence != sequence {
		return fmt.Errorf("the broker does not serve sequence %d: %s", sequence, b.problems.String())
	}
	return nil
}

// TestCollection_manyLeftBehind: publications failed for long, after they had
// written their shards. Naming them all could make an index that no Secret
// holds, and then nothing would be published any more.
func TestCollection_manyLeftBehind(t *testing.T) {
	in := newInstall(t)
	p := in.publisher()
	in.publish(p, 1)
	var group errgroup.Group
	group.SetLimit(8)
	for n := range 2*mostRetired + 50 {
		group.Go(func() error {
			return plane.Client.Create(t.Context(), &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: in.published, Name: fmt.Sprint(runtimeconfig.ShardPrefix, "left-", n),
					Labels: map[string]string{controllers.PublishedLabel: "shard"},
				},
				Type: controllers.ShardType, Immutable: new(true),
			})
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	p = in.publisher() // as after a restart
	for range 30 {
		again := in.publish(p, 2).Again
		in.bounded()
		if again == 0 {
			break
		}
		in.clock.Advance(again)
	}
	if n := len(in.shards()); n != 1 {
		t.Errorf("%d shards are left, want the one in use", n)
	}
}
