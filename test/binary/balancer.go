// SPDX-License-Identifier: Apache-2.0

package binary

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// Balancer leads connections for the public host of an install to the replicas
// that are ready, in turn, and past those that turn out to be gone.
type Balancer struct {
	in   *Install
	next atomic.Int64

	mu    sync.Mutex
	ready []string
}

// Balancer of an install's host, before replicas.
func (in *Install) Balancer(ready ...*Install) *Balancer {
	b := &Balancer{in: in}
	b.Set(ready...)
	return b
}

// Set says which replicas are ready, as probes do.
func (b *Balancer) Set(ready ...*Install) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ready = nil
	for _, in := range ready {
		b.ready = append(b.ready, in.Public)
	}
}

func (b *Balancer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	b.mu.Lock()
	ready, first := b.ready, int(b.next.Add(1))
	b.mu.Unlock()
	if address != b.in.Public {
		ready = []string{address}
	}
	var err error
	for i := range ready {
		var conn net.Conn
		if conn, err = (&net.Dialer{}).DialContext(ctx, network, ready[(first+i)%len(ready)]); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// Transport of browsers and clients that go through the balancer, and to vendors
// past it. No canary listens.
func (b *Balancer) Transport(vendors ...*fakevendor.Server) *http.Transport {
	pool := b.in.CA.Pool()
	for _, v := range vendors {
		pool.AppendCertsFromPEM(v.CAPEM())
	}
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DialContext: b.dial}
}

// Again sends a request anew where a connection broke, as browsers and load
// balancers do with a GET, and as a client does with its token request.
type Again struct{ Next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (a Again) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := a.Next.RoundTrip(r)
	// A process that is being killed still takes connections for a moment.
	for range 5 {
		if err == nil {
			return answer, nil
		}
		time.Sleep(20 * time.Millisecond)
		next := r.Clone(r.Context())
		if r.GetBody != nil {
			var bodyErr error
			if next.Body, bodyErr = r.GetBody(); bodyErr != nil {
				return nil, bodyErr
			}
		}
		answer, err = a.Next.RoundTrip(next)
	}
	return answer, err
}
