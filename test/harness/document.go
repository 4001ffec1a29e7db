// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// What Standard configures.
const (
	// VendorName is the vendor.
	VendorName = "acme"
	// Namespace is where the clients are; it is trusted and may use the shared app.
	Namespace = "tenant-a"
	// PublicClient has no secret; WebClient has one; KeyClient signs assertions.
	PublicClient = Namespace + ".public"
	WebClient    = Namespace + ".web"
	KeyClient    = Namespace + ".key"
	// WebSecret is the secret of WebClient.
	WebSecret = "web-client-secret-0123456789abcdef"
	// RedirectURI of every client.
	RedirectURI = "https://app.example/cb"
	// App and AppSecret are the shared app at the vendor.
	App       = "acme-shared-app"
	AppSecret = "acme-shared-app-secret-0123456789"
)

// Setup shapes Standard.
type Setup struct {
	Options
	// Vendor is the fake vendor. Its Clients are the shared App when empty.
	Vendor fakevendor.Options
	// Edit changes the document before it is applied.
	Edit func(d *runtimeconfig.Document)
}

// Standard starts brokers and one vendor, with a shared app and three clients.
func Standard(t testing.TB, s Setup) *Harness {
	t.Helper()
	h := Start(t, s.Options)
	if len(s.Vendor.Clients) == 0 {
		s.Vendor.Clients = []fakevendor.Client{{ID: App, Secret: AppSecret, RedirectURIs: Callbacks(VendorName)}}
	}
	h.Fake = h.StartVendor(s.Vendor)
	d := h.Document()
	if s.Edit != nil {
		s.Edit(&d)
	}
	h.Apply(d)
	return h
}

// Document is what Standard applies, made anew.
func (h *Harness) Document() runtimeconfig.Document {
	h.t.Helper()
	h.Plant("client secret", WebSecret)
	return runtimeconfig.Document{
		Vendors:     []runtimeconfig.Vendor{Vendor(VendorName, h.Fake)},
		Credentials: []runtimeconfig.Credential{Shared(VendorName, App, AppSecret)},
		Clients: []runtimeconfig.Client{
			Client(PublicClient, VendorName),
			WithSecret(Client(WebClient, VendorName), WebSecret),
			WithJWKS(Client(KeyClient, VendorName), h.Key().Public()),
		},
	}
}

// Callbacks are the redirect URIs that an app at a vendor may have.
func Callbacks(vendor string) []string {
	return []string{PublicURL + "/v1/callback", PublicURL + "/v1/callback/" + vendor}
}

// Vendor describes a fake vendor, with the defaults that the operator applies.
func Vendor(name string, fake *fakevendor.Server) runtimeconfig.Vendor {
	return runtimeconfig.Vendor{
		Name: name, UID: "uid-" + name, DisplayName: strings.ToUpper(name),
		Target: &runtimeconfig.Target{
			Issuer: fake.Issuer(),
			Endpoints: runtimeconfig.Endpoints{
				Authorization: fake.URL(fakevendor.Authorize), Token: fake.URL(fakevendor.Token),
				Refresh: fake.URL(fakevendor.Token), JWKS: fake.URL(fakevendor.JWKS),
			},
		},
		Callback:      runtimeconfig.Callback{Path: runtimeconfig.CallbackShared, IssuerParameter: runtimeconfig.IssuerWhenPresent, CodeParameter: "code"},
		Scopes:        runtimeconfig.Scopes{Default: []string{"read"}, Separator: " ", Parameter: "scope"},
		PKCE:          true,
		ClientAuth:    runtimeconfig.ClientAuth{Method: runtimeconfig.AuthBasic},
		TokenResponse: runtimeconfig.TokenResponse{Format: runtimeconfig.FormatJSON, ScopeSeparator: " "},
		Identity:      runtimeconfig.Identity{IDToken: runtimeconfig.IDTokenValidated, Algorithms: []string{"RS256"}},
		Revocation:    runtimeconfig.Revocation{Style: "None"},
		Resource:      runtimeconfig.Resource{Mode: runtimeconfig.ResourcePass, Parameter: "resource", OnAuthorize: true, OnToken: true, OnRefresh: true},
		Registration:  runtimeconfig.Registration{Mode: "Disabled"},
		SharedUse:     runtimeconfig.NamespaceSet{Names: []string{Namespace}},
		Trusted:       runtimeconfig.NamespaceSet{Names: []string{Namespace}},
		Transport:     runtimeconfig.Transport{TimeoutSeconds: 5, MaxResponseBytes: 1 << 20, CABundle: string(fake.CAPEM())},
	}
}

// Shared is a vendor's shared credential.
func Shared(vendor, clientID, clientSecret string) runtimeconfig.Credential {
	return runtimeconfig.Credential{
		Source: runtimeconfig.SourceShared, UID: "uid-" + vendor, Vendor: vendor, ClientID: clientID, ClientSecret: secret.New(clientSecret),
	}
}

// BYOC is the default credential of a namespace at a vendor, named as its client id.
func BYOC(namespace, vendor, clientID, clientSecret string) runtimeconfig.Credential {
	return runtimeconfig.Credential{
		Source: runtimeconfig.SourceBYOC, Namespace: namespace, Name: clientID, UID: "uid-" + namespace + "-" + clientID,
		Vendor: vendor, Default: true, ClientID: clientID, ClientSecret: secret.New(clientSecret),
	}
}

// Client is a public client with the id <namespace>.<name>.
func Client(id string, vendors ...string) runtimeconfig.Client {
	namespace, _, _ := strings.Cut(id, ".")
	c := runtimeconfig.Client{
		ID: id, Namespace: namespace, UID: "uid-" + id, DisplayName: id, RedirectURIs: []string{RedirectURI}, Auth: runtimeconfig.ClientNone,
	}
	for _, v := range vendors {
		c.Vendors = append(c.Vendors, runtimeconfig.AllowedVendor{Name: v})
	}
	return c
}

// WithSecret makes c authenticate by a secret.
func WithSecret(c runtimeconfig.Client, clientSecret string) runtimeconfig.Client {
	sum := sha256.Sum256([]byte(clientSecret))
	c.Auth, c.SecretSHA256 = runtimeconfig.ClientSecret, []string{hex.EncodeToString(sum[:])}
	return c
}

// WithJWKS makes c authenticate by assertions that key verifies.
func WithJWKS(c runtimeconfig.Client, key any) runtimeconfig.Client {
	c.Auth, c.JWKS = runtimeconfig.ClientPrivateKeyJWT, JWKS(key)
	return c
}

// JWKS is a key set of one public key.
func JWKS(key any) string {
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: "key-1", Use: "sig"}}})
	if err != nil {
		return "" // a client without keys fails at once
	}
	return string(b)
}

// Key is the private key of KeyClient.
func (h *Harness) Key() *ecdsa.PrivateKey {
	h.t.Helper()
	if h.key == nil {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			h.t.Fatal(err)
		}
		h.key = key
	}
	return h.key
}
