// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

const (
	vendorName   = "example"
	clientSecret = "bench-client-secret-0123456789abcdef"
	redirectURI  = "https://app.example.com/oauth/callback"
)

// clientID is the broker's client of tenant i, which has a credential of its own.
func clientID(i int) string { return fmt.Sprintf("tenant-%05d.web", i) }

// document is the configuration of tenants, each with an OAuth app of its own
// (BYOC) and one confidential client, at one OpenID vendor.
func document(dir, vendor string, tenants int) (runtimeconfig.Document, error) {
	ca, err := os.ReadFile(filepath.Join(dir, certFile))
	if err != nil {
		return runtimeconfig.Document{}, fmt.Errorf("reading the certificate: %w", err)
	}
	d := runtimeconfig.Document{Vendors: []runtimeconfig.Vendor{vendorOf("https://"+vendor, string(ca))}}
	sum := sha256.Sum256([]byte(clientSecret))
	for i := range tenants {
		namespace := fmt.Sprintf("tenant-%05d", i)
		d.Credentials = append(d.Credentials, runtimeconfig.Credential{
			Source: runtimeconfig.SourceBYOC, Namespace: namespace, Name: "example-app", UID: "b1b2c3d4-0000-4000-8000-" + fmt.Sprintf("%012d", i),
			Vendor: vendorName, Default: true, ClientID: appID, ClientSecret: secret.New(appSecret),
		})
		d.Clients = append(d.Clients, runtimeconfig.Client{
			ID: clientID(i), Namespace: namespace, UID: "c1b2c3d4-0000-4000-8000-" + fmt.Sprintf("%012d", i), DisplayName: "Tenant " + fmt.Sprint(i),
			RedirectURIs: []string{redirectURI}, Auth: runtimeconfig.ClientSecret, SecretSHA256: []string{hex.EncodeToString(sum[:])},
			Vendors: []runtimeconfig.AllowedVendor{{Name: vendorName}},
		})
	}
	return d, nil
}

// vendorOf has the defaults that the operator applies.
func vendorOf(base, ca string) runtimeconfig.Vendor {
	return runtimeconfig.Vendor{
		Name: vendorName, UID: "a1b2c3d4-0000-4000-8000-000000000000", DisplayName: "Example",
		Target: &runtimeconfig.Target{
			Issuer:    base,
			Endpoints: runtimeconfig.Endpoints{Authorization: base + "/authorize", Token: base + "/token", Refresh: base + "/token", JWKS: base + "/jwks"},
		},
		Callback:      runtimeconfig.Callback{Path: runtimeconfig.CallbackShared, IssuerParameter: runtimeconfig.IssuerWhenPresent, CodeParameter: "code"},
		Scopes:        runtimeconfig.Scopes{Default: []string{"openid", "profile"}, Separator: " ", Parameter: "scope"},
		PKCE:          true,
		ClientAuth:    runtimeconfig.ClientAuth{Method: runtimeconfig.AuthBasic},
		TokenResponse: runtimeconfig.TokenResponse{Format: runtimeconfig.FormatJSON, ScopeSeparator: " "},
		Identity:      runtimeconfig.Identity{IDToken: runtimeconfig.IDTokenRequired, Algorithms: []string{"RS256"}},
		Revocation:    runtimeconfig.Revocation{Style: "None"},
		Resource:      runtimeconfig.Resource{Mode: runtimeconfig.ResourcePass, Parameter: "resource", OnAuthorize: true, OnToken: true, OnRefresh: true},
		Registration:  runtimeconfig.Registration{Mode: "Disabled"},
		Transport:     runtimeconfig.Transport{TimeoutSeconds: 10, MaxResponseBytes: 1 << 20, CABundle: ca},
	}
}
