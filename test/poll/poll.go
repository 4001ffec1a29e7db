// SPDX-License-Identifier: Apache-2.0

// Package poll waits in tests for what nobody tells them of: what another
// process, a control loop or a Redis does in its own time. A test that asks
// again until a limit is as quick as the machine allows, and does not fail where
// the machine is slow, as one that sleeps does.
package poll

import (
	"testing"
	"time"
)

// Until calls check until it finds nothing wrong. The test fails with what check
// said last where that takes longer than limit.
func Until(t testing.TB, limit time.Duration, check func() error) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %v", limit, err)
		}
	}
}
