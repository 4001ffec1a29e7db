// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"net/netip"
	"testing"
)

// Whoever has one IPv6 address has a /48 of them, and each IPv4 address is one.
func TestSite(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"2606:4700:1::1", "2606:4700:1:ffff:ffff:ffff:ffff:ffff", true}, {"2606:4700:1::1", "2606:4700:2::1", false},
		{"1.1.1.1", "1.1.1.1", true}, {"1.1.1.1", "1.1.1.0", false},
		{"fe80::1%a", "fe80::1%b", true},
	} {
		if same := Site(netip.MustParseAddr(c.a)) == Site(netip.MustParseAddr(c.b)); same != c.same {
			t.Errorf("%s and %s: the same site %v", c.a, c.b, same)
		}
	}
}
