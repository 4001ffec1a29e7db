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
		if s.loaded && s.index.uid == string(object.UID) && s.index.resourceVersion == object.ResourceVersion {
			s.OnCurrent()
			return nil // it was looked at already
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

func (s *Source) load(ctx context.Context, object *corev1.Secret) error {
	index, err := runtimeconfig.DecodeIndex(object.Data[runtimeconfig.IndexDataKey])
	if err == nil && s.loaded && s.index.uid == string(object.UID) && index.Sequence < s.index.sequence {
		return nil // an earlier version, from a watch cache that lags behind
	}
	s.loaded = false
	s.index.uid, s.index.resourceVersion = string(object.UID), object.ResourceVersion
	if err != nil {
		return &problem{ProblemMalformed, err}
	}
	if s.current != nil && s.current.Sequence == index.Sequence && s.current.Revision == index.Revision() {
		s.index.sequence, s.loaded = index.Sequence, true
		s.keep(ctx, index) // what was restored is current: it is young again
		return nil         // only what concerns the publisher changed
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
	s.keep(ctx, index)
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

// keep saves the document that is served as the last good one.
func (s *Source) keep(ctx context.Context, index runtimeconfig.Index) {
	if s.Save == nil {
		return
	}
	if err := s.Save(index, s.current.Contents()); err != nil {
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
	s.Log.WarnContext(ctx, "the last good configuration is served until the published one can be read")
	s.serve(ctx, snapshot)
}
