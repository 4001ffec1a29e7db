// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/guard"
	"github.com/oauthbroker/oauth-broker/test/harness"
	"github.com/oauthbroker/oauth-broker/test/poll"
)

// openConnections counts the connections that a server has.
type openConnections struct {
	mu   sync.Mutex
	open map[net.Conn]bool
}

func (o *openConnections) changed(c net.Conn, state http.ConnState) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open[c] = true
	if state == http.StateClosed || state == http.StateHijacked {
		delete(o.open, c)
	}
}

func (o *openConnections) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.open)
}

// serveNames starts a server that has every name below example.com.
func serveNames(t *testing.T, http2 bool, h http.HandlerFunc) (server *httptest.Server, o guard.Options, open *openConnections) {
	t.Helper()
	open = &openConnections{open: map[net.Conn]bool{}}
	server = httptest.NewUnstartedServer(h)
	server.EnableHTTP2, server.Config.ConnState = http2, open.changed
	server.StartTLS()
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	transport, ok := server.Client().Transport.(*http.Transport)
	if !ok {
		t.Fatal("the test server's client has another transport")
	}
	return server, guard.Options{
		Timeout: 5 * time.Second, AllowLoopback: true, RootCAs: transport.TLSClientConfig.RootCAs,
		Resolver: harness.Resolver(func(name string) []netip.Addr {
			if strings.HasPrefix(name, "other") {
				return []netip.Addr{netip.MustParseAddr("127.0.0.2")}
			}
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}
		}),
	}, open
}

// portOf is the port that a server listens to.
func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// call asks for a page and returns the protocol of the answer.
func call(ctx context.Context, c *http.Client, url string) (major int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.ProtoMajor, resp.Body.Close()
}

// TestClient_keepsNoConnection: strangers choose the names, so no connection may
// stay. net/http bounds idle ones over HTTP/1.1 only.
func TestClient_keepsNoConnection(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", http2), func(t *testing.T) {
			server, o, open := serveNames(t, http2, func(http.ResponseWriter, *http.Request) {})
			port, c := portOf(t, server.Listener.Addr().String()), guard.NewClient(o)
			for i := range 50 {
				major, err := call(t.Context(), c, fmt.Sprintf("https://client-%d.example.com:%s/", i, port))
				if err != nil || (major == 2) != http2 {
					t.Fatalf("HTTP/%d, %v", major, err)
				}
			}
			poll.Until(t, 5*time.Second, func() error {
				if n := open.count(); n > 0 {
					return fmt.Errorf("%d connections stay open", n)
				}
				return nil
			})
		})
	}
}

// TestRedTeam_I13_ManyNamesOfOneAddress: whoever has many names and lets them all
// hang takes a bounded number of connections, and nothing from other addresses.
func TestRedTeam_I13_ManyNamesOfOneAddress(t *testing.T) {
	const most = 8
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", http2), func(t *testing.T) {
			asked := make(chan struct{}, most+1)
			server, o, open := serveNames(t, http2, func(_ http.ResponseWriter, r *http.Request) {
				asked <- struct{}{}
				<-r.Context().Done()
			})
			port, c := portOf(t, server.Listener.Addr().String()), guard.NewClient(o)
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			for i := range most {
				all.Go(func() { _, _ = call(ctx, c, fmt.Sprintf("https://slow-%d.example.com:%s/", i, port)) })
			}
			for range most {
				<-asked
			}
			if _, err := call(t.Context(), c, "https://one-more.example.com:"+port+"/"); !errors.Is(err, guard.ErrBusy) {
				t.Errorf("one more: %v", err)
			}
			// Nobody listens at the other address.
			if _, err := call(t.Context(), c, "https://other.example.com:"+port+"/"); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("another address: %v", err)
			}
			cancel()
			all.Wait()
			poll.Until(t, 5*time.Second, func() error {
				if n := open.count(); n > 0 {
					return fmt.Errorf("%d connections stay open", n)
				}
				return nil
			})
			ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if _, err := call(ctx, c, "https://afterwards.example.com:"+port+"/"); errors.Is(err, guard.ErrBusy) {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// TestRedTeam_I13_ManyAddressesOfOneName: a name with many addresses does not make
// the broker knock at all of them, at a port that a stranger chose.
func TestRedTeam_I13_ManyAddressesOfOneName(t *testing.T) {
	for place, met := range map[int]bool{0: true, 3: true, 4: false, 50: false} {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.2.%d:0", place))
		if err != nil {
			t.Fatal(err)
		}
		accepted := make(chan bool, 1)
		go func() {
			conn, err := l.Accept()
			if err == nil {
				err = conn.Close()
			}
			accepted <- err == nil
		}()
		o := guard.Options{Timeout: 5 * time.Second, AllowLoopback: true, Resolver: harness.Resolver(func(string) (all []netip.Addr) {
			for i := range byte(100) {
				all = append(all, netip.AddrFrom4([4]byte{127, 0, 2, i}))
			}
			return all
		})}
		if _, err := call(t.Context(), guard.NewClient(o), "https://many.example.com:"+portOf(t, l.Addr().String())+"/"); err == nil {
			t.Error("there is an answer")
		}
		_ = l.Close()
		if got := <-accepted; got != met {
			t.Errorf("address %d is called: %v, want %v", place, got, met)
		}
	}
}

// TestClient_failuresHoldNoPlace: an address at which nobody listens can be called
// as often as one likes.
func TestClient_failuresHoldNoPlace(t *testing.T) {
	server, o, _ := serveNames(t, false, nil)
	port, c := portOf(t, server.Listener.Addr().String()), guard.NewClient(o)
	for i := range 20 {
		if _, err := call(t.Context(), c, fmt.Sprintf("https://other-%d.example.com:%s/", i, port)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("call %d: %v", i, err)
		}
	}
}
