// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/places"
)

// maxOpen bounds the connections to one address: an outsider has as many names
// as it likes, and few addresses. IPv6 addresses count by their /48, which is
// what a site gets.
const (
	maxOpen  = 8
	siteBits = 48
)

// maxTried bounds the addresses of one name that are called: a name may have
// thousands, at which strangers would make the broker knock.
const maxTried = 4

// dialer resolves a name once and connects to the addresses that it got.
type dialer struct {
	resolver *net.Resolver // nil is the system's
	check    func(network, address string, conn syscall.RawConn) error
	net      *net.Dialer
	open     places.Places[netip.Prefix]
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	ips, err := d.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	for i, ip := range ips {
		ips[i] = ip.Unmap()
		family := "tcp4"
		if ips[i].Is6() {
			family = "tcp6"
		}
		if err := d.check(family, net.JoinHostPort(ips[i].String(), port), nil); err != nil {
			return nil, err
		}
	}
	err = ErrRefused
	for _, ip := range ips[:min(len(ips), maxTried)] {
		var conn net.Conn
		if conn, err = d.connect(ctx, network, ip, port); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// connect makes a connection that holds a place until it is closed.
func (d *dialer) connect(ctx context.Context, network string, ip netip.Addr, port string) (net.Conn, error) {
	site := Site(ip)
	if !d.open.Enter(site, maxOpen) {
		return nil, ErrBusy
	}
	leave := sync.OnceFunc(func() { d.open.Leave(site) })
	conn, err := d.net.DialContext(ctx, network, net.JoinHostPort(ip.String(), port))
	if err != nil {
		leave()
		return nil, err
	}
	held := &heldConn{conn, leave}
	// A peer that floods and reads nothing keeps the client's own writes waiting,
	// and with them the connection, after the exchange has ended.
	time.AfterFunc(d.net.Timeout, func() { _ = held.Close() })
	return held, nil
}

// Site is what counts as one address: whoever has one IPv6 address has a /48 of them.
func Site(ip netip.Addr) netip.Prefix {
	bits := ip.BitLen()
	if ip.Is6() {
		bits = siteBits
	}
	return netip.PrefixFrom(ip.WithZone(""), bits).Masked()
}

type heldConn struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *heldConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
