// SPDX-License-Identifier: Apache-2.0

package kubesource

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// parallelGets bounds the shards that are read at once.
const parallelGets = 8

// rereads is how often the index is read again for shards that are gone,
// before it is left to the watch.
const rereads = 3

// take loads a version of the index. A document that cannot be loaded is a
// problem that is logged here; only trouble with the API server is an error.
func (s *Source) take(ctx context.Context, object *corev1.Secret) error {
	for range rereads {
		if s.stale(object) {
			s.OnCurrent()
			return nil
		}
		err := s.load(ctx, object)
		if err == nil {
			s.OnCurrent()
			return nil
		}
		p, ok := errors.AsType[*problem](err)
		if !ok || p.reason == ProblemAPI {
			return err
		}
		s.problem(ctx, err)
		if p.reason != ProblemShardGone {
			s.restore(ctx)
			return nil
		}
		if object, err = s.get(ctx, runtimeconfig.IndexName); err != nil {
			return err
		}
	}
	s.restore(ctx)
	return nil
}

// stale tells whether a version was looked at already, or is an earlier one
// that a lagging watch cache gave.
func (s *Source) stale(object *corev1.Secret) bool {
	if s.index.uid != string(object.UID) {
		return false
	}
	if s.index.resourceVersion == object.ResourceVersion {
		return s.loaded
	}
	index, err := runtimeconfig.DecodeIndex(object.Data[runtimeconfig.IndexDataKey])
	return err == nil && s.loaded && index.Sequence < s.index.sequence
}

func (s *Source) load(ctx context.Context, object *corev1.Secret) error {
	s.loaded = false
	s.index.uid, s.index.resourceVersion = string(object.UID), object.ResourceVersion
	index, err := runtimeconfig.DecodeIndex(object.Data[runtimeconfig.IndexDataKey])
	if err != nil {
		return &problem{ProblemMalformed, err}
	}
	if s.current != nil && s.current.Sequence == index.Sequence && s.current.Revision == index.Revision() {
		s.index.sequence, s.loaded = index.Sequence, true
		s.keep(ctx, index, nil) // what was restored is current: it is young again
		return nil              // only what concerns the publisher changed
	}
	got, err := s.fetch(ctx, index.Missing(s.current))
	if err != nil {
		return err
	}
	snapshot, err := runtimeconfig.Load(index, got, s.current, s.Snapshot)
	if err != nil {
		return &problem{ProblemMalformed, err}
	}
	s.index.sequence, s.loaded = index.Sequence, true
	s.serve(ctx, snapshot)
	s.keep(ctx, index, got)
	return nil
}

func (s *Source) serve(ctx context.Context, snapshot *runtimeconfig.Snapshot) {
	s.current = snapshot
	s.apply(snapshot)
	vendors, credentials, clients := snapshot.Counts()
	s.Log.DebugContext(ctx, "loaded configuration", "sequence", snapshot.Sequence, "revision", snapshot.Revision,
		"vendors", vendors, "credentials", credentials, "clients", clients)
}

// fetch reads shards.
func (s *Source) fetch(ctx context.Context, names []string) (map[string][]byte, error) {
	contents := make([][]byte, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelGets)
	for i, name := range names {
		group.Go(func() error {
			object, err := s.get(ctx, name)
			if apierrors.IsNotFound(err) {
				return &problem{ProblemShardGone, fmt.Errorf("shard %s is gone", name)}
			}
			if err != nil {
				return err
			}
			contents[i] = object.Data[runtimeconfig.ShardDataKey]
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	got := make(map[string][]byte, len(names))
	for i, name := range names {
		got[name] = contents[i]
	}
	return got, nil
}

// keep saves the document as the last good one.
func (s *Source) keep(ctx context.Context, index runtimeconfig.Index, got map[string][]byte) {
	if s.Save == nil {
		return
	}
	all := make(map[string][]byte, len(index.Shards))
	for _, ref := range index.Shards {
		if content, ok := got[ref.Name]; ok {
			all[ref.Name] = content
		} else {
			all[ref.Name] = s.shards[ref.Name]
		}
	}
	s.shards = all
	if err := s.Save(index, all); err != nil {
		s.problem(ctx, &problem{ProblemLastGood, fmt.Errorf("keeping the last good document: %w", err)})
	}
}

// restore serves the last good document where nothing is served yet.
func (s *Source) restore(ctx context.Context) {
	if s.current != nil || s.Restore == nil {
		return
	}
	index, shards, ok := s.Restore()
	if !ok {
		return
	}
	snapshot, err := runtimeconfig.Load(index, shards, nil, s.Snapshot)
	if err != nil {
		s.problem(ctx, &problem{ProblemLastGood, fmt.Errorf("restoring the last good document: %w", err)})
		return
	}
	s.shards = shards
	s.Log.WarnContext(ctx, "the last good configuration is served until the published one can be read")
	s.serve(ctx, snapshot)
}
