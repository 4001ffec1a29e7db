// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/once"
	"github.com/oauthbroker/oauth-broker/test/poll"
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

// TestOnce_waitsQuietly: whoever waits for a vendor that does not answer, and for
// the other replica that asked it, asks Redis, which all tenants share, a few
// times a second; how many wait in one replica makes no difference.
func TestOnce_waitsQuietly(t *testing.T) {
	s := redis.Start(t)
	r, other := open(t, s.URL()), open(t, s.URL())
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
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, err := other.Once(ctx, "test:slow", policy, func() (string, error) { return "", errors.New("done twice") })
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := reads(t, s) - before; n < 5 || n > 25 {
		t.Errorf("read %d times in three seconds", n)
	}
	close(done)
	if answer, err := r.Once(t.Context(), "test:slow", policy, func() (string, error) { return "", errors.New("done twice") }); answer != "answer" {
		t.Errorf("got %q, %v", answer, err)
	}
}

// TestOnce_failsTogether: what fails for one fails for all that wait for it in
// this replica. One after the other, each would ask the vendor again, and those
// that wait would become more for as long as somebody sends them.
func TestOnce_failsTogether(t *testing.T) {
	const callers = 100
	s := redis.Start(t)
	r := open(t, s.URL())
	var begun, worked, failed atomic.Int64
	before := reads(t, s)
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			begun.Add(1)
			_, err := r.Once(t.Context(), "test:fails", once.Policy{Lease: time.Minute, Keep: time.Minute}, func() (string, error) {
				worked.Add(1)
				poll.Until(t, 10*time.Second, func() error {
					if n := begun.Load(); n < callers {
						return fmt.Errorf("%d of %d have begun", n, callers)
					}
					return nil
				})
				return "", errors.ErrUnsupported
			})
			if errors.Is(err, errors.ErrUnsupported) {
				failed.Add(1)
			}
		})
	}
	all.Wait()
	if n, asked := worked.Load(), reads(t, s)-before; n > callers/4 || asked > callers || failed.Load() != callers {
		t.Errorf("the work was done %d times, Redis read %d times, %d callers were told", n, asked, failed.Load())
	}
}

// TestOnce_goesOn: who leaves while it works, or waits, for others takes none of
// them along.
func TestOnce_goesOn(t *testing.T) {
	s := redis.Start(t)
	r := open(t, s.URL())
	policy := once.Policy{Lease: time.Minute, Keep: time.Minute}
	gone, leave := context.WithCancel(t.Context())
	working := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		_, err := r.Once(gone, "test:left", policy, func() (string, error) {
			close(working)
			<-gone.Done()
			return "", gone.Err()
		})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	<-working
	brief, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := r.Once(brief, "test:left", policy, func() (string, error) { return "", errors.New("not its turn") }); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	for range 10 {
		all.Go(func() {
			answer, err := r.Once(t.Context(), "test:left", policy, func() (string, error) { return "answer", nil })
			if answer != "answer" {
				t.Errorf("%q, %v", answer, err)
			}
		})
	}
	leave()
	all.Wait()
}
