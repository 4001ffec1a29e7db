// SPDX-License-Identifier: Apache-2.0

// Package discovery reads a vendor's metadata document (OpenID Connect
// Discovery 1.0, RFC 8414) and trusts no more of it than it must: secrets go
// to the URLs that it names.
//
// The document is read over one connection without redirects, with a limit of
// size and time. Its issuer must be identical to the configured one, and its
// endpoints must be on the issuer's host or on one that the platform team
// listed. What goes wrong becomes a Problem that holds none of the vendor's
// text, since it ends up in an object's status.
package discovery

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

const (
	// MaxBytes bounds a metadata document.
	MaxBytes = 1 << 20
	// maxURL is the longest URL that an OAuthVendor could hold.
	maxURL         = 1024
	defaultTimeout = 10 * time.Second
)

// Client reads metadata documents.
type Client struct {
	// HTTP makes the requests; nil is a client of its own. Its redirect policy is
	// not used: no redirect is followed.
	HTTP *http.Client
}

// Discover reads the metadata document of a vendor whose spec asks for it.
// Endpoints are nil where Problem is set: keeping the last good ones is for
// the caller.
func (c *Client) Discover(ctx context.Context, spec *oauthv1alpha1.OAuthVendorSpec) translate.Discovered {
	d, err := c.discover(ctx, spec)
	if err != nil {
		return translate.Discovered{Problem: err.Error()}
	}
	return d
}

func (c *Client) discover(ctx context.Context, spec *oauthv1alpha1.OAuthVendorSpec) (translate.Discovered, error) {
	body, err := c.Fetch(ctx, spec)
	if err != nil {
		return translate.Discovered{}, err
	}
	return parse(body, spec)
}

// URL is where the metadata document of a vendor is.
func URL(spec *oauthv1alpha1.OAuthVendorSpec) (string, error) {
	issuer := string(spec.Issuer)
	if err := translate.CheckURL(issuer); err != nil {
		return "", fmt.Errorf("issuer %w", err)
	}
	u, err := url.Parse(issuer)
	if err != nil || u.RawQuery != "" || u.ForceQuery {
		return "", errors.New("issuer has a query, which an issuer may not have (RFC 8414 section 2)")
	}
	if own := string(spec.Discovery.URL); own != "" {
		if err := translate.CheckURL(own); err != nil {
			return "", fmt.Errorf("discovery.url %w", err)
		}
		return own, nil
	}
	trimmed := strings.TrimSuffix(issuer, "/")
	if spec.Discovery.Type == oauthv1alpha1.DiscoveryOpenIDConnect {
		return trimmed + "/.well-known/openid-configuration", nil
	}
	origin := u.Scheme + "://" + u.Host
	return origin + "/.well-known/oauth-authorization-server" + strings.TrimPrefix(trimmed, origin), nil
}

// client is the HTTP client for one vendor, and what to do after use.
func (c *Client) client(spec *oauthv1alpha1.OAuthVendorSpec) (*http.Client, func(), error) {
	hc := http.Client{}
	if c.HTTP != nil {
		hc = *c.HTTP
	}
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	hc.Jar = nil
	if spec.Transport == nil || spec.Transport.CABundle == "" {
		return &hc, func() {}, nil
	}
	base := hc.Transport
	if base == nil {
		base = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	}
	t, ok := base.(interface{ Clone() *http.Transport })
	if !ok {
		return nil, nil, errors.New("transport.caBundle does not work with this HTTP client")
	}
	own := t.Clone()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(spec.Transport.CABundle)) {
		return nil, nil, errors.New("transport.caBundle holds no PEM certificate")
	}
	if own.TLSClientConfig == nil {
		own.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	own.TLSClientConfig.RootCAs = pool
	hc.Transport = own
	return &hc, own.CloseIdleConnections, nil
}

