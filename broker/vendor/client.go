// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/body"
	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// Client calls vendors' token endpoints. Make one with NewClient.
type Client struct {
	// Now is the clock.
	Now func() time.Time
	// Observe is told of every call after it, for metrics and traces. It may be nil.
	Observe func(ctx context.Context, call Call)
	// Calls is how many calls to one vendor may be under way at once, and how many
	// more may wait for a moment; 0 is no limit. Where tenants name the vendor's
	// host, it holds for each host.
	Calls int

	bodies     body.Buffers
	transports cache[string, *http.Transport]
	keys       cache[keysAt, *keySet]
	gates      cache[string, *gate]
	// controls tells of token endpoints whether they look at the client first.
	controls cache[string, Verdict]
}

// Call is one call to a vendor.
type Call struct {
	Endpoint Endpoint
	Vendor   string
	Leg      string // code, refresh, revoke, introspect or register
	Outcome  Outcome
	Took     time.Duration
}

// NewClient makes a Client.
func NewClient(now func() time.Time, observe func(context.Context, Call)) *Client {
	return &Client{Now: now, Observe: observe}
}

// Result is the outcome of a successful exchange.
type Result struct {
	*Tokens
	// Subject of the ID token; empty where there is none.
	Subject string
}

// Exchange redeems an authorization code and validates the ID token. Errors are
// of type *Error.
func (c *Client) Exchange(ctx context.Context, e Endpoint, x CodeExchange, check IDTokenCheck) (*Result, error) {
	return c.redeem(ctx, e, redemption{leg: "code", endpoint: e.Target.Endpoints.Token, form: e.codeForm(x), check: check})
}

// Refresh redeems a refresh token and validates the ID token, if there is one.
// Errors are of type *Error.
func (c *Client) Refresh(ctx context.Context, e Endpoint, x RefreshExchange, check IDTokenCheck) (*Result, error) {
	return c.redeem(ctx, e, redemption{leg: "refresh", endpoint: e.Target.Endpoints.Refresh, form: e.refreshForm(x), check: check})
}

type redemption struct {
	leg, endpoint string
	form          oauth.Query
	check         IDTokenCheck
}

func (c *Client) redeem(ctx context.Context, e Endpoint, r redemption) (*Result, error) {
	return c.observed(ctx, e, r.leg, func() (*Result, error) { return c.tryRedeem(ctx, e, r) })
}

// observed makes one call once there is a place for it, and tells Observe.
func (c *Client) observed(ctx context.Context, e Endpoint, leg string, call func() (*Result, error)) (*Result, error) {
	start := c.Now()
	res, err := c.gated(ctx, e.place(leg), call)
	if c.Observe != nil {
		outcome := OutcomeOK
		if ve, ok := errors.AsType[*Error](err); ok {
			outcome = ve.Outcome
		} else if err != nil {
			outcome = OutcomeMalformed
		}
		c.Observe(ctx, Call{Endpoint: e, Vendor: e.Vendor.Name, Leg: leg, Outcome: outcome, Took: c.Now().Sub(start)})
	}
	return res, err
}

func (c *Client) gated(ctx context.Context, place string, call func() (*Result, error)) (*Result, error) {
	if c.Calls > 0 {
		g, err := c.gates.get(place, func() (*gate, error) { return newGate(c.Calls), nil })
		if err != nil {
			return nil, err
		}
		if err := g.enter(ctx); err != nil {
			return nil, err
		}
		defer g.leave()
	}
	return call()
}

func (c *Client) tryRedeem(ctx context.Context, e Endpoint, r redemption) (*Result, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(e.Vendor.Transport.TimeoutSeconds)*time.Second)
	defer cancel()
	req, err := e.request(ctx, r.endpoint, r.form, c.Now())
	if err != nil {
		return nil, &Error{Outcome: OutcomeCredentialRefused, Reason: err.Error(), NotSent: true}
	}
	a, err := c.do(e, req)
	if err != nil {
		return nil, err
	}
	tokens, err := e.parse(a, c.Now())
	if err != nil {
		return nil, err
	}
	subject, err := c.verifyIDToken(ctx, e, tokens, r.check)
	if err != nil {
		return nil, err
	}
	return &Result{Tokens: tokens, Subject: subject}, nil
}

