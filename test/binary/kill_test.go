// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/test/binary"
)

// balancer leads connections for the public host to the replicas that are ready,
// in turn, and past those that turn out to be gone.
type balancer struct {
	host string
	next atomic.Int64

	mu    sync.Mutex
	ready []string
}

func (b *balancer) set(ready ...*binary.Install) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ready = nil
	for _, in := range ready {
		b.ready = append(b.ready, in.Public)
	}
}

func (b *balancer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	b.mu.Lock()
	ready, first := b.ready, int(b.next.Add(1))
	b.mu.Unlock()
	if address != b.host {
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

// again asks anew where a connection broke, as browsers and load
// balancers do with a GET, and as a client does with its token request.
func (b *balancer) again(t *http.Transport) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		answer, err := t.RoundTrip(r)
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
			answer, err = t.RoundTrip(next)
		}
		return answer, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestKill_underLoad: one of two brokers is killed (SIGKILL) while browsers log
// in, again and again. Promised: the other goes on with every login, whichever
// step it is at; lost are at most the logins whose token request was with the
// vendor at that moment, since their code is spent and its answer is gone.
func TestKill_underLoad(t *testing.T) {
	t.Parallel()
	const workers, kills = 4, 3
	s := newSite(t)
	two := s.Another()
	s.Start().Ready()
	victim := two.Start().Ready()
	lb := &balancer{host: s.Public}
	lb.set(s.Install, two)
	var good, lost atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for ctx.Err() == nil {
				switch err := s.loginThrough(lb); { //nolint:contextcheck // a login under way is to end
				case err == nil:
					good.Add(1)
				case strings.Contains(err.Error(), "invalid_grant"):
					lost.Add(1) // sent again, and the code was spent
				default:
					t.Errorf("a login failed otherwise: %v", err)
				}
			}
		})
	}
	after := func(n int64) {
		t.Helper()
		from := good.Load()
		binary.Eventually(t, func() error {
			if good.Load() < from+n {
				return errors.New("logins do not go on")
			}
			return nil
		})
	}
	for range kills {
		after(20)
		victim.Kill() // nobody tells the balancer
		after(20)
		lb.set(s.Install) // its probe has failed by now
		victim = two.Start().Ready()
		lb.set(s.Install, two)
	}
	stop()
	all.Wait()
	t.Logf("%d logins, %d kills, %d lost", good.Load(), kills, lost.Load())
	if lost.Load() > workers*kills {
		t.Errorf("%d logins are lost, want at most the %d that were under way at each of %d kills", lost.Load(), workers, kills)
	}
}

// loginThrough walks one login with a browser and a client of the balancer's.
func (s *site) loginThrough(lb *balancer) error {
	c := s.web()
	browser := s.Browser(c.RedirectURL, s.acme)
	t := &http.Transport{TLSClientConfig: s.TLS(), DialContext: lb.dial, DisableKeepAlives: true}
	t.TLSClientConfig.RootCAs = t.TLSClientConfig.RootCAs.Clone()
	t.TLSClientConfig.RootCAs.AppendCertsFromPEM(s.acme.CAPEM())
	browser.Transport = lb.again(t)
	l, err := c.LoginWith(browser)
	if err != nil {
		return err
	}
	hc := &http.Client{Transport: browser.Transport, Timeout: time.Minute}
	_, err = c.Exchange(context.WithValue(context.WithoutCancel(s.T.Context()), oauth2.HTTPClient, hc), l.Answer.Get("code"), oauth2.VerifierOption(l.Verifier))
	return err
}
