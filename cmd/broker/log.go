// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// logWriter hands lines to a writer that may be full or stuck, and never waits
// for it: logins go on when nobody takes the log. What cannot be written is lost
// and counted.
type logWriter struct {
	to    io.Writer
	lines chan logLine
	lost  atomic.Int64
}

// logLine is a line, or with flushed the question whether all before it is out.
type logLine struct {
	text    []byte
	flushed chan struct{}
}

// logQueue is how many lines wait; at some 300 bytes each, what a disk that is
// slow for seconds needs.
const logQueue = 1024

const (
	// logDelay is how long a line waits for others.
	logDelay = 5 * time.Millisecond
	// logBatch is how many bytes are written at once, and a line more.
	logBatch = 32 << 10
)

func newLogWriter(to io.Writer) *logWriter {
	w := &logWriter{to: to, lines: make(chan logLine, logQueue)}
	go w.run()
	return w
}

// run writes what is there together: a call of the system for each line costs
// more than making it.
func (w *logWriter) run() {
	var batch []byte
	for line := range w.lines {
		// After a full batch more wait already: pauses would bound the lines of a
		// second, and who sends many requests would push others' out.
		if line.flushed == nil && len(batch) < logBatch {
			time.Sleep(logDelay)
		}
		lines := int64(0)
		batch = batch[:0]
		for more := true; more && line.flushed == nil; {
			batch, lines = append(batch, line.text...), lines+1
			if more = len(batch) < logBatch; more {
				line, more = w.waiting()
			}
		}
		if _, err := w.to.Write(batch); err != nil {
			w.lost.Add(lines)
		}
		if line.flushed != nil {
			close(line.flushed)
		}
	}
}

// waiting is the next line, if there is one.
func (w *logWriter) waiting() (logLine, bool) {
	select {
	case line := <-w.lines:
		return line, true
	default:
		return logLine{}, false
	}
}

// Write implements io.Writer.
func (w *logWriter) Write(p []byte) (int, error) {
	select {
	case w.lines <- logLine{text: append([]byte(nil), p...)}:
	default:
		w.lost.Add(1)
	}
	return len(p), nil
}

// flush waits until what was written so far is out, or for a moment.
func (w *logWriter) flush() {
	late := time.After(time.Second)
	line := logLine{flushed: make(chan struct{})}
	select {
	case w.lines <- line:
	case <-late:
		return
	}
	select {
	case <-line.flushed:
	case <-late:
	}
}

// metric tells of lost lines.
func (w *logWriter) metric() prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "oauth_broker_log_lines_lost_total", Help: "Log lines that nobody took: standard error is full, stuck or closed. Requests do not wait for the log.",
	}, func() float64 { return float64(w.lost.Load()) })
}
