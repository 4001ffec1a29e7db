// SPDX-License-Identifier: Apache-2.0

package limit_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/limit"
)

func TestLimiter(t *testing.T) {
	now := time.Unix(0, 0)
	l := limit.New(limit.Options{Rate: limit.Rate{PerSecond: 1, Burst: 3}, Keys: 2, Now: func() time.Time { return now }})
	for i := range 3 {
		if l.Wait(t.Context(), "a") != 0 {
			t.Errorf("request %d of the burst is refused", i)
		}
	}
	if wait := l.Wait(t.Context(), "a"); wait <= 0 || wait > time.Second {
		t.Errorf("the fourth waits %v", wait)
	}
	if l.Wait(t.Context(), "b") != 0 {
		t.Error("another caller pays for the first")
	}
	now = now.Add(time.Second)
	if l.Wait(t.Context(), "a") != 0 {
		t.Error("a second later it is still refused")
	}
	for i := range 100 {
		l.Wait(t.Context(), strconv.Itoa(i))
	}
	if l.Wait(t.Context(), "a") != 0 {
		t.Error("the oldest key was not forgotten: the map is not bounded")
	}
}

func TestLimiter_none(t *testing.T) {
	l := limit.New(limit.Options{})
	for range 1000 {
		if l.Wait(t.Context(), "a") != 0 {
			t.Fatal("no limit refuses")
		}
	}
}

// redis counts its calls, and fails or refuses as it is told.
type redis struct {
	calls int
	wait  time.Duration
	err   error
}

func (r *redis) Spend(context.Context, string, limit.Rate) (time.Duration, error) {
	r.calls++
	return r.wait, r.err
}

func TestLimiter_shared(t *testing.T) {
	now, r := time.Unix(0, 0), &redis{}
	l := limit.New(limit.Options{Rate: limit.Rate{PerSecond: 1, Burst: 3}, Keys: 2, Now: func() time.Time { return now }, Shared: r})
	want := func(what string, wait bool, calls int) {
		t.Helper()
		if got := l.Wait(t.Context(), "a") > 0; got != wait || r.calls != calls {
			t.Errorf("%s: refused %v after %d calls of Redis, want %v after %d", what, got, r.calls, wait, calls)
		}
	}
	want("first", false, 1)
	r.wait = time.Minute
	want("others used it up", true, 2)
	r.wait, r.err = 0, errors.New("away")
	want("Redis is away", false, 3)
	want("refused here, so Redis is not asked", true, 3)
	now = now.Add(999 * time.Millisecond)
	if l.Wait(t.Context(), "b") != 0 || r.calls != 3 {
		t.Errorf("Redis was asked %d times: it is not left alone", r.calls)
	}
	r.err = nil
	now = now.Add(time.Millisecond)
	want("asked again after the pause", false, 4)
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
		{"with its port", "10.0.0.1:4", "1.1.1.1:1, 203.0.113.9:50123", "203.0.113.9"},
		{"IPv6 with its port", "10.0.0.1:4", "[2001:db8:1:2:3::4]:50123", "2001:db8:1:2::/64"},
		{"port of nothing", "10.0.0.1:4", ":50123", "10.0.0.1"},
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

// A header of somebody who is no trusted proxy changes nothing, and whatever it
// says, the answer is an address, a /64, or the peer.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"203.0.113.9", "1.1.1.1, 203.0.113.9", "2001:db8::1", "fe80::1%eth0", "::ffff:1.2.3.4", ",,", "x", " 10.0.0.1 ,10.0.0.2"} {
		f.Add("10.0.0.1:4", s)
		f.Add("192.0.2.1:4", s)
	}
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, peer, forwarded string) {
		r := &http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": {forwarded}}}
		got := limit.Address(r, trusted)
		_, isAddress := netip.ParseAddr(got)
		prefix, isPrefix := netip.ParsePrefix(got)
		if got != "unknown" && isAddress != nil && (isPrefix != nil || prefix.Bits() != 64) {
			t.Errorf("%q through %q is %q", forwarded, peer, got)
		}
		if alone := limit.Address(&http.Request{RemoteAddr: peer}, trusted); limit.Address(r, nil) != alone {
			t.Errorf("%q is believed of %q, which is nobody", forwarded, peer)
		}
	})
}