func fetch(ctx context.Context, hc *http.Client, where string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, http.NoBody)
	if err != nil {
		return nil, errors.New("its URL cannot be requested")
	}
	req.Header.Set("Accept", "application/json")
	resp, err := hc.Do(req)
	if err != nil {
		return nil, networkProblem(err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return nil, errors.New("the server answered with a redirect, which is not followed: give the final place in discovery.url")
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the server answered with HTTP status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxBytes+1))
	if err != nil {
		return nil, networkProblem(err)
	}
	if len(body) > MaxBytes {
		return nil, fmt.Errorf("the document is larger than %d bytes", MaxBytes)
	}
	return body, nil
}

// networkProblem tells kinds of trouble apart without the addresses in err.
func networkProblem(err error) error {
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("the server did not answer in time")
	case errors.Is(err, context.Canceled):
		return errors.New("reading it was cancelled")
	case errors.As(err, &certificate):
		return errors.New("the server's TLS certificate is not trusted")
	case errors.As(err, &dns):
		return errors.New("the host name does not resolve")
	default:
		return errors.New("the server cannot be reached")
	}
}

// parse reads the document. Member names are compared exactly, which Go's
// struct decoding would not do. A byte order mark before it is passed over (RFC
// 8259 section 8.1), and null is absent.
func parse(body []byte, spec *oauthv1alpha1.OAuthVendorSpec) (translate.Discovered, error) {
	var members map[string]json.RawMessage
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))))
	if err := d.Decode(&members); err != nil || members == nil {
		return translate.Discovered{}, errors.New("the document is not a JSON object")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return translate.Discovered{}, errors.New("something follows the JSON object")
	}
	doc := document{members: members, spec: spec}
	if issuer := doc.text("issuer"); doc.err == nil && issuer != string(spec.Issuer) {
		return translate.Discovered{}, errors.New("its issuer is not identical to spec.issuer: correct spec.issuer, every character counts")
	}
	out := translate.Discovered{Endpoints: &oauthv1alpha1.Endpoints{
		Authorization: doc.endpoint("authorization_endpoint", true),
		Token:         doc.endpoint("token_endpoint", true),
		Revocation:    doc.endpoint("revocation_endpoint", false),
		Introspection: doc.endpoint("introspection_endpoint", false),
		Userinfo:      doc.endpoint("userinfo_endpoint", false),
		JWKS:          doc.endpoint("jwks_uri", spec.Discovery.Type == oauthv1alpha1.DiscoveryOpenIDConnect),
		Registration:  doc.endpoint("registration_endpoint", false),
	}}
	if raw, ok := members["authorization_response_iss_parameter_supported"]; ok && doc.err == nil {
		if err := json.Unmarshal(raw, &out.IssuerParameter); err != nil {
			doc.err = errors.New("authorization_response_iss_parameter_supported is not true or false")
		}
	}
	if doc.err != nil {
		return translate.Discovered{}, doc.err
	}
	return out, nil
}

// document takes members out of a metadata document and keeps the first
// problem.
type document struct {
	members map[string]json.RawMessage
	spec    *oauthv1alpha1.OAuthVendorSpec
	err     error
}

func (d *document) text(name string) string {
	raw, ok := d.members[name]
	var s string
	if !ok || d.err != nil {
		return ""
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		d.err = fmt.Errorf("%s is not a string", name)
	}
	return s
}

func (d *document) endpoint(name string, required bool) oauthv1alpha1.EndpointURL {
	s := d.text(name)
	if d.err != nil {
		return ""
	}
	if s == "" {
		if required {
			d.err = fmt.Errorf("it has no %s", name)
		}
		return ""
	}
	if len(s) > maxURL {
		d.err = fmt.Errorf("%s is longer than %d characters", name, maxURL)
		return ""
	}
	if err := translate.CheckDiscovered(d.spec, s); err != nil {
		d.err = fmt.Errorf("%s %w", name, err)
		return ""
	}
	return oauthv1alpha1.EndpointURL(s)
}
