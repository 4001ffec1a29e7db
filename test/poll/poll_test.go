// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oauthbroker/oauth-broker/test/poll"
)

func TestUntil_asksAgain(t *testing.T) {
	calls := 0
	poll.Until(t, time.Minute, func() error {
		if calls++; calls < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	if calls != 3 {
		t.Errorf("%d calls, want 3", calls)
	}
}

func TestUntil_givesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, failure := time.Now(), make(chan string, 1)
		go poll.Until(failing{t, failure}, time.Minute, func() error { return errors.New("not yet") })
		if got, want := <-failure, "after 1m0s: not yet"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if took := time.Since(start); took < time.Minute || took > time.Minute+time.Second {
			t.Errorf("gave up after %s, want a minute", took)
		}
	})
}

// failing hands on how a test fails, and ends what it runs as a test does.
type failing struct {
	testing.TB
	failure chan<- string
}

func (f failing) Fatalf(format string, args ...any) {
	f.failure <- fmt.Sprintf(format, args...)
	runtime.Goexit() // as testing.T does
}