// do sends one request, never twice and never to another place, and reads at
// most the configured number of bytes.
func (c *Client) do(e Endpoint, req *http.Request) (answer, error) {
	transport, err := c.transport(e.Vendor.Transport)
	if err != nil {
		return answer{}, err
	}
	// net/http sends a request again where it was answered by the end of a
	// connection and one of these headers says that it may. A code must not be.
	if req.Header.Get("Idempotency-Key") != "" || req.Header.Get("X-Idempotency-Key") != "" {
		req.GetBody = nil
	}
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}
	// The transport alone follows no redirect; the request's context ends in time.
	resp, err := transport.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil {
		return answer{}, &Error{Outcome: OutcomeUnavailable, Reason: transportReason(err), NotSent: !sent.Load()}
	}
	text, err := readBody(resp, &c.bodies, int64(e.Vendor.Transport.MaxResponseBytes))
	if err != nil {
		return answer{}, err
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: text}, nil
}

// readBody reads an answer to its end and closes it. A byte order mark is passed
// over (RFC 8259 section 8.1).
func readBody(resp *http.Response, buffers *body.Buffers, limit int64) (string, error) {
	defer resp.Body.Close()
	text, err := buffers.Read(resp.Body, limit)
	switch {
	case errors.Is(err, body.ErrTooLong):
		return "", failed(OutcomeMalformed, "the vendor's answer is longer than transport.maxResponseBytes")
	case err != nil:
		return "", failed(OutcomeUnavailable, "reading the vendor's answer: "+transportReason(err))
	}
	return strings.TrimPrefix(text, "\ufeff"), nil
}

// transportReason says in fixed words what went wrong, without URL or content.
func transportReason(err error) string {
	var cert *tls.CertificateVerificationError
	var dns *net.DNSError
	var ne net.Error
	switch {
	case errors.As(err, &cert):
		return "the vendor's TLS certificate is not trusted"
	case errors.As(err, &dns):
		return "the vendor's host does not resolve"
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &ne) && ne.Timeout():
		return "the vendor did not answer in time"
	case errors.Is(err, context.Canceled):
		return "the client went away"
	}
	return "no connection to the vendor, or it broke off"
}

// httpClient makes a client that follows no redirect, over a shared transport.
func (c *Client) httpClient(t runtimeconfig.Transport) (*http.Client, error) {
	transport, err := c.transport(t)
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       time.Duration(t.TimeoutSeconds) * time.Second,
	}, nil
}

func (c *Client) transport(t runtimeconfig.Transport) (*http.Transport, error) {
	return c.transports.get(t.CABundle, func() (*http.Transport, error) { return newTransport(t.CABundle) })
}

func newTransport(caBundle string) (*http.Transport, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if caBundle != "" {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM([]byte(caBundle)) {
			return nil, failed(OutcomeMalformed, "transport.caBundle holds no certificate")
		}
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    5 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		// One connection carries all calls to a vendor over HTTP/2. Where it is dead
		// and nobody says so, each of them would wait in vain until TCP gives up.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second, WriteByteTimeout: 10 * time.Second},
	}, nil
}

// cache keeps what is made once per key. Keys come from the configuration; the
// bound is for a configuration that changes a great deal.
type cache[K comparable, V any] struct {
	mu sync.Mutex
	m  map[K]V
}

const cacheSize = 16384

func (c *cache[K, V]) peek(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.m[key]
	return v, ok
}

func (c *cache[K, V]) put(key K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(key, v)
}

func (c *cache[K, V]) set(key K, v V) {
	if c.m == nil || len(c.m) >= cacheSize {
		c.m = map[K]V{}
	}
	c.m[key] = v
}

func (c *cache[K, V]) get(key K, make_ func() (V, error)) (V, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.m[key]; ok {
		return v, nil
	}
	v, err := make_()
	if err != nil {
		return v, err
	}
	c.set(key, v)
	return v, nil
}
