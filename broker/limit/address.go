// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"net/http"
	"net/netip"
	"strings"
)

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
		next, ok := forwardedAddress(strings.TrimSpace(forwarded[i]))
		if !ok {
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

// forwardedAddress reads one caller of X-Forwarded-For. Some proxies write its port,
// too, Azure Application Gateway for one.
func forwardedAddress(s string) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(s); err == nil { // as nearly all write it
		return addr, true
	}
	withPort, err := netip.ParseAddrPort(s)
	return withPort.Addr(), err == nil
}

// Unlisted tells of a peer that forwards for others and is not among the trusted
// proxies, as one that was forgotten there: all its callers count as one.
func Unlisted(r *http.Request, trusted []netip.Prefix) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && r.Header.Get("X-Forwarded-For") != "" && !contains(trusted, peer.Addr().Unmap())
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
