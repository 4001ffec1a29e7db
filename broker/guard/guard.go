// SPDX-License-Identifier: Apache-2.0

// Package guard makes the HTTP client for URLs that an outsider can name: it
// speaks https only, follows no redirect, uses no proxy, and refuses addresses
// of special use (RFC 6890). A name is resolved once: one such address among its
// answers refuses them all, and each is looked at again when it is connected to,
// so that DNS cannot change its mind in between. Whatever names an outsider has,
// they take no more than a few connections to one address.
package guard

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// ErrRefused is an address that outsiders may not make the broker call.
var ErrRefused = errors.New("address of special use, or not https: refused")

// ErrBusy is an address to which as many connections are open as may be.
var ErrBusy = errors.New("too many connections to this address")

// Options of a guarded client.
type Options struct {
	// Timeout of one exchange.
	Timeout time.Duration
	// AllowLoopback lets tests and development reach loopback addresses.
	AllowLoopback bool
	// RootCAs replaces the system's; nil keeps them.
	RootCAs *x509.CertPool
	// Resolver replaces the system's; nil keeps it.
	Resolver *net.Resolver
}

// NewClient makes a guarded client.
func NewClient(o Options) *http.Client {
	check := Control
	if o.AllowLoopback {
		check = controlOrLoopback
	}
	d := &dialer{resolver: o.Resolver, check: check, net: &net.Dialer{Timeout: o.Timeout, Control: check}}
	transport := &http.Transport{
		Proxy:                  nil, // a proxy would hide the address from the guard
		DialContext:            d.dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
		TLSHandshakeTimeout:    o.Timeout,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: 16 << 10,
		// Strangers choose the hosts, and net/http bounds idle connections over
		// HTTP/1.1 only.
		DisableKeepAlives:  true,
		DisableCompression: true,
	}
	transport.RegisterProtocol("http", refuse{})
	return &http.Client{
		Timeout: o.Timeout, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// refuse sends nothing.
type refuse struct{}

// RoundTrip implements http.RoundTripper.
func (refuse) RoundTrip(*http.Request) (*http.Response, error) { return nil, ErrRefused }

// Control is for net.Dialer.Control: it sees the address that is about to be
// connected to.
func Control(network, address string, conn syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || embedsIPv4(ap.Addr()) {
		return ErrRefused
	}
	if err := ssrf.New(ssrf.WithAnyPort()).Safe(network, address, conn); err != nil {
		return ErrRefused
	}
	return nil
}

func controlOrLoopback(network, address string, conn syscall.RawConn) error {
	if ap, err := netip.ParseAddrPort(address); err == nil && ap.Addr().IsLoopback() {
		return nil
	}
	return Control(network, address, conn)
}

// embedsIPv4 finds what the registry of special addresses does not list: ISATAP
// (RFC 5214) carries any IPv4 address in its lower half. IPv4 addresses themselves
// have other bytes there.
func embedsIPv4(a netip.Addr) bool {
	b := a.As16()
	return (b[8] == 0 || b[8] == 2) && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}
