// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
)

// A document that is accepted names endpoints on the issuer's host or on one
// that the platform team listed, all https: secrets go there.
func FuzzDiscovery(f *testing.F) {
	const good = `{"issuer":"https://op.example","authorization_endpoint":"https://op.example/a","token_endpoint":"https://op.example/t","jwks_uri":"https://keys.example/j"}`
	for _, s := range []string{
		good, `{"issuer":"https://op.example"}`, `{"issuer":"https://op.example/"}`, `[]`, good + `x`,
		`{"issuer":"https://op.example","authorization_endpoint":"https://op.example/a","token_endpoint":"https://op.example@evil.example/t"}`,
		`{"issuer":"https://op.example","authorization_endpoint":"https://op.example/a","token_endpoint":"http://op.example/t"}`,
		`{"issuer":"https://op.example","authorization_endpoint":"https://op.example/a","token_endpoint":"https://OP.example:443/t","authorization_response_iss_parameter_supported":"yes"}`,
	} {
		f.Add([]byte(s))
	}
	spec := &oauthv1alpha1.OAuthVendorSpec{
		Issuer: "https://op.example", Discovery: &oauthv1alpha1.Discovery{Type: oauthv1alpha1.DiscoveryOAuth, AllowedHosts: []string{"keys.example"}},
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parse(b, spec)
		if err != nil {
			return
		}
		e := got.Endpoints
		for _, s := range []oauthv1alpha1.EndpointURL{e.Authorization, e.Token, e.Revocation, e.Introspection, e.Userinfo, e.JWKS, e.Registration} {
			if s == "" {
				continue
			}
			u, err := url.Parse(string(s))
			if err != nil || u.Scheme != "https" || u.User != nil || !slices.Contains([]string{"op.example", "keys.example"}, strings.TrimSuffix(strings.ToLower(u.Host), ":443")) {
				t.Errorf("accepted %q", s)
			}
		}
		if e.Token == "" || e.Authorization == "" {
			t.Errorf("accepted %q without endpoints", b)
		}
	})
}
