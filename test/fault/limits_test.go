// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// limited runs one broker whose callers may send 10 requests at once, and one
// more each 1000 seconds: no test takes as long.
func limited(t *testing.T, limits broker.Limits, trusted ...string) *harness.Harness {
	t.Helper()
	o := harness.Options{Replicas: 1, Limits: limits}
	for _, p := range trusted {
		o.TrustedProxies = append(o.TrustedProxies, netip.MustParsePrefix(p))
	}
	return harness.Standard(t, harness.Setup{Options: o})
}

// ten requests at once.
const (
	tenAtOnce = 1.0
	everyone  = "127.0.0.0/8"
)

// from asks for a page, as an address would through a proxy.
func from(h *harness.Harness, address string) *harness.Response {
	return h.Send(http.MethodGet, issuer+"/authorize?client_id=nobody", "", http.Header{"X-Forwarded-For": {address}})
}

// exhaust sends requests until one is refused, and returns how many went through.
func exhaust(t *testing.T, ask func() *harness.Response) (good int, refused *harness.Response) {
	t.Helper()
	for good < 200 {
		if r := ask(); r.Status == http.StatusTooManyRequests {
			return good, r
		}
		good++
	}
	t.Fatal("nothing is refused")
	return 0, nil
}

// atLeastTen: a second more than ten on a machine that is slow.
func wantBurst(t *testing.T, what string, good int, took time.Duration) {
	t.Helper()
	if good < 10 || float64(good) > 10+took.Seconds()+1 {
		t.Errorf("%s: %d requests went through in %s, want 10 and one a second", what, good, took)
	}
}

// TestLimit_address: 429 with a page and Retry-After, for one address; others,
// probes, and clients that authenticate do not notice.
func TestLimit_address(t *testing.T) {
	h := limited(t, broker.Limits{AddressRate: tenAtOnce}, everyone)
	l := h.Login(harness.WebClient) // its own requests come from 127.0.0.1
	start := time.Now()
	good, r := exhaust(t, func() *harness.Response { return from(h, "203.0.113.9") })
	wantBurst(t, "one address", good, time.Since(start))
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") || !strings.Contains(r.Body, "Too many requests") {
		t.Errorf("got %s %s", r.Header.Get("Content-Type"), r.Body)
	}
	if s, err := strconv.Atoi(r.Header.Get("Retry-After")); err != nil || s < 1 || s > 10 {
		t.Errorf("Retry-After is %q", r.Header.Get("Retry-After"))
	}
	if r := from(h, "203.0.113.10"); r.Status == http.StatusTooManyRequests {
		t.Error("another address pays for the first")
	}
	h.Clock.Advance(2 * time.Second)
	if r := from(h, "203.0.113.9"); r.Status == http.StatusTooManyRequests {
		t.Error("it is refused for longer than it was told")
	}
	exhaust(t, func() *harness.Response { return from(h, "127.0.0.1") })
	wantTokens(t, "a client that authenticates", l.Redeem())
	for range 30 {
		if r := h.Send(http.MethodGet, harness.PublicURL+"/readyz", "", http.Header{}); r.Status != http.StatusOK {
			t.Fatalf("the probe got %d", r.Status)
		}
	}
	if !strings.Contains(h.Metrics(), `oauth_broker_limited_requests_total{limit="address"}`) {
		t.Error("no metric tells")
	}
}

// TestLimit_programs: what programs call answers in JSON. Whoever does not
// authenticate counts by address, with good and with bad requests.
func TestLimit_programs(t *testing.T) {
	for name, ask := range map[string]func(h *harness.Harness) *harness.Response{
		"public client": func(h *harness.Harness) *harness.Response {
			return h.Token(tokenURL, url.Values{"grant_type": {"x"}}, harness.None(harness.PublicClient))
		},
		"wrong secret": func(h *harness.Harness) *harness.Response {
			return h.Token(tokenURL, url.Values{"grant_type": {"x"}}, harness.Basic(harness.WebClient, "wrong"))
		},
		"no form": func(h *harness.Harness) *harness.Response {
			return h.Send(http.MethodPost, tokenURL, "{}", http.Header{"Content-Type": {"application/json"}})
		},
		"revoke": func(h *harness.Harness) *harness.Response {
			return h.Token(issuer+"/revoke", url.Values{"token": {"x"}}, harness.None("nobody"))
		},
		"introspect": func(h *harness.Harness) *harness.Response {
			return h.Token(issuer+"/introspect", url.Values{"token": {"x"}}, harness.None("nobody"))
		},
		"pushed request": func(h *harness.Harness) *harness.Response {
			return h.Token(issuer+"/par", url.Values{}, harness.None("nobody"))
		},
		"metadata": func(h *harness.Harness) *harness.Response {
			return h.Send(http.MethodGet, issuer+"/.well-known/openid-configuration", "", http.Header{})
		},
		"GET of token": func(h *harness.Harness) *harness.Response { return h.Send(http.MethodGet, tokenURL, "", http.Header{}) },
		"preflight": func(h *harness.Harness) *harness.Response {
			return h.Send(http.MethodOptions, tokenURL, "", http.Header{"Origin": {"https://a.example"}})
		},
		"a registration that is no JSON": func(h *harness.Harness) *harness.Response { return registerAs(h, "", "<xml/>") },
		"a registration at no vendor":    func(h *harness.Harness) *harness.Response { return registerAs(h, "", `{"vendor":1}`) },
		"a registration that nobody may": func(h *harness.Harness) *harness.Response {
			return registerAs(h, "", `{"redirect_uris":["https://a.example/cb"]}`)
		},
		"reading a registration": func(h *harness.Harness) *harness.Response {
			return h.Send(http.MethodGet, harness.PublicURL+"/v1/register/x", "", http.Header{"Authorization": {"Bearer x"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := limited(t, broker.Limits{AddressRate: tenAtOnce})
			start := time.Now()
			good, r := exhaust(t, func() *harness.Response { return ask(h) })
			wantBurst(t, name, good, time.Since(start))
			wantRefusal(t, name, r, tooMany())
			if r.Header.Get("Retry-After") == "" || r.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("got %v", r.Header)
			}
		})
	}
}

// registerAs registers with these credentials.
func registerAs(h *harness.Harness, authorization, body string) *harness.Response {
	header := http.Header{"Content-Type": {"application/json"}}
	if authorization != "" {
		header.Set("Authorization", authorization)
	}
	return h.Send(http.MethodPost, harness.PublicURL+"/v1/register", body, header)
}

// TestLimit_registrations: who registers itself as many clients gets no more
// registrations at a vendor than anybody else at its address.
func TestLimit_registrations(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Options: harness.Options{Replicas: 1, Registration: broker.Registration{Mode: broker.RegistrationOpen}}})
	d := h.Document()
	v := &d.Vendors[0]
	v.SelfRegisteredUse, v.Target.Endpoints.Registration = true, h.Fake.URL(fakevendor.Registration)
	v.Registration = runtimeconfig.Registration{Mode: "Open", Anonymous: true, Scheme: "Bearer"}
	h.Apply(d)
	start := time.Now()
	for range 3 {
		c := registerAs(h, "", `{"redirect_uris":["https://a.example/cb"]}`)
		if c.Status != http.StatusCreated {
			break // it asked too often
		}
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(c.Text("client_id"), c.Text("client_secret"))
		exhaust(t, func() *harness.Response {
			return registerAs(h, r.Header.Get("Authorization"), `{"vendor":"`+harness.VendorName+`","client_name":"My app"}`)
		})
	}
	if n := h.Fake.Count(fakevendor.Registration); n < 19 || float64(n) > 20+time.Since(start).Seconds() {
		t.Errorf("one address registered %d times at the vendor, want 20 and one in two seconds", n)
	}
}

