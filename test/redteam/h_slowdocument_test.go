// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/test/harness"
	"github.com/oauthbroker/oauth-broker/test/poll"
)

// silent is a stranger's host that takes connections and says nothing, until the
// test lets it end.
type silent struct {
	port string
	met  *atomic.Int64
	end  func()
}

func newSilent(t *testing.T, address string) silent {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address+":0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s := silent{port: port, met: &atomic.Int64{}}
	var mu sync.Mutex
	var conns []net.Conn
	s.end = func() {
		_ = l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range conns {
			_ = c.Close()
		}
		conns = nil
	}
	t.Cleanup(s.end)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			s.met.Add(1)
		}
	}()
	return s
}

// Strangers name documents at hosts that never answer, each at an address of its
// own. One of them takes four places; who asks from elsewhere does not notice. The
// networks of a /48 are one.
func TestRedTeam_H15_SlowHosts(t *testing.T) {
	for what, address := range map[string]func(int) string{
		"one address": func(int) string { return "203.0.113.9" }, "one /48": func(n int) string { return fmt.Sprintf("2001:db8:1:%x::9", n) },
	} {
		t.Run(what, func(t *testing.T) {
			slowHosts(t, address)
		})
	}
}

func slowHosts(t *testing.T, caller func(n int) string) {
	t.Helper()
	const hosts, places = 40, 4
	s := newSite(t)
	o := s.setup("127.0.0.1")
	o.Replicas, o.TrustedProxies = 1, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	o.Guard.Timeout = time.Minute
	o.Guard.Resolver = harness.Resolver(func(name string) []netip.Addr {
		var n byte
		if _, err := fmt.Sscanf(name, "slow-%d.", &n); err == nil {
			return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 1, n})}
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	})
	h := harness.Standard(t, o)
	slow := make([]silent, hosts)
	for i := range slow {
		slow[i] = newSilent(t, fmt.Sprintf("127.0.1.%d", i))
	}
	met := func() (n int64) {
		for _, s := range slow {
			n += s.met.Load()
		}
		return n
	}
	from := func(address, id string) *harness.Response {
		header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "X-Forwarded-For": {address}}
		return h.Send(http.MethodPost, tokenURL, url.Values{"grant_type": {"refresh_token"}, "client_id": {id}}.Encode(), header)
	}
	var attack sync.WaitGroup
	var refused atomic.Int64
	for i := range slow {
		attack.Go(func() {
			r := from(caller(i), fmt.Sprintf("https://slow-%d.example.com:%s/c", i, slow[i].port))
			wantJSON(t, "a host that does not answer", r, failure{http.StatusServiceUnavailable, "temporarily_unavailable"})
			refused.Add(1)
		})
	}
	poll.Until(t, 10*time.Second, func() error {
		if met() < places || refused.Load() < hosts-places {
			return fmt.Errorf("%d connections, %d refused", met(), refused.Load())
		}
		return nil
	})
	if n := met(); n != places {
		t.Errorf("one caller holds %d places, want %d", n, places)
	}
	good := s.document("/client.json", nil)
	wantJSON(t, "the same caller, another document", from(caller(hosts), good), failure{http.StatusServiceUnavailable, "temporarily_unavailable"})
	if r := from("203.0.113.10", good); r.Status != http.StatusBadRequest || r.Text("error") != "invalid_request" {
		t.Errorf("another caller: %d %s, want that its client is known and its refresh token missing", r.Status, r.Body)
	}
	for _, s := range slow {
		s.end()
	}
	attack.Wait()
	if r := from(caller(hosts), good); r.Status != http.StatusBadRequest {
		t.Errorf("the same caller, afterwards: %d %s", r.Status, r.Body)
	}
}

// A client whose document cannot be read for a while is not told that it is
// unknown: clients throw their tokens away then.
func TestRedTeam_H15_DocumentAway(t *testing.T) {
	s := newSite(t)
	id := s.document("/client.json", nil)
	document := s.pages["/client.json"]
	o := s.setup("127.0.0.1")
	o.Replicas = 1
	h := harness.Standard(t, o)
	l := h.NewLogin(id)
	agree(t, l)
	tokens := h.Token(tokenURL, l.Form(), harness.None(id))
	wantTokens(t, "login", tokens)
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.Text("refresh_token")}}
	for what, page := range map[string]http.HandlerFunc{
		"500": answer(http.StatusInternalServerError, "application/json", "{}"), "429": answer(http.StatusTooManyRequests, "text/html", ""),
		"cut off": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		s.serve("/client.json", page)
		h.Clock.Advance(6 * time.Minute) // beyond the cache
		for range 2 {
			r := h.Token(tokenURL, refresh, harness.None(id))
			wantJSON(t, what, r, failure{http.StatusServiceUnavailable, "temporarily_unavailable"})
			if r.Header.Get("Retry-After") != "10" {
				t.Errorf("%s: Retry-After is %q", what, r.Header.Get("Retry-After"))
			}
			again := l.Authorize()
			wantPage(t, what, again, http.StatusServiceUnavailable)
			if strings.Contains(again.Body, siteName) {
				t.Errorf("%s: the page repeats a stranger's URL", what)
			}
		}
		s.serve("/client.json", document)
		h.Clock.Advance(11 * time.Second)
		r := h.Token(tokenURL, refresh, harness.None(id))
		wantTokens(t, what+", afterwards", r)
		refresh.Set("refresh_token", r.Text("refresh_token"))
	}
	s.serve("/client.json", answer(http.StatusNotFound, "text/html", ""))
	h.Clock.Advance(6 * time.Minute)
	wantJSON(t, "a document that is gone", h.Token(tokenURL, refresh, harness.None(id)), failure{http.StatusUnauthorized, "invalid_client"})
}
