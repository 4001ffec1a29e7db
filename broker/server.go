// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/oauthbroker/oauth-broker/broker/audit"
	"github.com/oauthbroker/oauth-broker/broker/body"
	"github.com/oauthbroker/oauth-broker/broker/client"
	"github.com/oauthbroker/oauth-broker/broker/live"
	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/broker/once"
	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/broker/vendor"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// Config is what a Server needs. All fields are required unless said otherwise.
type Config struct {
	// PublicURL is the broker's base, https://host[:port] without a path. Issuers
	// and redirect URIs are built from it and never from a request.
	PublicURL string
	// Development allows plain http on loopback, with an unprefixed cookie.
	Development bool
	// Config is the snapshot that is served.
	Config *live.Config
	// Keys seal what is in flight.
	Keys *seal.Keys
	// Once takes one-time things, where there is no Shared.
	Once once.Store
	// Shared is what the replicas share through Redis, and takes one-time things;
	// nil without.
	Shared Shared
	// Registry gets the metrics; the admin handler serves it.
	Registry *prometheus.Registry
	// Logger gets one event per request.
	Logger *slog.Logger
	// Theme is how the pages look.
	Theme Theme
	// Audit gets a record of what somebody was given or refused; nil gets none.
	Audit *audit.Log
	// Tracing makes spans of requests and of calls to vendors; nil makes none.
	Tracing trace.TracerProvider
	// Now is the clock.
	Now func() time.Time
	// Registration says who may register clients at the broker (RFC 7591).
	Registration Registration
	// Documents fetches client id metadata documents; nil accepts none.
	Documents *client.Documents
	// CORSOrigins are the origins whose scripts may call token, register, revoke
	// and the like; "*" is all. Metadata can be read from everywhere; authorize,
	// consent and callback from nowhere. No answer ever allows credentials.
	CORSOrigins []string
	// TrustedProxies are those whose X-Forwarded-For is believed, for limits by
	// address. Nothing else of a request is ever taken from such headers.
	TrustedProxies []netip.Prefix
	// Limits of what callers may ask.
	Limits Limits
	// Profiling serves profiles of this process on the admin handler. They tell
	// functions and numbers, and no content.
	Profiling bool
	// Lifetimes of what is sealed; zero values mean the defaults.
	Lifetimes Lifetimes
}

// RegistrationMode says who may register clients at the broker.
type RegistrationMode string

// The registration modes.
const (
	RegistrationDisabled           RegistrationMode = "Disabled"
	RegistrationOpen               RegistrationMode = "Open"
	RegistrationInitialAccessToken RegistrationMode = "InitialAccessToken"
)

// Registration is the policy for clients that register themselves. The zero
// value is Disabled. Whatever it says, such clients can use only the vendors
// that take them.
type Registration struct {
	Mode RegistrationMode
	// Token is the initial access token of that mode.
	Token secret.Text
}

func (g Registration) enabled() bool { return g.Mode != "" && g.Mode != RegistrationDisabled }

// Lifetimes of what the broker seals.
type Lifetimes struct {
	// Login is from authorize to callback; 10 minutes by default.
	Login time.Duration
	// Code is from callback to token; 60 seconds by default. A vendor whose own
	// code lives shorter ends it sooner.
	Code time.Duration
	// Grant is how long an unused refresh token lives; 180 days by default. Each
	// refresh starts it anew.
	Grant time.Duration
}

// Server is the broker. Make one with New.
type Server struct {
	Config
	auth     client.Authenticator
	vendors  *vendor.Client
	metrics  *metrics
	tracer   trace.Tracer // nil without Tracing
	pages    *pages
	limiters limiters
	// headers are those of every answer.
	headers  []header
	bodies   body.Buffers
	lines    sync.Pool // of attributes of log lines
	draining atomic.Bool
	// credentials tells the operator which of them vendors refuse.
	credentials *credentialUse
}

// New checks c and makes a Server.
func New(c Config) (*Server, error) {
	u, err := url.Parse(c.PublicURL)
	switch {
	case err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return nil, errors.New("public URL must be https://host[:port] without path, query or trailing slash")
	case u.Scheme == "http" && (!c.Development || !oauth.IsLoopback(u.Hostname())):
		return nil, errors.New("public URL must be https; plain http is for a loopback host with --development only")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("public URL must be https")
	case strings.ToLower(u.Host) != u.Host:
		return nil, errors.New("public URL must be in lower case: clients compare issuers letter by letter")
	}
	c.Lifetimes = c.Lifetimes.withDefaults()
	pages, err := parsePages(c.Theme)
	if err != nil {
		return nil, err
	}
	if c.Shared != nil {
		redis := newCounted(c.Shared, c.Registry)
		c.Shared, c.Once = redis, redis
	}
	s := &Server{Config: c, metrics: newMetrics(c), pages: pages, headers: everyAnswer(c.Development), limiters: newLimiters(c)}
	if c.Tracing != nil {
		s.tracer = c.Tracing.Tracer(tracerName)
	}
	s.auth = client.Authenticator{Once: c.Once, Now: c.Now}
	s.credentials = &credentialUse{now: c.Now}
	s.vendors = vendor.NewClient(c.Now, s.observeCall)
	s.vendors.Calls = c.Limits.VendorCalls
	return s, nil
}

func (l Lifetimes) withDefaults() Lifetimes {
	if l.Login == 0 {
		l.Login = 10 * time.Minute
	}
	if l.Code == 0 {
		l.Code = time.Minute
	}
	if l.Grant == 0 {
		l.Grant = 180 * 24 * time.Hour
	}
	return l
}

