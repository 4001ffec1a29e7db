// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"slices"

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
