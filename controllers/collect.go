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
	// maxRetired bounds the list in the index; beyond it the oldest go early. A
	// broker that misses one reads the index again.
	maxRetired = 1000
	// collectEvery keeps collections that nothing else asks for apart.
	collectEvery = time.Minute
)

// collect deletes the retired shards that are due and returns their names. It
// deletes exactly the version that was retired, and asks no broker.
func (p *Publisher) collect(ctx context.Context) (map[string]bool, error) {
	gone := map[string]bool{}
	for i, r := range p.state.published.Index.Retired {
		early := i < len(p.state.published.Index.Retired)-maxRetired
		if !early && p.Now().Sub(r.RetiredAt) < retireFor {
			continue
		}
		v, exists := p.state.shards[r.Name]
		if exists && string(v.UID) == r.UID {
			object := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: r.Name}}
			err := p.Client.Delete(ctx, object, client.Preconditions{UID: &v.UID, ResourceVersion: &v.ResourceVersion})
			if apierrors.IsConflict(err) {
				return nil, fmt.Errorf("collecting shard %s: %w", r.Name, errConflict)
			}
			if client.IgnoreNotFound(err) != nil {
				return nil, fmt.Errorf("collecting shard %s: %w", r.Name, err)
			}
			faultpoint.Hit("retired-shard-deleted")
			delete(p.state.shards, r.Name)
		}
		gone[r.Name] = true
	}
	return gone, nil
}

// retired is the next list of retired shards, oldest first: the old one without
// what is gone or used again, and what this plan (or an earlier publication
// that failed) left behind.
func (p *Publisher) retired(plan Plan, gone map[string]bool) []runtimeconfig.RetiredShard {
	var list []runtimeconfig.RetiredShard
	listed := map[string]bool{}
	for _, r := range p.state.published.Index.Retired {
		if _, used := plan.Next.Shards[r.Name]; !used && !gone[r.Name] {
			list = append(list, r)
			listed[r.Name] = true
		}
	}
	var left []string
	for name := range p.state.shards {
		if _, used := plan.Next.Shards[name]; !used && !listed[name] {
			left = append(left, name)
		}
	}
	slices.Sort(left)
	for _, name := range left {
		list = append(list, runtimeconfig.RetiredShard{Name: name, UID: string(p.state.shards[name].UID), RetiredAt: p.Now().UTC().Truncate(time.Second)})
	}
	return list
}

func (p *Publisher) nextCollection(index runtimeconfig.Index) time.Duration {
	if len(index.Retired) == 0 {
		return 0
	}
	return max(index.Retired[0].RetiredAt.Add(retireFor).Sub(p.Now()), collectEvery)
}
