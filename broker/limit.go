// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/limit"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// Limits keep one caller, and one vendor, from taking the broker away from
// others. 0 is no limit.
type Limits struct {
	// AddressRate is how many requests a second an address may send. Requests of
	// clients that the platform registered and that authenticated do not count.
	AddressRate float64
	// ClientRate is how many requests a second such a client may send.
	ClientRate float64
	// VendorCalls is how many calls to one vendor may be under way at once; as many
	// again wait for a moment, and the rest is answered with 503.
	VendorCalls int
}

const (
	// burstSeconds is how long a caller that was quiet may go faster than its rate.
	burstSeconds = 10
	// limitedCallers is how many callers each limiter remembers.
	limitedCallers = 10000
	// Limits of registration, for each caller.
	registrationsPerSecond = 0.5
	registrationBurst      = 20
)

// limiters are one for each thing that is limited.
type limiters struct{ address, client, registration *limit.Limiter }

func newLimiters(c Config) limiters {
	make := func(kind string, r limit.Rate) *limit.Limiter {
		o := limit.Options{Kind: kind, Rate: r, Keys: limitedCallers, Now: c.Now}
		if c.Shared != nil {
			o.Shared = c.Shared
		}
		return limit.New(o)
	}
	burst := func(perSecond float64) limit.Rate {
		return limit.Rate{PerSecond: perSecond, Burst: max(int(perSecond*burstSeconds), 1)}
	}
	return limiters{
		address: make("address", burst(c.Limits.AddressRate)), client: make("client", burst(c.Limits.ClientRate)),
		registration: make("registration", limit.Rate{PerSecond: registrationsPerSecond, Burst: registrationBurst}),
	}
}

// countsLater tells of requests whose caller is known only once it
// authenticated: they are counted there.
func countsLater(method, pattern string) bool {
	if method != http.MethodPost {
		return false
	}
	switch pattern[strings.LastIndex(pattern, "/")+1:] {
	case "token", "par", "revoke", "introspect", "register":
		return true
	}
	return false
}

// addressOf is whom a request is counted for where nobody vouches for its caller.
func (s *Server) addressOf(r *request) string {
	if r.address == "" {
		r.address = limit.Address(r.Request, s.TrustedProxies)
	}
	return r.address
}

// limitAddress counts a request of somebody whom nobody vouches for, once.
func (s *Server) limitAddress(r *request) error {
	if !r.counted {
		r.counted, r.slow = true, s.countAddress(r)
	}
	return r.slow
}

func (s *Server) countAddress(r *request) error {
	wait := s.limiters.address.Wait(r.Context(), s.addressOf(r))
	if wait == 0 {
		return nil
	}
	cause := errors.New("too many requests from one address")
	if limit.Unlisted(r.Request, s.TrustedProxies) {
		cause = errors.New("too many requests from one address, which sends X-Forwarded-For and is not among the trusted proxies")
	}
	return s.tooMany("address", wait, cause)
}

// limitCaller counts a request after its client was looked for. Who is known
// counts by name: strangers behind the same proxy use up nothing of it. Anybody
// can name a public client, and register one, so these count by address.
func (s *Server) limitCaller(r *request, c *runtimeconfig.Client) error {
	if c == nil || c.SelfRegistered || c.Auth == runtimeconfig.ClientNone {
		return s.limitAddress(r)
	}
	if wait := s.limiters.client.Wait(r.Context(), c.ID); wait > 0 {
		return s.tooMany("client", wait, errors.New("too many requests of one client"))
	}
	return nil
}

// limitRegistration counts a registration.
func (s *Server) limitRegistration(r *request, caller string) error {
	if wait := s.limiters.registration.Wait(r.Context(), caller); wait > 0 {
		return s.tooMany("registration", wait, errors.New("too many registrations"))
	}
	return nil
}

// tooMany is the answer to who asks too often.
func (s *Server) tooMany(limited string, wait time.Duration, cause error) error {
	s.metrics.limited.WithLabelValues(limited).Inc()
	return &pageError{
		status: http.StatusTooManyRequests, title: "Too many requests", text: "Too many requests come from where you are. Try again in a moment.",
		retryAfter: wait, cause: cause,
	}
}
