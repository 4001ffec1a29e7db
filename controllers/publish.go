// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/oauthbroker/oauth-broker/internal/faultpoint"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// What published Secrets are marked with.
const (
	// ShardType and IndexType are the types of published Secrets.
	ShardType corev1.SecretType = "oauthbroker.dev/shard"
	IndexType corev1.SecretType = "oauthbroker.dev/index"
	// PublishedLabel is on every published Secret; its value is shard or index.
	PublishedLabel = "oauthbroker.dev/published"
	// NewKeyRingAnnotation on the index Secret lets the operator make a new key
	// ring although one was in use and vanished.
	NewKeyRingAnnotation = "oauthbroker.dev/new-key-ring"
	// reusedAnnotation is set on a retired shard that is used again: it changes the
	// resourceVersion, so that a collection that was decided before cannot delete it.
	reusedAnnotation = "oauthbroker.dev/reused-at-sequence"
)

// parallelWrites bounds the shard writes that run at once.
const parallelWrites = 8

// errConflict means that somebody else wrote the index: gather again.
var errConflict = errors.New("the published index was changed by somebody else")

// +kubebuilder:rbac:groups="",resources=secrets,namespace=oauth-broker-published,verbs=get;list;watch;create;update;delete

// Publisher writes the published document. It is for one goroutine at a time
// and does no network I/O but to the API server.
type Publisher struct {
	// Client writes, and reads Secrets live.
	Client client.Client
	// Lister lists metadata live.
	Lister client.Reader
	// Namespace that holds nothing but published Secrets.
	Namespace string
	Secrets   *SecretStore
	KeyRing   *KeyRing
	Events    events.EventRecorder
	Metrics   *Metrics
	Log       *slog.Logger
	Now       func() time.Time
	Random    io.Reader

	// state is what was last read or written; nil before the first read and after
	// any failure, since its outcome is unknown.
	state *state
	// shown is the last published document, for the dump.
	shown atomic.Pointer[Published]
}

// state is what is in the published namespace.
type state struct {
	published Published
	// index is the version of the index Secret; zero where there is none.
	index version
	// malformed is true where the index cannot be read and is to be replaced.
	malformed bool
	// freshRing is true where the index asks for a new key ring.
	freshRing bool
	// shards are the versions of all shard Secrets, current and retired.
	shards map[string]version
}

// Result is what Publish did.
type Result struct {
	Published Published
	// Sequences are those of the items that were to be published, by id.
	Sequences map[string]int64
	// Again is when a collection is due; zero for never.
	Again time.Duration
}

// Publish makes the published document hold the items of c. It writes nothing
// where that is already so.
func (p *Publisher) Publish(ctx context.Context, c Change) (Result, error) {
	start := p.Now()
	result, wrote, err := p.publish(ctx, c)
	switch {
	case errors.Is(err, errConflict):
		p.Metrics.Publishes.WithLabelValues(resultConflict).Inc()
	case err != nil:
		p.Metrics.Publishes.WithLabelValues(resultError).Inc()
	case wrote:
		p.Metrics.Publishes.WithLabelValues(resultPublished).Inc()
		p.Metrics.PublishSeconds.Observe(p.Now().Sub(start).Seconds())
	default:
		p.Metrics.Publishes.WithLabelValues(resultUnchanged).Inc()
	}
	if err != nil {
		p.state = nil
		return Result{}, err
	}
	p.track()
	return result, nil
}

func (p *Publisher) publish(ctx context.Context, c Change) (Result, bool, error) {
	if c.Part && (p.state == nil || p.disturbed()) {
		return Result{}, false, errConflict // it is a part of what we published, and that is not there
	}
	if err := p.refresh(ctx); err != nil {
		return Result{}, false, err
	}
	s := p.state
	keyIDs, err := p.KeyRing.Ensure(ctx, s.published.Index.KeyIDs, s.freshRing)
	if err != nil {
		return Result{}, false, err
	}
	plan, err := MakePlan(s.published, c)
	if err != nil {
		return Result{}, false, err
	}
	old, err := p.collect(ctx, plan)
	if err != nil {
		return Result{}, false, err
	}
	next := plan.Next
	next.Index.KeyIDs = keyIDs
	next.Index.Retired = old.retired
	changed := plan.Changed || s.freshRing || s.index.UID == "" || s.malformed ||
		!slices.Equal(keyIDs, s.published.Index.KeyIDs) || !slices.Equal(old.retired, s.published.Index.Retired)
	if changed {
		if err := p.createShards(ctx, plan); err != nil {
			return Result{}, false, err
		}
		if err := p.writeIndex(ctx, next.Index); err != nil {
			return Result{}, false, err
		}
		if plan.Changed {
			p.Metrics.reloads.published(next.Index.Sequence, p.Now())
			p.Log.InfoContext(ctx, "published", "sequence", next.Index.Sequence, "revision", next.Index.Revision(),
				"shards", len(next.Index.Shards), "created", len(plan.Create), "retired", len(plan.Retire))
		}
	}
	s.published = next
	p.shown.Store(&next)
	p.Metrics.PublishedSequence.Set(float64(next.Index.Sequence))
	p.Metrics.Shards.Set(float64(len(next.Index.Shards)))
	p.Metrics.RetiredShards.Set(float64(len(next.Index.Retired)))
	return Result{Published: next, Sequences: plan.Sequences, Again: old.next(p.Now())}, changed, nil
}

