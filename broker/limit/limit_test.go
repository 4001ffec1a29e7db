// SPDX-License-Identifier: Apache-2.0

package limit_test

import (
	"net/http"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/limit"
)

func TestLimiter(t *testing.T) {
	now := time.Unix(0, 0)
	l := limit.New(1, 3, 2, func() time.Time { return now })
	for i := range 3 {
		if ok, _ := l.Allow("a"); !ok {
			t.Errorf("request %d of the burst is refused", i)
		}
	}
	ok, wait := l.Allow("a")
	if ok || wait <= 0 || wait > time.Second {
		t.Errorf("Allow() = %v, %v", ok, wait)
	}
	if ok, _ := l.Allow("b"); !ok {
		t.Error("another caller pays for the first")
	}
	now = now.Add(time.Second)
	if ok, _ := l.Allow("a"); !ok {
		t.Error("a second later it is still refused")
	}
	for i := range 100 {
		l.Allow(strconv.Itoa(i))
	}
	if ok, _ := l.Allow("a"); !ok {
		t.Error("the oldest key was not forgotten: the map is not bounded")
	}
}

func TestAddress(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct{ name, peer, forwarded, want string }{
		{"no proxy", "192.0.2.1:4", "", "192.0.2.1"},
		{"header of somebody who is no proxy", "192.0.2.1:4", "203.0.113.9", "192.0.2.1"},
		{"proxy", "10.0.0.1:4", "203.0.113.9", "203.0.113.9"},
		{"a made-up address before the real one", "10.0.0.1:4", "1.1.1.1, 203.0.113.9", "203.0.113.9"},
		{"two proxies", "10.0.0.1:4", "203.0.113.9, 10.0.0.2", "203.0.113.9"},
		{"nonsense", "10.0.0.1:4", "x", "10.0.0.1"},
		{"IPv6", "[2001:db8:1:2:3::4]:5", "", "2001:db8:1:2::/64"},
		{"mapped", "[::ffff:192.0.2.1]:5", "", "192.0.2.1"},
		{"no address", "pipe", "203.0.113.9", "unknown"},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{}}
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := limit.Address(r, trusted); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