// Drain makes readiness false, so that load balancers stop sending requests.
func (s *Server) Drain() { s.draining.Store(true) }

// Public is the handler of the public listener.
func (s *Server) Public() http.Handler {
	mux := http.NewServeMux()
	s.mount(mux, s.routes())
	nothing := s.observe("other", func(http.ResponseWriter, *request) error {
		return &pageError{status: http.StatusNotFound, title: "Page not found", text: "There is nothing at this address."}
	})
	mux.Handle("/", nothing)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isClean(r.URL.EscapedPath()) {
			mux.ServeHTTP(w, r)
			return
		}
		nothing.ServeHTTP(w, r)
	})
}

// isClean tells whether a path is written as it is meant. Any other, as /v1//token,
// ServeMux would answer by itself: with a redirect that keeps the form, writes the
// query into a page, and has none of our headers, limits and lines of the log.
func isClean(p string) bool {
	return p == "/" || !strings.Contains(p, "//") && path.Clean(p) == strings.TrimSuffix(p, "/")
}

// route is one line of the route table. GET does not include HEAD: a link
// scanner's HEAD must not spend a state.
type route struct {
	method, pattern string
	handle          handler
}

func (s *Server) routes() []route {
	return []route{
		{http.MethodGet, "/{$}", s.landing},
		{http.MethodGet, "/v1/authorize", s.authorize},
		{http.MethodGet, "/v1/vendors/{vendor}/authorize", s.authorize},
		{http.MethodPost, "/v1/consent", s.consent},
		{http.MethodGet, "/v1/callback", s.callback},
		{http.MethodGet, "/v1/callback/{vendor}", s.callback},
		{http.MethodGet, "/v1/callback/{vendor}/{credential}", s.callback},
		{http.MethodPost, "/v1/callback", s.formPost},
		{http.MethodPost, "/v1/callback/{vendor}", s.formPost},
		{http.MethodPost, "/v1/callback/{vendor}/{credential}", s.formPost},
		{http.MethodPost, "/v1/par", s.pushAuthorization},
		{http.MethodPost, "/v1/vendors/{vendor}/par", s.pushAuthorization},
		{http.MethodPost, "/v1/token", s.token},
		{http.MethodPost, "/v1/vendors/{vendor}/token", s.token},
		{http.MethodPost, "/v1/revoke", s.revoke},
		{http.MethodPost, "/v1/vendors/{vendor}/revoke", s.revoke},
		{http.MethodPost, "/v1/introspect", s.introspect},
		{http.MethodPost, "/v1/vendors/{vendor}/introspect", s.introspect},
		{http.MethodPost, "/register", s.register},
		{http.MethodPost, "/v1/register", s.register},
		{http.MethodPost, "/v1/vendors/{vendor}/register", s.register},
		{http.MethodGet, "/v1/register/{client}", s.readRegistration},
		{http.MethodGet, "/.well-known/oauth-authorization-server/v1/vendors/{vendor}", s.serverMetadata},
		{http.MethodGet, "/.well-known/openid-configuration/v1/vendors/{vendor}", s.openIDConfiguration},
		{http.MethodGet, "/v1/vendors/{vendor}/.well-known/openid-configuration", s.openIDConfiguration},
		{http.MethodGet, "/v1/jwks", s.jwks},
		{http.MethodGet, "/healthz", s.healthz},
		{http.MethodGet, "/readyz", s.readyz},
	}
}

// mount registers the routes, and the refusal of every other method at their
// paths.
func (s *Server) mount(mux *http.ServeMux, routes []route) {
	allow := map[string][]string{}
	for _, r := range routes {
		mux.Handle(r.method+" "+r.pattern, s.observe(r.pattern, r.handle))
		allow[r.pattern] = append(allow[r.pattern], r.method)
	}
	for pattern, methods := range allow {
		if sharing(pattern) != notShared {
			mux.Handle("OPTIONS "+pattern, s.observe(pattern, preflight(methods)))
		}
		refuse := s.observe(pattern, notAllowed(strings.Join(methods, ", ")))
		mux.Handle(pattern, refuse)
		if slices.Contains(methods, http.MethodGet) {
			mux.Handle("HEAD "+pattern, refuse) // a GET pattern would match HEAD too
		}
	}
}

func notAllowed(methods string) handler {
	return func(w http.ResponseWriter, _ *request) error {
		w.Header().Set("Allow", methods)
		return &pageError{status: http.StatusMethodNotAllowed, title: "Method not allowed", text: "This address takes " + methods + " requests only."}
	}
}

// issuer is the issuer identifier for a vendor.
func (s *Server) issuer(vendorName string) string { return s.PublicURL + "/v1/vendors/" + vendorName }

// callbackPath is the path of the redirect URI that a credential uses.
func callbackPath(v *runtimeconfig.Vendor, c *runtimeconfig.Credential) string {
	switch v.Callback.Path {
	case runtimeconfig.CallbackVendor:
		return "/v1/callback/" + v.Name
	case runtimeconfig.CallbackCredential:
		if c.Source == runtimeconfig.SourceBYOC {
			return "/v1/callback/" + v.Name + "/" + c.Namespace + "." + c.Name
		}
		return "/v1/callback/" + v.Name
	case runtimeconfig.CallbackShared:
	}
	return "/v1/callback"
}

// clients finds clients as they are for one request.
func (s *Server) clients(r *request) client.Directory {
	return client.Directory{
		Config: r.config, Keys: r.keys, SelfRegistered: s.Registration.enabled(),
		Documents: s.Documents, Admit: func() (string, error) {
			return s.addressOf(r), s.limitAddress(r)
		},
	}
}
