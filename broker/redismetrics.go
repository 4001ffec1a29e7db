// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oauthbroker/oauth-broker/broker/limit"
	"github.com/oauthbroker/oauth-broker/broker/once"
)

// counted counts the errors of Redis by operation. That something was taken
// before is no error, and a caller that went away is none of Redis.
type counted struct {
	Shared
	errors *prometheus.CounterVec
}

// newCounted has a series for every operation from the start: an alert on the
// increase must see the first error, too.
func newCounted(s Shared, reg *prometheus.Registry) counted {
	c := counted{s, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "oauth_broker_redis_errors_total", Help: "Calls of Redis that failed, by operation. Absent without Redis.",
	}, []string{"operation"})}
	for _, operation := range []string{"take", "release", "raise", "mark", "once", "spend"} {
		c.errors.WithLabelValues(operation)
	}
	reg.MustRegister(c.errors)
	return c
}

func (c counted) count(operation string, err error) error {
	if err != nil && !errors.Is(err, once.ErrTaken) && !errors.Is(err, context.Canceled) {
		c.errors.WithLabelValues(operation).Inc()
	}
	return err
}

// Take implements once.Store.
func (c counted) Take(ctx context.Context, key once.Key, ttl time.Duration) (once.Receipt, error) {
	r, err := c.Shared.Take(ctx, key, ttl)
	return r, c.count("take", err)
}

// Release implements once.Store.
func (c counted) Release(ctx context.Context, r once.Receipt) error {
	return c.count("release", c.Shared.Release(ctx, r))
}

// Raise implements Shared.
func (c counted) Raise(ctx context.Context, key string, n int64, ttl time.Duration) (bool, error) {
	raised, err := c.Shared.Raise(ctx, key, n, ttl)
	return raised, c.count("raise", err)
}

// Mark implements Shared.
func (c counted) Mark(ctx context.Context, key string) (int64, error) {
	n, err := c.Shared.Mark(ctx, key)
	return n, c.count("mark", err)
}

// Spend implements Shared.
func (c counted) Spend(ctx context.Context, key string, r limit.Rate) (time.Duration, error) {
	wait, err := c.Shared.Spend(ctx, key, r)
	return wait, c.count("spend", err)
}

// Once implements Shared. An error of the work is not one of Redis.
func (c counted) Once(ctx context.Context, key string, p once.Policy, work func() (string, error)) (string, error) {
	answer, err := c.Shared.Once(ctx, key, p, work)
	if errors.Is(err, once.ErrUnavailable) {
		_ = c.count("once", err)
	}
	return answer, err
}
