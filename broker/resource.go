// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

const maxResources = 8

// checkResource judges the resource indicators of an authorization request (RFC
// 8707 section 2.1).
func checkResource(a *authorization) error {
	asked := a.params.Resource()
	if len(asked) > maxResources {
		return oauth.Errorf(oauth.InvalidTarget, "too many resource parameters")
	}
	for _, r := range asked {
		if !oauth.ValidResource(r) {
			return oauth.Errorf(oauth.InvalidTarget, "resource must be an absolute URI without fragment")
		}
		switch mode := a.vendor.Resource; {
		case mode.Mode == runtimeconfig.ResourceFixed && r != a.endpoint.Target.Resource:
			return oauth.Errorf(oauth.InvalidTarget, "resource is not the one that this vendor's tokens are for")
		case mode.Mode == runtimeconfig.ResourcePass && len(mode.Allowed) > 0 && !slices.Contains(mode.Allowed, r):
			return oauth.Errorf(oauth.InvalidTarget, "resource is not among the vendor's resource.allowed")
		}
	}
	a.resource = asked
	return nil
}

const (
	// maxShownHost is the longest name that DNS has.
	maxShownHost = 253
	// maxShownRest is how much is shown of what follows the host.
	maxShownRest = 60
)

// shownResource is a resource indicator as the consent page shows it. A client
// chooses it freely: what stands before the host goes, and of a host that is too long
// the end is kept, which tells whose it is. Letters that may look like others, or turn
// the text around, are written as in URLs.
func shownResource(resource string) string {
	u, err := url.Parse(resource)
	if err != nil { // checkResource saw to it
		return ""
	}
	before, host := u.Scheme+":", plain(u.Host)
	if host != "" {
		before += "//"
	}
	if n := len(host) - maxShownHost; n > 0 {
		host = "…" + host[n:]
	}
	rest := u.Opaque + u.EscapedPath()
	if u.RawQuery != "" {
		rest += "?" + u.RawQuery
	}
	if rest = plain(rest); len(rest) > maxShownRest {
		rest = rest[:maxShownRest] + "…"
	}
	return before + host + rest
}

// plain writes all but visible ASCII letters as URLs do.
func plain(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if s[i] <= 0x20 || s[i] >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", s[i])
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// narrowResource judges the resource indicators of a token request: a subset of
// what was granted (RFC 8707 section 2.2). None asked means all that were.
func narrowResource(granted, asked []string) ([]string, error) {
	if len(asked) == 0 {
		return granted, nil
	}
	if oauth.Beyond(asked, granted) != "" {
		return nil, oauth.Errorf(oauth.InvalidTarget, "resource was not part of the authorization request")
	}
	return asked, nil
}
