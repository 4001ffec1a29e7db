// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever sends many cheap requests must not be able to push other lines out of
// the log: what waits is written at once, however much it is.
func TestLogWriter_keepsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out, want bytes.Buffer
		w := newLogWriter(&out)
		defer close(w.lines)
		for burst := range 20 {
			for n := range logQueue {
				line := fmt.Sprintf("%d-%d %s\n", burst, n, strings.Repeat("x", 400))
				want.WriteString(line)
				_, _ = w.Write([]byte(line))
			}
			time.Sleep(2 * logDelay)
		}
		w.flush()
		if w.lost.Load() != 0 || !bytes.Equal(out.Bytes(), want.Bytes()) {
			t.Errorf("%d lines lost, or another order: %d bytes of %d", w.lost.Load(), out.Len(), want.Len())
		}
	})
}
