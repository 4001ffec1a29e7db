// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

const (
	sharedSecret = "shared-app-secret-canary-0123456789"
	byocSecret   = "globex-app-secret-canary-0123456789"
	envSecret    = "environment-secret-canary-0123456789"
	webSecret    = "globex-web-client-secret-canary-0123456789"
	application  = "https://app.example/callback"
	loopback     = "http://127.0.0.1:50123/callback"
)

// site is an install with two vendors: acme is discovered and has a shared app
// and one of globex; envy is written out, and its app is in the environment.
type site struct {
	*binary.Install
	acme, envy *fakevendor.Server
	key        *ecdsa.PrivateKey // of client initech.batch
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{Install: binary.New(t, broker)}
	callback := []string{s.PublicURL + "/v1/callback"}
	s.acme = fakevendor.New(fakevendor.Options{IssuerParameter: true, Clients: []fakevendor.Client{
		{ID: "platform-app", Secret: sharedSecret, RedirectURIs: callback}, {ID: "globex-app", Secret: byocSecret, RedirectURIs: callback},
	}}).Start(t)
	s.envy = fakevendor.New(fakevendor.Options{Clients: []fakevendor.Client{{ID: "environment-app", Secret: envSecret, RedirectURIs: callback}}}).Start(t)
	for _, v := range []*fakevendor.Server{s.acme, s.envy} {
		s.Watch(v)
	}
	for _, value := range []string{sharedSecret, byocSecret, envSecret, webSecret} {
		s.Plant("a configured secret", value)
	}
	var err error
	if s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	for name, content := range s.manifests(t) {
		s.Write("config/"+name, content)
	}
	return s
}

// manifests are what kubectl would apply.
func (s *site) manifests(t *testing.T) map[string]string {
	t.Helper()
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &s.key.PublicKey, KeyID: "key-1", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	r := strings.NewReplacer(
		"ACME_ISSUER", s.acme.Issuer(), "ACME_CA", indent(s.acme.CAPEM()), "ENVY_ISSUER", s.envy.Issuer(), "ENVY_CA", indent(s.envy.CAPEM()),
		"SHARED_SECRET", sharedSecret, "BYOC_SECRET", byocSecret, "WEB_SECRET", webSecret, "JWKS", string(jwks),
		"APPLICATION", application, "LOOPBACK", strings.Replace(loopback, ":50123", "", 1),
	)
	return map[string]string{
		"namespaces.yaml": namespacesYAML, "acme.yaml": r.Replace(acmeYAML), "envy.yaml": r.Replace(envyYAML),
		"byoc.yaml": r.Replace(byocYAML), "byoc-secret.yaml": r.Replace(byocSecretYAML), "clients.yaml": r.Replace(clientsYAML),
	}
}

func indent(pem []byte) string {
	return "|\n      " + strings.ReplaceAll(strings.TrimSpace(string(pem)), "\n", "\n      ")
}

const namespacesYAML = `apiVersion: v1
kind: Namespace
metadata: {name: initech, labels: {tier: trusted}}
---
apiVersion: v1
kind: Namespace
metadata: {name: globex, labels: {tier: trusted}}
`

const acmeYAML = `apiVersion: oauthbroker.dev/v1alpha1
kind: OAuthVendor
metadata: {name: acme}
spec:
  issuer: ACME_ISSUER
  discovery: {type: OpenIDConnect}
  scopes: {default: [openid], allowed: [openid, files]}
  clientAuthentication: {method: ClientSecretBasic}
  credentials:
    secretRef: {name: acme-app}
    allowedNamespaces: {from: Names, names: [initech, globex]}
  trustedNamespaces: {from: Selector, selector: {matchLabels: {tier: trusted}}}
  transport:
    caBundle: ACME_CA
---
apiVersion: v1
kind: Secret
metadata: {name: acme-app, namespace: oauth-broker-system}
stringData: {clientID: platform-app, clientSecret: SHARED_SECRET}
`

const envyYAML = `apiVersion: oauthbroker.dev/v1alpha1
kind: OAuthVendor
metadata: {name: envy}
spec:
  endpoints: {authorization: ENVY_ISSUER/authorize, token: ENVY_ISSUER/token}
  scopes: {default: [files]}
  clientAuthentication: {method: ClientSecretPost}
  credentials:
    fromEnvironment: true
    allowedNamespaces: {from: Names, names: [initech]}
  trustedNamespaces: {from: Names, names: [initech]}
  transport:
    caBundle: ENVY_CA
`

const byocYAML = `apiVersion: oauthbroker.dev/v1alpha1
kind: BYOCCredential
metadata: {name: acme, namespace: globex}
spec: {vendor: acme, secretRef: {name: own-app}}
`

const byocSecretYAML = `apiVersion: v1
kind: Secret
metadata: {name: own-app, namespace: globex}
stringData: {clientID: globex-app, clientSecret: BYOC_SECRET}
`

const clientsYAML = `apiVersion: oauthbroker.dev/v1alpha1
kind: BrokerClient
metadata: {name: cli, namespace: initech}
spec:
  applicationType: Native
  redirectURIs: ["LOOPBACK"]
  authentication: {method: None}
  vendors: [{name: acme}, {name: envy}]
---
apiVersion: oauthbroker.dev/v1alpha1
kind: BrokerClient
metadata: {name: batch, namespace: initech}
spec:
  redirectURIs: ["APPLICATION"]
  authentication: {method: PrivateKeyJWT, jwks: 'JWKS'}
  vendors: [{name: acme}]
---
apiVersion: oauthbroker.dev/v1alpha1
kind: BrokerClient
metadata: {name: web, namespace: globex}
spec:
  redirectURIs: ["APPLICATION"]
  authentication: {method: ClientSecret, secretRef: {name: web}}
  vendors: [{name: acme}]
---
apiVersion: v1
kind: Secret
metadata: {name: web, namespace: globex}
stringData: {clientSecret: WEB_SECRET}
`

// cli is the public client, web the confidential one.
func (s *site) cli(vendor string) *binary.Client {
	return s.Client(vendor, oauth2.Config{ClientID: "initech.cli", RedirectURL: loopback}, s.acme, s.envy)
}

func (s *site) web() *binary.Client {
	return s.Client("acme", oauth2.Config{ClientID: "globex.web", ClientSecret: webSecret, RedirectURL: application}, s.acme)
}

func (s *site) batch() *binary.Client {
	return s.Client("acme", oauth2.Config{ClientID: "initech.batch", RedirectURL: application, Endpoint: oauth2.Endpoint{AuthStyle: oauth2.AuthStyleInParams}}, s.acme)
}

// assertion authenticates client batch, as options of x/oauth2.
func (s *site) assertion(t *testing.T) []oauth2.AuthCodeOption {
	t.Helper()
	now := time.Now()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": "initech.batch", "sub": "initech.batch", "aud": s.PublicURL + "/v1/vendors/acme", "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(50 * time.Second).Unix(),
	})
	token.Header["kid"] = "key-1"
	signed, err := token.SignedString(s.key)
	if err != nil {
		t.Fatal(err)
	}
	return []oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
		oauth2.SetAuthURLParam("client_assertion", signed),
	}
}

// login walks a whole login.
func login(t *testing.T, c *binary.Client, options ...oauth2.AuthCodeOption) *oauth2.Token {
	t.Helper()
	l, err := c.Login()
	if err != nil {
		t.Fatalf("login of %s: %v", c.ClientID, err)
	}
	token, err := c.Token(l, options...)
	if err != nil {
		t.Fatalf("token of %s: %v", c.ClientID, err)
	}
	return token
}
