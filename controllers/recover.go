// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// refresh reads the published state where it is not known, or where the watch
// says that somebody else changed it.
func (p *Publisher) refresh(ctx context.Context) error {
	if p.state != nil && !p.disturbed() {
		return nil
	}
	p.state = nil
	s, err := p.recover(ctx)
	if err != nil {
		return err
	}
	p.state = s
	return nil
}

// disturbed tells whether the watch saw another version of a published Secret
// than the one that was written.
func (p *Publisher) disturbed() bool {
	differs := func(name string, written version) bool {
		v, seen := p.Secrets.seen(types.NamespacedName{Namespace: p.Namespace, Name: name})
		return seen == absent || seen == present && v != written
	}
	if differs(runtimeconfig.IndexName, p.state.index) {
		return true
	}
	for _, ref := range p.state.published.Index.Shards {
		if differs(ref.Name, p.state.shards[ref.Name]) {
			return true
		}
	}
	return false
}

// recover reads index and shards, as after a restart. What is malformed is left
// out, so that the next plan writes it anew.
func (p *Publisher) recover(ctx context.Context) (*state, error) {
	s := &state{shards: map[string]version{}}
	if err := p.listShards(ctx, s); err != nil {
		return nil, err
	}
	var object corev1.Secret
	err := p.Client.Get(ctx, p.indexKey(), &object)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading index: %w", err)
	}
	if apierrors.IsNotFound(err) {
		return s, p.startOver(ctx, s)
	}
	s.index = versionOf(&object)
	_, s.freshRing = object.Annotations[NewKeyRingAnnotation]
	index, err := runtimeconfig.DecodeIndex(object.Data[runtimeconfig.IndexDataKey])
	if err == nil {
		err = index.Check()
	}
	if err != nil {
		p.complain(ctx, &object, "MalformedIndex", "the published index is malformed and is replaced: "+err.Error())
		s.malformed = true
		return s, p.startOver(ctx, s)
	}
	s.published = Published{Index: index, Shards: map[string][]runtimeconfig.Item{}}
	return s, p.readShards(ctx, s, &object)
}

// listShards lists the versions of all shards, without contents.
func (p *Publisher) listShards(ctx context.Context, s *state) error {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	if err := p.Lister.List(ctx, list, client.InNamespace(p.Namespace), client.MatchingLabels{PublishedLabel: "shard"}); err != nil {
		return fmt.Errorf("listing shards: %w", err)
	}
	for i := range list.Items {
		if strings.HasPrefix(list.Items[i].Name, runtimeconfig.ShardPrefix) {
			s.shards[list.Items[i].Name] = versionOf(&list.Items[i])
		}
	}
	return nil
}

// unknownKey stands in an index for the keys of a ring that was in use, where
// the index that recorded them is lost.
const unknownKey = "unknown"

// startOver begins a new index. The sequence goes on after any that was
// published, so that a broker with an old document is not taken for one that
// serves the new. What the shards show is not enough, since a removal leaves no
// item behind; the milliseconds of the clock are ahead of any count.
func (p *Publisher) startOver(ctx context.Context, s *state) error {
	key := make([]byte, sha256.Size)
	if _, err := io.ReadFull(p.Random, key); err != nil {
		return fmt.Errorf("making the name key: %w", err)
	}
	s.published = Published{
		Index:  runtimeconfig.Index{Format: runtimeconfig.Format, NameKey: key, Sequence: p.Now().UnixMilli()},
		Shards: map[string][]runtimeconfig.Item{},
	}
	if len(s.shards) > 0 {
		// The key ring is made before the first shard, so there was one.
		s.published.Index.KeyIDs = []string{unknownKey}
	}
	for name := range s.shards {
		items, _, err := p.readShard(ctx, name, nil)
		if err != nil {
			continue // it only tells a sequence, and is collected later
		}
		for _, it := range items {
			s.published.Index.Sequence = max(s.published.Index.Sequence, it.Sequence)
		}
	}
	return nil
}

// readShards reads the shards of the index. Those that are gone or damaged are
// dropped from it.
func (p *Publisher) readShards(ctx context.Context, s *state, owner *corev1.Secret) error {
	var mu sync.Mutex
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	index := &s.published.Index
	for _, ref := range index.Shards {
		group.Go(func() error {
			items, v, err := p.readShard(gctx, ref.Name, &shardCheck{nameKey: index.NameKey, prefix: ref.Prefix})
			if _, damaged := errors.AsType[*damagedError](err); damaged {
				p.complain(gctx, owner, "MalformedShard", "a published shard is written anew: "+err.Error())
				return nil
			}
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			s.published.Shards[ref.Name], s.shards[ref.Name] = items, v
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	var good []runtimeconfig.ShardRef
	for _, ref := range index.Shards {
		if _, ok := s.published.Shards[ref.Name]; ok {
			good = append(good, ref)
		}
	}
	index.Shards = good
	return nil
}

// damagedError is a shard that cannot be used.
type damagedError struct{ name, problem string }

func (e *damagedError) Error() string { return e.name + ": " + e.problem }

// shardCheck is what a shard of an index must fit.
type shardCheck struct {
	nameKey []byte
	prefix  string
}

func (p *Publisher) readShard(ctx context.Context, name string, check *shardCheck) ([]runtimeconfig.Item, version, error) {
	var object corev1.Secret
	err := p.Client.Get(ctx, types.NamespacedName{Namespace: p.Namespace, Name: name}, &object)
	if apierrors.IsNotFound(err) {
		return nil, version{}, &damagedError{name, "it is gone"}
	}
	if err != nil {
		return nil, version{}, fmt.Errorf("reading shard %s: %w", name, err)
	}
	content := object.Data[runtimeconfig.ShardDataKey]
	items, err := runtimeconfig.DecodeShard(content)
	if err != nil {
		return nil, version{}, &damagedError{name, "it is not a shard of this format"}
	}
	if check != nil {
		if runtimeconfig.ShardName(check.nameKey, content) != name {
			return nil, version{}, &damagedError{name, "its content does not match its name"}
		}
		for _, it := range items {
			if !strings.HasPrefix(runtimeconfig.Hash(it.ID), check.prefix) {
				return nil, version{}, &damagedError{name, "it holds an item of another bucket"}
			}
		}
	}
	return items, versionOf(&object), nil
}

// complain tells of damage in the log and as an event on the index.
func (p *Publisher) complain(ctx context.Context, on *corev1.Secret, reason, note string) {
	p.Log.ErrorContext(ctx, "published configuration is damaged", "reason", reason, "note", note)
	p.Events.Eventf(on, nil, corev1.EventTypeWarning, reason, "Replace", "%s", note)
}
