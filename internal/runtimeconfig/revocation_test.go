// SPDX-License-Identifier: Apache-2.0

package runtimeconfig_test

import (
	"net/url"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

func TestEndpoints_revocationForKeepsThePlace(t *testing.T) {
	e := runtimeconfig.Endpoints{Revocation: "https://api.example/applications/{client_id}/token"}
	for _, id := range []string{"Iv1.abc", "a/b", "..", ".", "a?b=c", "a#b", "a%2Fb", "../../evil", "ü", "a b"} {
		u, err := url.Parse(e.RevocationFor(id))
		if err != nil {
			t.Errorf("client id %q: %v", id, err)
			continue
		}
		again := u.ResolveReference(&url.URL{})
		if again.Host != "api.example" || again.RawQuery != "" || again.Fragment != "" || u.Path != "/applications/"+id+"/token" {
			t.Errorf("client id %q leads to %s", id, again)
		}
	}
	plain := runtimeconfig.Endpoints{Revocation: "https://api.example/revoke"}
	if got := plain.RevocationFor("x"); got != plain.Revocation {
		t.Errorf("got %s", got)
	}
}
