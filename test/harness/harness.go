// SPDX-License-Identifier: Apache-2.0

// Package harness runs whole brokers in a test: several replicas in one
// process, each behind TLS, that share a key ring, a clock and nothing else.
//
// A test talks to one public host, as browsers and clients do, and says which
// replica serves a step:
//
//	h := harness.Standard(t, harness.Setup{})
//	l := h.NewLogin(harness.WebClient)
//	h.Pin(1)
//	toVendor := l.Authorize()          // replica 1
//	h.Pin(2)
//	l.Finish(toVendor)                 // vendor, then replica 2
//	answer := l.Redeem()               // replica 2
//
// Every secret that passes by is remembered. When a test ends, its logs, metrics
// and error answers are searched for all of them (see CheckNoSecrets).
package harness

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/broker/audit"
	"github.com/oauthbroker/oauth-broker/broker/client"
	"github.com/oauthbroker/oauth-broker/broker/guard"
	"github.com/oauthbroker/oauth-broker/broker/live"
	"github.com/oauthbroker/oauth-broker/broker/once"
	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/capture"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// Host is the brokers' public host, and PublicURL their base.
const (
	Host      = "broker.test"
	PublicURL = "https://" + Host
)

// Options of Start. The zero value is two replicas in the profile without Redis.
type Options struct {
	// Replicas is how many brokers there are; 2 when 0.
	Replicas int
	// Env is the brokers' environment.
	Env map[string]string
	// Redis is the URL of the Redis that the replicas share, each through
	// connections of its own; empty is the profile without.
	Redis string
	// Look are more places that are searched for secrets at the end, by name.
	Look map[string]func() string
	// Lifetimes of what is sealed.
	Lifetimes broker.Lifetimes
	// Registration says who may register clients; nobody when zero.
	Registration broker.Registration
	// Guard shapes the fetcher of client id metadata documents; nil accepts none.
	Guard *guard.Options
	// Limits of what callers may ask; none when zero.
	Limits broker.Limits
	// TrustedProxies are believed about whom they forward for.
	TrustedProxies []netip.Prefix
	// Theme of the pages.
	Theme broker.Theme
	// Audit makes the replicas write an audit log, which Audit returns.
	Audit bool
	// Tracing makes the spans of a replica; nil makes none.
	Tracing func(number int) trace.TracerProvider
	// CORSOrigins may call token, register and the like from scripts.
	CORSOrigins []string
}

// Harness is the running brokers.
type Harness struct {
	// Clock is the time of all brokers, and of the vendors that StartVendor makes.
	Clock *Clock
	// Fake is the vendor of Standard.
	Fake *fakevendor.Server

	t        testing.TB
	options  Options
	ring     keyring.Ring
	router   *router
	replicas []*replica
	logs     *capture.Buffer
	audit    *capture.Buffer
	listener *listener
	tls      *transport
	key      *ecdsa.PrivateKey
}

// replica is one broker.
type replica struct {
	server *broker.Server
	config *live.Config
	http   *httptest.Server
	dead   atomic.Bool
	skew   atomic.Int64
}

// Start runs brokers without a configuration; give them one with Apply.
func Start(t testing.TB, o Options) *Harness {
	t.Helper()
	if o.Replicas == 0 {
		o.Replicas = 2
	}
	h := &Harness{Clock: &Clock{}, t: t, options: o, logs: &capture.Buffer{}, audit: &capture.Buffer{}, listener: newListener()}
	h.ring = keyring.New(h.Clock.Now())
	for _, k := range append(h.ring.Flow, h.ring.Grant...) {
		h.listener.plant("sealing key", k.Secret.Reveal())
	}
	h.listener.plant("initial access token of the broker", o.Registration.Token.Reveal())
	h.tls = newTransport(t)
	h.router = &router{listener: h.listener, vendors: map[string]http.RoundTripper{}}
	for n := range o.Replicas {
		h.replicas = append(h.replicas, h.startReplica(n+1))
	}
	h.router.replicas = h.replicas
	t.Cleanup(func() { h.CheckNoSecrets(t) })
	return h
}

func (h *Harness) startReplica(number int) *replica {
	h.t.Helper()
	r := &replica{config: &live.Config{}}
	now := func() time.Time { return h.Clock.Now().Add(time.Duration(r.skew.Load())) }
	keys, err := seal.NewKeys(h.ring, now)
	if err != nil {
		h.t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(h.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	registry := prometheus.NewRegistry()
	taken, shared := h.once()
	var spans trace.TracerProvider
	if h.options.Tracing != nil {
		spans = h.options.Tracing(number)
	}
	r.server, err = broker.New(broker.Config{
		PublicURL: PublicURL, Config: r.config, Keys: keys, Once: taken, Shared: shared, Registry: registry, Audit: h.startAudit(registry, log),
		Logger: log.With("replica", number), Tracing: spans, Now: now, Lifetimes: h.options.Lifetimes,
		Registration: h.options.Registration, Documents: h.documents(), CORSOrigins: h.options.CORSOrigins,
		Limits: h.options.Limits, Theme: h.options.Theme, TrustedProxies: h.options.TrustedProxies,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	r.http = httptest.NewUnstartedServer(r.server.Public())
	r.http.TLS = h.tls.server
	r.http.EnableHTTP2 = true
	r.http.StartTLS()
	h.router.transports = append(h.router.transports, &http.Transport{
		TLSClientConfig: h.tls.client.Clone(), ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 128,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, r.http.Listener.Addr().String())
		},
	})
	h.t.Cleanup(func() { r.kill() })
	return r
}

// startAudit writes the audit log of one replica, where there is one.
func (h *Harness) startAudit(registry *prometheus.Registry, log *slog.Logger) *audit.Log {
	if !h.options.Audit {
		return nil
	}
	l := audit.New(h.audit, registry, log)
	go l.Run(h.t.Context())
	return l
}

// Audit is the audit log of all replicas, one JSON object a line.
func (h *Harness) Audit() string { return h.audit.String() }

// once connects one replica to Redis, where there is one.
func (h *Harness) once() (once.Store, broker.Shared) {
	h.t.Helper()
	if h.options.Redis == "" {
		return once.Stateless{}, nil
	}
	r, err := once.NewRedis(h.options.Redis)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = r.Close() })
	return r, r
}

