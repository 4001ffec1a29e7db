// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Progress tells a person on a terminal what takes so long. It writes nothing
// for what is done within a second, and nothing to a file or pipe.
type Progress struct {
	Out io.Writer
	// On is whether Out is a terminal.
	On bool

	mu    sync.Mutex
	timer *time.Timer
	shown bool
}

// NewProgress writes to a file, which is standard error.
func NewProgress(out *os.File) *Progress {
	info, err := out.Stat()
	return &Progress{Out: out, On: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// Step begins the next thing.
func (p *Progress) Step(what string) {
	p.Done()
	if !p.On {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(time.Second, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.shown = true
		_, _ = fmt.Fprintf(p.Out, "\r\x1b[K%s ...", what)
	})
}

// Done takes the line away.
func (p *Progress) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
	}
	if p.shown {
		_, _ = fmt.Fprint(p.Out, "\r\x1b[K")
		p.shown = false
	}
}
