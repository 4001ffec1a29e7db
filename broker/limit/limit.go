// SPDX-License-Identifier: Apache-2.0

// Package limit slows down callers that ask too often. Replicas that have a
// Redis count together; without one, or while it is away, each counts for
// itself. The map that outsiders fill is bounded.
package limit

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Rate is what one caller may ask: so many requests a second in the long run,
// and a burst of them at once.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Shared counts over all replicas. Spend counts one request of key and returns
// how long the caller has to wait; 0 means that the request may go on.
type Shared interface {
	Spend(ctx context.Context, key string, r Rate) (time.Duration, error)
}

// Options of a Limiter. Now and Keys are required.
type Options struct {
	Rate Rate
	// Keys is how many callers are remembered, the most recent ones.
	Keys int
	Now  func() time.Time
	// Shared is nil where replicas share nothing.
	Shared Shared
	// Kind sets the callers of this limiter apart from those of others in Shared.
	Kind string
}

// pause is how long Shared is left alone after it failed: one that hangs must
// not hold up every request.
const pause = time.Second

// Limiter limits each caller. Make one with New; a nil one limits nobody.
type Limiter struct {
	Options
	resume atomic.Int64 // when Shared is asked again, as Unix nanoseconds

	mu     sync.Mutex
	recent *list.List // of *bucket, most recently used first
	byKey  map[string]*list.Element
}

type bucket struct {
	key     string
	limiter *rate.Limiter
}

// New makes a limiter; nil where the rate is 0, which is no limit.
func New(o Options) *Limiter {
	if o.Rate.PerSecond <= 0 {
		return nil
	}
	return &Limiter{Options: o, recent: list.New(), byKey: map[string]*list.Element{}}
}

// Wait counts one request of a caller and returns how long it has to wait; 0
// means that the request may go on. What this replica alone refuses never
// reaches Redis: a flood ends here.
func (l *Limiter) Wait(ctx context.Context, key string) time.Duration {
	if l == nil {
		return 0
	}
	now := l.Now()
	r := l.bucket(key).ReserveN(now, 1)
	if d := r.DelayFrom(now); d > 0 {
		r.CancelAt(now)
		return d
	}
	if l.Shared == nil || now.UnixNano() < l.resume.Load() {
		return 0
	}
	d, err := l.Shared.Spend(ctx, l.Kind+":"+key, l.Rate)
	if err != nil && ctx.Err() == nil {
		l.resume.Store(now.Add(pause).UnixNano())
	}
	return d
}

func (l *Limiter) bucket(key string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.byKey[key]; ok {
		l.recent.MoveToFront(e)
		b, _ := e.Value.(*bucket)
		return b.limiter
	}
	for l.recent.Len() >= l.Keys {
		if b, ok := l.recent.Remove(l.recent.Back()).(*bucket); ok {
			delete(l.byKey, b.key)
		}
	}
	b := &bucket{key: key, limiter: rate.NewLimiter(rate.Limit(l.Rate.PerSecond), l.Rate.Burst)}
	l.byKey[key] = l.recent.PushFront(b)
	return b.limiter
}
