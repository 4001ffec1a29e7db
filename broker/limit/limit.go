// SPDX-License-Identifier: Apache-2.0

// Package limit slows down callers that ask too often, by their address. It
// counts in this replica only; the map that outsiders fill is bounded.
package limit

import (
	"container/list"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limiter allows each key a rate and a burst. Make one with New.
type Limiter struct {
	rate  rate.Limit
	burst int
	max   int
	now   func() time.Time

	mu     sync.Mutex
	recent *list.List // of *bucket, most recently used first
	byKey  map[string]*list.Element
}

type bucket struct {
	key     string
	limiter *rate.Limiter
}

// New makes a limiter of perSecond requests for each key, in bursts of at most
// burst, that remembers the maxKeys most recent keys.
func New(perSecond float64, burst, maxKeys int, now func() time.Time) *Limiter {
	return &Limiter{rate: rate.Limit(perSecond), burst: burst, max: maxKeys, now: now, recent: list.New(), byKey: map[string]*list.Element{}}
}

// Allow tells whether a request of key may go on, and otherwise how long to wait.
func (l *Limiter) Allow(key string) (bool, time.Duration) {
	now := l.now()
	r := l.bucket(key).ReserveN(now, 1)
	if d := r.DelayFrom(now); d > 0 {
		r.CancelAt(now)
		return false, d
	}
	return true, 0
}

func (l *Limiter) bucket(key string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.byKey[key]; ok {
		l.recent.MoveToFront(e)
		b, _ := e.Value.(*bucket)
		return b.limiter
	}
	for l.recent.Len() >= l.max {
		if b, ok := l.recent.Remove(l.recent.Back()).(*bucket); ok {
			delete(l.byKey, b.key)
		}
	}
	b := &bucket{key: key, limiter: rate.NewLimiter(l.rate, l.burst)}
	l.byKey[key] = l.recent.PushFront(b)
	return b.limiter
}

// Address is who a request comes from: the peer, or, where the peer is a trusted
// proxy, the last address in X-Forwarded-For that is none. IPv6 callers count by
// their /64, which one of them usually has to itself.
func Address(r *http.Request, trusted []netip.Prefix) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	addr := peer.Addr().Unmap()
	var forwarded []string
	for _, h := range r.Header.Values("X-Forwarded-For") {
		forwarded = append(forwarded, strings.Split(h, ",")...)
	}
	for i := len(forwarded) - 1; i >= 0 && contains(trusted, addr); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(forwarded[i]))
		if err != nil {
			break
		}
		addr = next.Unmap()
	}
	if addr.Is6() {
		if p, err := addr.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
