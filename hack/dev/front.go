// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
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
	next     atomic.Int64
}

func newFront(ctx context.Context, l net.Listener, backends ...string) *front {
	f := &front{listener: l, backends: backends}
	go f.serve(ctx)
	return f
}

func (f *front) serve(ctx context.Context) {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return // closed
		}
		go f.relay(ctx, conn)
	}
}

// relay tries the brokers in turn, so that one that is down is passed over.
func (f *front) relay(ctx context.Context, client net.Conn) {
	defer func() { _ = client.Close() }()
	dialer, all, first := net.Dialer{Timeout: time.Second}, int64(len(f.backends)), f.next.Add(1)
	for i := range all {
		backend, err := dialer.DialContext(ctx, "tcp", f.backends[(first+i)%all])
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
