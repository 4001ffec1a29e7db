// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// logWriter hands lines to a writer that may be full or stuck, and never waits
// for it: logins go on when nobody takes the log. What cannot be written is lost
// and counted.
type logWriter struct {
	to   io.Writer
	lost atomic.Int64
	// wake has something in it where lines wait; flushes asks for their end.
	wake    chan struct{}
	flushes chan chan struct{}

	mu      sync.Mutex
	waiting lines
}

// lines are whole lines, one after another.
type lines struct {
	text []byte
	n    int64
}

const (
	// logBytes bounds the lines that wait: what a disk that is slow for seconds
	// needs.
	logBytes = 1 << 20
	// logDelay is how long a line waits for others: a call of the system for each
	// costs more than making it.
	logDelay = 5 * time.Millisecond
)

func newLogWriter(to io.Writer) *logWriter {
	w := &logWriter{to: to, wake: make(chan struct{}, 1), flushes: make(chan chan struct{})}
	go w.run()
	return w
}

// run writes what is there together, until wake is closed.
func (w *logWriter) run() {
	var out lines
	for {
		var done chan struct{}
		select {
		case _, open := <-w.wake:
			if !open {
				return
			}
			time.Sleep(logDelay)
		case done = <-w.flushes:
		}
		if out = w.swap(out); out.n > 0 {
			if _, err := w.to.Write(out.text); err != nil {
				w.lost.Add(out.n)
			}
		}
		if done != nil {
			close(done)
		}
	}
}

// swap takes the lines that wait, and leaves the memory of those before.
func (w *logWriter) swap(written lines) lines {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.waiting
	w.waiting = lines{text: written.text[:0]}
	return taken
}

// Write implements io.Writer for one line.
func (w *logWriter) Write(line []byte) (int, error) {
	if !w.add(line) {
		w.lost.Add(1)
		return len(line), nil
	}
	select {
	case w.wake <- struct{}{}:
	default: // it is awake, or will be
	}
	return len(line), nil
}

func (w *logWriter) add(line []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting.text)+len(line) > logBytes {
		return false
	}
	w.waiting.text, w.waiting.n = append(w.waiting.text, line...), w.waiting.n+1
	return true
}

// flush waits until what was written so far is out, or for a moment.
func (w *logWriter) flush() {
	late := time.After(time.Second)
	done := make(chan struct{})
	select {
	case w.flushes <- done:
	case <-late:
		return
	}
	select {
	case <-done:
	case <-late:
	}
}

// metric tells of lost lines.
func (w *logWriter) metric() prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "oauth_broker_log_lines_lost_total", Help: "Log lines that nobody took: standard error is full, stuck or closed. Requests do not wait for the log.",
	}, func() float64 { return float64(w.lost.Load()) })
}
