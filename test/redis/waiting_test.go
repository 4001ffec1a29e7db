// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/once"
	"github.com/oauthbroker/oauth-broker/test/redis"
)

// reads is how often Redis was read from.
func reads(t *testing.T, s *redis.Server) int {
	t.Helper()
	m := regexp.MustCompile(`cmdstat_get:calls=(\d+)`).FindStringSubmatch(fmt.Sprint(s.Do("INFO", "commandstats")))
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestOnce_waitsQuietly: whoever waits for a vendor that does not answer asks
// Redis, which all tenants share, a few times a second. A client can wait as often
// as it sends its refresh token.
func TestOnce_waitsQuietly(t *testing.T) {
	s := redis.Start(t)
	r := open(t, s.URL())
	policy := once.Policy{Lease: time.Minute, Keep: time.Minute}
	working, done := make(chan struct{}), make(chan struct{})
	go func() {
		_, _ = r.Once(context.WithoutCancel(t.Context()), "test:slow", policy, func() (string, error) {
			close(working)
			<-done
			return "answer", nil
		})
	}()
	<-working
	before := reads(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err := r.Once(ctx, "test:slow", policy, func() (string, error) { return "", errors.New("done twice") })
	if n := reads(t, s) - before; !errors.Is(err, context.DeadlineExceeded) || n < 5 || n > 20 {
		t.Errorf("read %d times in three seconds: %v", n, err)
	}
	close(done)
	if answer, err := r.Once(t.Context(), "test:slow", policy, func() (string, error) { return "", errors.New("done twice") }); answer != "answer" {
		t.Errorf("got %q, %v", answer, err)
	}
}
