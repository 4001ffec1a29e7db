// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// writeJSON prints a value for programs.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}

// progress tells a person on a terminal what takes so long. It writes nothing
// for what is done within a second, and nothing to a file or pipe.
type progress struct {
	out io.Writer
	// on is whether out is a terminal.
	on bool

	mu    sync.Mutex
	timer *time.Timer
	shown bool
}

func newProgress(out *os.File) *progress {
	info, err := out.Stat()
	return &progress{out: out, on: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// step begins the next thing.
func (p *progress) step(what string) {
	p.done()
	if !p.on {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(time.Second, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.shown = true
		_, _ = fmt.Fprintf(p.out, "\r\x1b[K%s ...", what)
	})
}

// done takes the line away.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
	}
	if p.shown {
		_, _ = fmt.Fprint(p.out, "\r\x1b[K")
		p.shown = false
	}
}
