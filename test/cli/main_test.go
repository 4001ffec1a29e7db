// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/cli"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// broker and program are the binaries, built once.
var broker, program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "cli-")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		root := filepath.Join("..", "..")
		if broker, err = binary.Build(root, dir, "broker"); err == nil {
			program, err = binary.Build(root, dir, "oauth-broker")
		}
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

const (
	appSecret = "vendor-app-secret-canary-0123456789"
	webSecret = "web-client-secret-canary-0123456789"
)

// site is a running broker with one vendor, and who logs in there.
type site struct {
	*binary.Install
	vendor *fakevendor.Server
	broker *binary.Broker
	ca     string
}

func newSite(t *testing.T, flags ...string) *site {
	t.Helper()
	s := &site{Install: binary.New(t, broker)}
	s.vendor = fakevendor.New(fakevendor.Options{IssuerParameter: true, Clients: []fakevendor.Client{
		{ID: "platform-app", Secret: appSecret, RedirectURIs: []string{s.PublicURL + "/v1/callback"}},
	}}).Start(t)
	s.Watch(s.vendor)
	s.Plant("a configured secret", appSecret)
	s.Plant("a configured secret", webSecret)
	s.Write("config/acme.yaml", fmt.Sprintf(manifests, s.vendor.Issuer(), indented(string(s.vendor.CAPEM())), appSecret, webSecret))
	s.ca = s.Path("ca.crt")
	if err := os.WriteFile(s.ca, s.CA.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	s.broker = s.Start(flags...).Ready()
	return s
}

func indented(pem string) string {
	return regexp.MustCompile(`(?m)^`).ReplaceAllString(pem, "      ")
}

const manifests = `apiVersion: oauthbroker.dev/v1alpha1
kind: OAuthVendor
metadata: {name: acme}
spec:
  display: {name: Acme Files}
  issuer: %s
  discovery: {type: OpenIDConnect}
  scopes: {default: [openid, files], allowed: [openid, files]}
  revocation: {style: RFC7009}
  credentials:
    secretRef: {name: acme-app}
    allowedNamespaces: {from: Names, names: [team]}
    selfRegisteredClients: Allowed
  trustedNamespaces: {from: Names, names: [team]}
  transport:
    caBundle: |
%s
---
apiVersion: v1
kind: Secret
metadata: {name: acme-app}
stringData: {clientID: platform-app, clientSecret: %s}
---
apiVersion: oauthbroker.dev/v1alpha1
kind: BrokerClient
metadata: {name: cli, namespace: team}
spec:
  applicationType: Native
  redirectURIs: ["http://127.0.0.1/callback"]
  authentication: {method: None}
  vendors: [{name: acme}]
---
apiVersion: oauthbroker.dev/v1alpha1
kind: BrokerClient
metadata: {name: web, namespace: team}
spec:
  applicationType: Native
  redirectURIs: ["http://127.0.0.1/done"]
  authentication: {method: ClientSecret, secretRef: {name: web}}
  vendors: [{name: acme}]
---
apiVersion: v1
kind: Secret
metadata: {name: web, namespace: team}
stringData: {clientSecret: %s}
---
apiVersion: oauthbroker.dev/v1alpha1
kind: BrokerClient
metadata: {name: stranger, namespace: elsewhere}
spec:
  applicationType: Native
  redirectURIs: ["http://127.0.0.1/callback"]
  authentication: {method: None}
  vendors: [{name: acme}]
`

// oauthBroker is the command line, with an environment that has no cluster.
func oauthBroker(t *testing.T) cli.Program {
	t.Helper()
	return cli.Program{T: t, Path: program, Env: []string{"KUBECONFIG=/nonexistent", "OAUTH_BROKER_LOGIN_SECRET="}}
}
