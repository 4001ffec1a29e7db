// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/oauthbroker/oauth-broker/internal/faultpoint"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

const (
	// retireFor is how long a shard stays after the last index that named it.
	retireFor = 15 * time.Minute
	// maxRetired bounds the list in the index, which every broker gets with each
	// publication, and so the old shards that wait; where edits come so fast that
	// it is full, the oldest go early. At four publications a second that is after
	// a minute, and a broker reads for seconds. One that misses a shard reads the
	// index again.
	maxRetired = 256
	// collectEvery keeps collections that nothing else asks for apart.
	collectEvery = time.Minute
)

// collection is what becomes of the shards that no index names any more.
type collection struct {
	// retired is the next index's list, oldest first.
	retired []runtimeconfig.RetiredShard
	// waiting is how many more there are than the list has room for.
	waiting int
}

// collect deletes the retired shards that are due, or that make room for those
// that this plan retires, or that a publication which failed left behind.
func (p *Publisher) collect(ctx context.Context, plan Plan) (collection, error) {
	var listed []runtimeconfig.RetiredShard
	known := map[string]bool{}
	for _, r := range p.state.published.Index.Retired {
		if _, used := plan.Next.Shards[r.Name]; !used {
			listed = append(listed, r)
			known[r.Name] = true
		}
	}
	var left []string
	for name := range p.state.shards {
		if _, used := plan.Next.Shards[name]; !used && !known[name] {
			left = append(left, name)
		}
	}
	slices.Sort(left)
	var c collection
	for i, r := range listed {
		if early := i < len(listed)+len(left)-maxRetired; !early && p.Now().Sub(r.RetiredAt) < retireFor {
			c.retired = append(c.retired, r)
		} else if err := p.deleteRetired(ctx, r); err != nil {
			return collection{}, err
		}
	}
	room := min(len(left), maxRetired-len(c.retired))
	for _, name := range left[:room] {
		c.retired = append(c.retired, runtimeconfig.RetiredShard{Name: name, UID: string(p.state.shards[name].UID), RetiredAt: p.Now().UTC().Truncate(time.Second)})
	}
	c.waiting = len(left) - room
	return c, nil
}

// deleteRetired deletes exactly the version that was retired, and asks no broker.
func (p *Publisher) deleteRetired(ctx context.Context, r runtimeconfig.RetiredShard) error {
	v, exists := p.state.shards[r.Name]
	if !exists || string(v.UID) != r.UID {
		return nil
	}
	object := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: r.Name}}
	err := p.Client.Delete(ctx, object, client.Preconditions{UID: &v.UID, ResourceVersion: &v.ResourceVersion})
	if apierrors.IsConflict(err) {
		return fmt.Errorf("collecting shard %s: %w", r.Name, errConflict)
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("collecting shard %s: %w", r.Name, err)
	}
	faultpoint.Hit("retired-shard-deleted")
	delete(p.state.shards, r.Name)
	return nil
}

// next is when to collect again; zero for never.
func (c collection) next(now time.Time) time.Duration {
	switch {
	case c.waiting > 0:
		return collectEvery
	case len(c.retired) == 0:
		return 0
	}
	return max(c.retired[0].RetiredAt.Add(retireFor).Sub(now), collectEvery)
}