// TestLimit_client: a client that authenticates has a limit of its own, and what
// is refused spends nothing.
func TestLimit_client(t *testing.T) {
	h := limited(t, broker.Limits{ClientRate: tenAtOnce, AddressRate: 1000})
	l, other := h.Login(harness.WebClient), h.Login(harness.KeyClient)
	start := time.Now()
	good, r := exhaust(t, func() *harness.Response { return l.Send(url.Values{"grant_type": {"x"}}) })
	wantBurst(t, "one client", good, time.Since(start))
	wantRefusal(t, "one client", r, tooMany())
	calls := h.Fake.Count("token")
	r = l.Redeem()
	if r.Status == http.StatusTooManyRequests && h.Fake.Count("token") != calls {
		t.Error("the vendor was called for a request that was refused")
	}
	wantTokens(t, "another client", other.Redeem())
	wantRefusal(t, "a stranger who names the client", h.Token(tokenURL, url.Values{}, harness.Basic(harness.WebClient, "wrong")), refusal{http.StatusUnauthorized, "invalid_client"})
	h.Clock.Advance(20 * time.Second)
	if r.Status == http.StatusTooManyRequests {
		wantTokens(t, "the same code later", l.Redeem())
	}
}

// TestRedTeam_K01_ForwardedFor: a header is believed of listed proxies alone.
func TestRedTeam_K01_ForwardedFor(t *testing.T) {
	h := limited(t, broker.Limits{AddressRate: tenAtOnce})
	n := 0
	start := time.Now()
	good, _ := exhaust(t, func() *harness.Response { n++; return from(h, "203.0.113."+strconv.Itoa(n)) })
	wantBurst(t, "made-up addresses", good, time.Since(start))
	if !strings.Contains(h.Logs(), "not among the trusted proxies") {
		t.Error("nothing tells the operator of a proxy that is not listed")
	}

	h = limited(t, broker.Limits{AddressRate: tenAtOnce}, everyone)
	n, start = 0, time.Now()
	good, _ = exhaust(t, func() *harness.Response {
		n++
		return from(h, "203.0.113."+strconv.Itoa(n)+", 198.51.100.7") // what the client sent, then what the proxy saw
	})
	wantBurst(t, "a made-up address before the real one", good, time.Since(start))
	n, start = 0, time.Now()
	good, _ = exhaust(t, func() *harness.Response { n++; return from(h, "2001:db8:1:2::"+strconv.Itoa(n)) })
	wantBurst(t, "addresses of one /64", good, time.Since(start))
	if r := from(h, "2001:db8:1:3::1"); r.Status == http.StatusTooManyRequests {
		t.Error("another /64 pays for the first")
	}
}

// TestRedTeam_K02_Underscore: a header whose name only looks like
// X-Forwarded-For where - and _ are one is not it, not even of a listed proxy.
func TestRedTeam_K02_Underscore(t *testing.T) {
	h := limited(t, broker.Limits{AddressRate: tenAtOnce}, everyone)
	n := 0
	start := time.Now()
	good, _ := exhaust(t, func() *harness.Response {
		n++
		return h.Send(http.MethodGet, issuer+"/authorize?client_id=nobody", "", http.Header{
			"X-Forwarded-For": {"203.0.113.9"}, "X_Forwarded_For": {"198.51.100." + strconv.Itoa(n)}, "X-Forwarded_For": {"198.51.100." + strconv.Itoa(n)},
		})
	})
	wantBurst(t, "made-up addresses in headers of another name", good, time.Since(start))
}