// documents fetches for one replica: replicas share no cache.
func (h *Harness) documents() *client.Documents {
	if h.options.Guard == nil {
		return nil
	}
	return client.NewDocuments(guard.NewClient(*h.options.Guard), h.Clock.Now)
}

// Apply makes every replica serve d.
func (h *Harness) Apply(d runtimeconfig.Document) {
	h.t.Helper()
	for n := range h.replicas {
		h.ApplyTo(n+1, d)
	}
}

// ApplyTo makes one replica serve d, as a reload that reached no other yet.
func (h *Harness) ApplyTo(number int, d runtimeconfig.Document) {
	h.t.Helper()
	lookup := func(name string) (string, bool) {
		v, ok := h.options.Env[name]
		return v, ok
	}
	s, err := runtimeconfig.NewSnapshot(clone(h.t, d), "test", 1, runtimeconfig.Options{LookupEnv: lookup, Now: h.Clock.Now})
	if err != nil {
		h.t.Fatal(err)
	}
	h.replicas[number-1].config.Set(s)
}

// Serve makes every replica serve a snapshot that a source loaded.
func (h *Harness) Serve(s *runtimeconfig.Snapshot) {
	for _, r := range h.replicas {
		r.config.Set(s)
	}
}

// Reach lets browsers reach a vendor that runs already.
func (h *Harness) Reach(v *fakevendor.Server) { h.router.addVendor(v) }

// clone copies a document through its wire form: replicas share nothing, and
// a test may change its own copy.
func clone(t testing.TB, d runtimeconfig.Document) runtimeconfig.Document {
	t.Helper()
	out := runtimeconfig.Document{Vendors: make([]runtimeconfig.Vendor, len(d.Vendors)), Clients: make([]runtimeconfig.Client, len(d.Clients))}
	copyJSON(t, d.Vendors, &out.Vendors)
	copyJSON(t, d.Clients, &out.Clients)
	copyJSON(t, d.Credentials, &out.Credentials)
	for i, c := range d.Credentials { // secrets do not travel as JSON
		out.Credentials[i].ClientSecret, out.Credentials[i].PrivateKey = c.ClientSecret, c.PrivateKey
	}
	for i, v := range d.Vendors {
		out.Vendors[i].Registration.InitialAccessToken = v.Registration.InitialAccessToken
	}
	return out
}

func copyJSON(t testing.TB, from, to any) {
	t.Helper()
	b, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Pin lets one replica (1, 2, ...) serve from now on; 0 is all in turn.
func (h *Harness) Pin(number int) { h.router.pin(number) }

// Skew sets one replica's clock apart from the others'.
func (h *Harness) Skew(number int, by time.Duration) { h.replicas[number-1].skew.Store(int64(by)) }

// Kill ends a replica with its connections, as a crash does.
func (h *Harness) Kill(number int) { h.replicas[number-1].kill() }

// Replace ends a replica and starts another in its place, which serves the same
// document, with a Redis or without.
func (h *Harness) Replace(number int, redis string) {
	h.t.Helper()
	old := h.replicas[number-1]
	old.kill()
	h.options.Redis = redis
	r := h.startReplica(number) // appends its transport
	r.config.Set(old.config.Get())
	last := len(h.router.transports) - 1
	h.router.transports[number-1], h.router.transports = h.router.transports[last], h.router.transports[:last]
	h.replicas[number-1] = r
}

func (r *replica) kill() {
	if r.dead.Swap(true) {
		return
	}
	r.http.CloseClientConnections()
	r.http.Close()
}

// HTTP is a client for brokers and vendors that follows no redirect and keeps
// no cookies.
func (h *Harness) HTTP() *http.Client {
	return &http.Client{Transport: h.router, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Ring seals and opens as the brokers do, for forgeries by an insider.
func (h *Harness) Ring() *seal.Ring {
	h.t.Helper()
	r, err := seal.NewRing(h.ring, h.Clock.Now)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// StartVendor runs a vendor that the browsers of this harness can reach.
func (h *Harness) StartVendor(o fakevendor.Options) *fakevendor.Server {
	h.t.Helper()
	if o.Now == nil {
		o.Now = h.Clock.Now
	}
	v := fakevendor.New(o).Start(h.t)
	h.router.addVendor(v)
	for _, c := range o.Clients {
		h.listener.plant("client secret at the vendor", c.Secret)
	}
	h.listener.plant("initial access token at the vendor", o.InitialAccessToken)
	h.listener.watch(v)
	return v
}

// Metrics is what the admin ports of all replicas answer at /metrics.
func (h *Harness) Metrics() string {
	var all strings.Builder
	for _, r := range h.replicas {
		w := httptest.NewRecorder()
		r.server.Admin().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		all.WriteString(w.Body.String())
	}
	return all.String()
}

// Logs is all that the brokers logged, one JSON object a line.
func (h *Harness) Logs() string { return h.logs.String() }

// Clock is a clock that a test moves. It runs with the real one.
type Clock struct{ ahead atomic.Int64 }

// Now is the time.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) { c.ahead.Add(int64(d)) }
