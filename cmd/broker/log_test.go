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
		defer end(w)
		for burst := range 20 {
			for n := range 2000 {
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

// end ends w, after the pause that it may be in.
func end(w *logWriter) {
	close(w.wake)
	time.Sleep(2 * logDelay)
}

// hung is a writer that nobody reads from.
type hung struct{ released chan struct{} }

func (h hung) Write(p []byte) (int, error) {
	<-h.released
	return len(p), nil
}

// What waits is bounded, and every line beyond is counted.
func TestLogWriter_bounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := hung{make(chan struct{})}
		w := newLogWriter(out)
		line := []byte(strings.Repeat("x", 1<<10))
		_, _ = w.Write(line)
		time.Sleep(2 * logDelay) // it is being written
		const fits = logBytes >> 10
		for range fits + 10 {
			_, _ = w.Write(line)
		}
		if got := w.lost.Load(); got != 10 {
			t.Errorf("%d lines lost, want 10", got)
		}
		close(out.released)
		w.flush()
		end(w)
	})
}
