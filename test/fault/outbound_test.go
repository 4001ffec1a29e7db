// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"bufio"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/harness"
	"github.com/oauthbroker/oauth-broker/test/wire"
)

// behind puts a wire before the vendor, for the broker alone.
func behind(t *testing.T, h *harness.Harness) *wire.Wire {
	t.Helper()
	host := strings.TrimPrefix(h.Fake.Issuer(), "https://")
	w := wire.New(t, host)
	d := h.Document()
	e := &d.Vendors[0].Target.Endpoints
	for _, u := range []*string{&e.Token, &e.Refresh, &e.JWKS} {
		*u = strings.Replace(*u, host, w.Addr(), 1)
	}
	h.Apply(d)
	return w
}

// TestOutbound_connectionsAreReused: many calls, one connection; and as many as
// run at once when they run at once.
func TestOutbound_connectionsAreReused(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Options: harness.Options{Replicas: 1}})
	w := behind(t, h)
	for range 20 {
		wantTokens(t, "login", h.Login(harness.WebClient).Redeem())
	}
	if n := w.Accepted(); n != 1 {
		t.Errorf("20 logins one after the other took %d connections, want 1", n)
	}
	const width = 8
	for range 5 {
		var all sync.WaitGroup
		for range width {
			l := h.Login(harness.WebClient)
			all.Go(func() { wantTokens(t, "login", l.Redeem()) })
		}
		all.Wait()
	}
	if n := w.Accepted(); n > 2*width {
		t.Errorf("%d logins, %d at once, took %d connections", 5*width, width, n)
	}
}

// TestOutbound_deadIdleConnection: a connection that the vendor closed while it
// idled costs no login: nothing was sent on it, and a new one is made.
func TestOutbound_deadIdleConnection(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Options: harness.Options{Replicas: 1}})
	w := behind(t, h)
	for range 10 {
		l := h.Login(harness.WebClient)
		w.Reset()
		before := h.Fake.Stats().CodesRedeemed
		r := l.Redeem()
		if r.Status != http.StatusOK {
			// The reset may have met the request on its way: then nobody knows.
			wantRefusal(t, "login", r, unavailable())
		} else if n := h.Fake.Stats().CodesRedeemed - before; n != 1 {
			t.Errorf("%d codes were redeemed", n)
		}
	}
	wantTokens(t, "afterwards", h.Login(harness.WebClient).Redeem())
}

// rude is a vendor that serves one exchange on each connection, then takes the
// next request and closes the connection instead of an answer.
type rude struct {
	*httptest.Server
	taken atomic.Int64
}

func newRude(t *testing.T, http2 bool) *rude {
	t.Helper()
	v := &rude{}
	v.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if v.taken.Add(1)%2 == 0 {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"a-token","token_type":"Bearer"}`)
	}))
	v.EnableHTTP2 = http2
	v.StartTLS()
	t.Cleanup(v.Close)
	return v
}

// TestOutbound_noReplay: net/http sends a request again where a connection that
// it used before dies, if it thinks that it may. A code must be sent once:
// exactly one request is seen, over HTTP/1.1 and HTTP/2, whatever headers the
// vendor's configuration adds.
func TestOutbound_noReplay(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		for _, header := range []string{"X-Harmless", "Idempotency-Key", "X-Idempotency-Key"} {
			t.Run(fmt.Sprintf("HTTP/2 %v, %s", http2, header), func(t *testing.T) {
				h := harness.Standard(t, harness.Setup{Options: harness.Options{Replicas: 1}})
				v := newRude(t, http2)
				d := h.Document()
				d.Vendors[0].Target.Endpoints.Token = v.URL + "/token"
				d.Vendors[0].Transport.CABundle = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: v.Certificate().Raw}))
				d.Vendors[0].TokenRequest.Headers = []runtimeconfig.Parameter{{Name: header, Value: "x"}}
				h.Apply(d)
				for n := range int64(5) {
					wantTokens(t, "on a new connection", h.Login(harness.WebClient).Redeem())
					wantRefusal(t, "on a connection that dies", h.Login(harness.WebClient).Redeem(), unavailable())
					if got := v.taken.Load(); got != 2*(n+1) {
						t.Fatalf("the vendor saw %d requests, want %d", got, 2*(n+1))
					}
				}
			})
		}
	}
}

// halfway is a vendor that reads the request and closes without a word, as raw
// as TCP allows: no HTTP server tidies up behind it.
func halfway(t *testing.T) (address, ca string, taken *atomic.Int64) {
	t.Helper()
	taken = &atomic.Int64{}
	like := httptest.NewUnstartedServer(nil)
	like.StartTLS() // for its certificate
	t.Cleanup(like.Close)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: like.TLS.Certificates, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				for first := true; ; first = false {
					r, err := http.ReadRequest(bufio.NewReader(conn))
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, r.Body)
					taken.Add(1)
					if !first {
						return
					}
					const body = `{"access_token":"a-token","token_type":"Bearer"}`
					_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
				}
			}()
		}
	}()
	return l.Addr().String(), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: like.Certificate().Raw})), taken
}

// TestOutbound_noReplayOnReusedConnection: the case for which net/http has its
// retry: the connection answered before, is used again, and ends with nothing.
func TestOutbound_noReplayOnReusedConnection(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Options: harness.Options{Replicas: 1}})
	address, ca, taken := halfway(t)
	d := h.Document()
	d.Vendors[0].Target.Endpoints.Token, d.Vendors[0].Transport.CABundle = "https://"+address+"/token", ca
	d.Vendors[0].TokenRequest.Headers = []runtimeconfig.Parameter{{Name: "Idempotency-Key", Value: "x"}}
	h.Apply(d)
	for n := range int64(5) {
		wantTokens(t, "on a new connection", h.Login(harness.WebClient).Redeem())
		wantRefusal(t, "on the same connection", h.Login(harness.WebClient).Redeem(), unavailable())
		if got := taken.Load(); got != 2*(n+1) {
			t.Fatalf("the vendor saw %d requests, want %d", got, 2*(n+1))
		}
	}
}
