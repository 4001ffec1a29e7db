// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"net"
	"sync/atomic"
	"time"
)

// front stands for a load balancer: it gives each TCP connection to the next
// broker, TLS and all.
type front struct {
	listener net.Listener
	backends []string
	next     atomic.Uint64
}

func newFront(l net.Listener, backends ...string) *front {
	f := &front{listener: l, backends: backends}
	go f.serve()
	return f
}

func (f *front) serve() {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return // closed
		}
		go f.relay(conn)
	}
}

// relay tries the brokers in turn, so that one that is down is passed over.
func (f *front) relay(client net.Conn) {
	defer func() { _ = client.Close() }()
	first := f.next.Add(1)
	for i := range f.backends {
		backend, err := net.DialTimeout("tcp", f.backends[(int(first)+i)%len(f.backends)], time.Second) //nolint:gosec,noctx // small numbers; bounded
		if err != nil {
			continue
		}
		defer func() { _ = backend.Close() }()
		go func() {
			_, _ = io.Copy(backend, client)
			_ = backend.Close()
		}()
		_, _ = io.Copy(client, backend)
		return
	}
}

func (f *front) close() error { return f.listener.Close() }