// createShards writes the new shards; nobody reads them before the index names them.
func (p *Publisher) createShards(ctx context.Context, plan Plan) error {
	versions := make([]version, len(plan.Create))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelWrites)
	for i, shard := range plan.Create {
		group.Go(func() error {
			v, err := p.createShard(gctx, shard, plan.Next.Index.Sequence)
			versions[i] = v
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, shard := range plan.Create {
		p.state.shards[shard.Name] = versions[i]
	}
	faultpoint.Hit("shards-created")
	return nil
}

func (p *Publisher) createShard(ctx context.Context, shard Shard, sequence int64) (version, error) {
	object := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: shard.Name, Labels: map[string]string{PublishedLabel: "shard"}},
		Type:       ShardType,
		Immutable:  new(true),
		Data:       map[string][]byte{runtimeconfig.ShardDataKey: shard.Content},
	}
	err := p.Client.Create(ctx, object)
	if apierrors.IsAlreadyExists(err) {
		return p.reuseShard(ctx, shard, sequence)
	}
	if err != nil {
		return version{}, fmt.Errorf("creating shard %s: %w", shard.Name, err)
	}
	faultpoint.Hit("shard-created")
	return versionOf(object), nil
}

// reuseShard takes a shard that is there already: left by a publication that
// failed, or retired, and now the same items are wanted again.
func (p *Publisher) reuseShard(ctx context.Context, shard Shard, sequence int64) (version, error) {
	var object corev1.Secret
	key := types.NamespacedName{Namespace: p.Namespace, Name: shard.Name}
	if err := p.Client.Get(ctx, key, &object); err != nil {
		return version{}, fmt.Errorf("reading shard %s: %w", shard.Name, err)
	}
	if string(object.Data[runtimeconfig.ShardDataKey]) != string(shard.Content) {
		// Somebody else's, or damaged: an immutable Secret can only be replaced.
		if err := p.Client.Delete(ctx, &object, client.Preconditions{UID: &object.UID}); client.IgnoreNotFound(err) != nil {
			return version{}, fmt.Errorf("deleting damaged shard %s: %w", shard.Name, err)
		}
		return version{}, fmt.Errorf("shard %s had other content and was deleted: %w", shard.Name, errConflict)
	}
	if object.Annotations == nil {
		object.Annotations = map[string]string{}
	}
	object.Annotations[reusedAnnotation] = fmt.Sprint(sequence)
	if err := p.Client.Update(ctx, &object); err != nil {
		return version{}, fmt.Errorf("reusing shard %s: %w", shard.Name, err)
	}
	return versionOf(&object), nil
}

// dropMalformed deletes an index that cannot be read, so that the next has
// another UID: brokers compare sequences within one UID only.
func (p *Publisher) dropMalformed(ctx context.Context) error {
	if !p.state.malformed {
		return nil
	}
	v := p.state.index
	object := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: runtimeconfig.IndexName}}
	err := p.Client.Delete(ctx, object, client.Preconditions{UID: &v.UID, ResourceVersion: &v.ResourceVersion})
	if apierrors.IsConflict(err) {
		return errConflict
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting malformed index: %w", err)
	}
	faultpoint.Hit("malformed-index-deleted")
	p.state.index, p.state.malformed = version{}, false
	return nil
}

// writeIndex makes the publication visible, under the version that was read.
func (p *Publisher) writeIndex(ctx context.Context, index runtimeconfig.Index) error {
	if err := p.dropMalformed(ctx); err != nil {
		return err
	}
	content, err := runtimeconfig.EncodeIndex(index)
	if err != nil {
		return fmt.Errorf("encoding index: %w", err)
	}
	object := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: p.Namespace, Name: runtimeconfig.IndexName, Labels: map[string]string{PublishedLabel: "index"},
			UID: p.state.index.UID, ResourceVersion: p.state.index.ResourceVersion,
		},
		Type: IndexType,
		Data: map[string][]byte{runtimeconfig.IndexDataKey: content},
	}
	p.Secrets.writes(p.indexKey(), true)
	defer p.Secrets.writes(p.indexKey(), false)
	if p.state.index.UID == "" {
		err = p.Client.Create(ctx, object)
	} else {
		err = p.Client.Update(ctx, object)
	}
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) && p.state.index.UID != "" {
		return errConflict
	}
	if err != nil {
		return fmt.Errorf("writing index: %w", err)
	}
	faultpoint.Hit("index-written")
	p.state.index, p.state.freshRing = versionOf(object), false
	p.Secrets.note(p.indexKey(), p.state.index)
	return nil
}

// track has the store watch what is published, so that a change by somebody
// else is noticed and repaired.
func (p *Publisher) track() {
	keys := map[types.NamespacedName]bool{p.indexKey(): true}
	for _, ref := range p.state.published.Index.Shards {
		keys[types.NamespacedName{Namespace: p.Namespace, Name: ref.Name}] = true
	}
	p.Secrets.Track("published", keys)
	p.Secrets.note(p.indexKey(), p.state.index)
	for key := range keys {
		if v, ok := p.state.shards[key.Name]; ok {
			p.Secrets.note(key, v)
		}
	}
}

func (p *Publisher) indexKey() types.NamespacedName {
	return types.NamespacedName{Namespace: p.Namespace, Name: runtimeconfig.IndexName}
}

func versionOf(o client.Object) version {
	return version{UID: o.GetUID(), ResourceVersion: o.GetResourceVersion()}
}
