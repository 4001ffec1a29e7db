// SPDX-License-Identifier: Apache-2.0

// Package wire is a TCP connection that a test can spoil: it stands before a
// server on the loopback and carries bytes, until it is told not to.
//
//	w := wire.New(t, redis.Addr)
//	h := harness.Standard(t, harness.Setup{Options: harness.Options{Redis: "redis://" + w.Addr()}})
//	w.Freeze() // half-open: connections stand, and nothing comes through
//	w.Cut()    // connections break, and new ones are refused
//	w.Mend()   // all is well again
package wire

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"
)

// Wire carries bytes between clients and one server.
type Wire struct {
	listener net.Listener
	target   string

	mu       sync.Mutex
	changed  *sync.Cond
	open     map[net.Conn]bool
	deaf     map[net.Conn]bool
	accepted int
	cut      bool
	frozen   bool
	delay    time.Duration
	// budget is how many more bytes of the server's come through before the wire
	// is cut; negative is no end.
	budget int
}

// New makes a wire to a server that ends with the test.
func New(t testing.TB, target string) *Wire {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{listener: l, target: target, open: map[net.Conn]bool{}, deaf: map[net.Conn]bool{}, budget: -1}
	w.changed = sync.NewCond(&w.mu)
	go w.accept()
	t.Cleanup(func() { _ = l.Close(); w.Cut() })
	return w
}

// Addr is what clients connect to.
func (w *Wire) Addr() string { return w.listener.Addr().String() }

// Accepted is how many connections were made so far.
func (w *Wire) Accepted() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.accepted
}

// Cut breaks all connections with a reset, and each new one at once.
func (w *Wire) Cut() { w.set(func() { w.cut = true; w.breakAll() }) }

// Reset breaks all connections once; new ones are carried.
func (w *Wire) Reset() { w.set(w.breakAll) }

// Freeze keeps all connections and takes new ones, and carries nothing.
func (w *Wire) Freeze() { w.set(func() { w.frozen = true }) }

// Deafen freezes the connections that stand, for ever; new ones are carried. So
// it looks where a router forgot its connections.
func (w *Wire) Deafen() {
	w.set(func() {
		for c := range w.open {
			w.deaf[c] = true
		}
	})
}

// Slow makes every piece take so long in each direction.
func (w *Wire) Slow(by time.Duration) { w.set(func() { w.delay = by }) }

// CutAfter lets so many bytes of the server's through, and cuts in their middle.
func (w *Wire) CutAfter(bytes int) { w.set(func() { w.budget = bytes }) }

// Mend ends every fault. What was frozen goes on.
func (w *Wire) Mend() {
	w.set(func() { w.cut, w.frozen, w.delay, w.budget = false, false, 0, -1; clear(w.deaf) })
}

func (w *Wire) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	w.changed.Broadcast()
}

func (w *Wire) breakAll() {
	for c := range w.open {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset, not an end in good order
		}
		_ = c.Close()
	}
	clear(w.open)
	clear(w.deaf)
	w.changed.Broadcast()
}

func (w *Wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		go w.connect(near)
	}
}

func (w *Wire) connect(near net.Conn) {
	far, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(context.Background(), "tcp", w.target)
	w.mu.Lock()
	w.accepted++
	if err != nil || w.cut {
		w.mu.Unlock()
		_ = near.Close()
		if err == nil {
			_ = far.Close()
		}
		return
	}
	w.open[near], w.open[far] = true, true
	w.mu.Unlock()
	go w.carry(far, near, false)
	w.carry(near, far, true)
}

// carry copies until one side ends, then ends both.
func (w *Wire) carry(to, from net.Conn, answers bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !w.pass(to, buffer[:n], answers) {
			break
		}
		if err != nil {
			break
		}
	}
	_, _ = to.Close(), from.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, to)
	delete(w.open, from)
	delete(w.deaf, to)
	delete(w.deaf, from)
	w.changed.Broadcast()
}

// pass carries one piece as the wire is now; false means that it is broken.
func (w *Wire) pass(to net.Conn, piece []byte, answers bool) bool {
	w.mu.Lock()
	for (w.frozen || w.deaf[to]) && w.open[to] {
		w.changed.Wait()
	}
	delay, alive := w.delay, w.open[to]
	last := false
	if answers && w.budget >= 0 {
		if last = len(piece) > w.budget; last {
			piece = piece[:w.budget]
		}
		w.budget -= len(piece)
	}
	w.mu.Unlock()
	if !alive {
		return false
	}
	time.Sleep(delay)
	if _, err := to.Write(piece); err != nil {
		return false
	}
	if last {
		w.Cut()
	}
	return !last
}
