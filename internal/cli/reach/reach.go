// SPDX-License-Identifier: Apache-2.0

// Package reach makes the HTTP clients of the command line, and says in words
// why a host cannot be reached and what to do about it.
package reach

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"
)

// Timeout bounds one request.
const Timeout = 20 * time.Second

// Client makes an HTTP client that follows no redirects. It trusts the system's
// CAs and those of caFile, which may be empty.
func Client(caFile string) (*http.Client, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("--ca-file: %w", err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca-file: %s holds no PEM certificate", caFile)
		}
	}
	return &http.Client{
		Timeout:       Timeout,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// Problem is why a host could not be reached.
type Problem struct {
	// What is wrong, and what to do about it.
	What, Fix string
	cause     error
}

func (p *Problem) Error() string { return p.What + ". " + p.Fix }
func (p *Problem) Unwrap() error { return p.cause }

// Why explains the error of a request to a URL; the query is left out.
func Why(err error, to string) *Problem {
	host := to
	if u, bad := url.Parse(to); bad == nil && u.Host != "" {
		host = u.Scheme + "://" + u.Host
	}
	p := &Problem{cause: err}
	if u, is := errors.AsType[*url.Error](err); is {
		err = u.Err
	}
	if words(p, err, host) {
		return p
	}
	if refused := errors.Is(err, syscall.ECONNREFUSED); refused {
		p.What, p.Fix = "nothing listens at "+host+" (connection refused)", "Check the URL and its port, and that the broker runs"
		return p
	}
	if timeout, is := errors.AsType[net.Error](err); is && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		p.What, p.Fix = host+" did not answer in time", "Check firewalls, proxies (HTTPS_PROXY) and that the broker runs"
		return p
	}
	p.What, p.Fix = "cannot reach "+host+": "+err.Error(), "Check the URL and the network"
	return p
}

// words explains errors of certificates and names.
func words(p *Problem, err error, host string) bool {
	if _, is := errors.AsType[x509.UnknownAuthorityError](err); is {
		p.What, p.Fix = "the certificate of "+host+" is signed by a CA that this machine does not trust", "Pass the CA's certificate with --ca-file FILE, or serve the whole chain"
		return true
	}
	if e, is := errors.AsType[x509.HostnameError](err); is {
		p.What, p.Fix = "the certificate of "+host+" is for another name: "+e.Error(), "Use the name that the certificate has, or issue one for this name"
		return true
	}
	if e, is := errors.AsType[x509.CertificateInvalidError](err); is {
		p.What, p.Fix = "the certificate of "+host+" is not valid: "+e.Error(), "Renew the certificate; check the clock of this machine"
		return true
	}
	if e, is := errors.AsType[*net.DNSError](err); is {
		p.What, p.Fix = "the name "+e.Name+" cannot be resolved", "Check the spelling and the DNS record"
		return true
	}
	if _, is := errors.AsType[tls.RecordHeaderError](err); is || errors.Is(err, http.ErrSchemeMismatch) {
		p.What, p.Fix = host+" does not speak TLS", "Check the port; plain http is for loopback with --development only"
		return true
	}
	return false
}
