// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// patience is how long a client may take for everything.
const patience = time.Minute

// node is the Node.js that test/package-lock.json brings: some clients need a newer
// one than Debian has.
const node = "../node_modules/.bin/node"

// world is a broker with a vendor, started once for all tests.
type world struct {
	*binary.Install
	vendor *fakevendor.Server
}

// The pre-registered clients of every world.
const (
	nativeClient = "acme.native"
	secretClient = "acme.secret"
	clientSecret = "a-secret-of-a-pre-registered-client-0123456789"
)

// newWorld starts a broker that takes registrations. Its vendors are acme, with
// OAuth alone, and acme-openid, the same server with OpenID Connect.
func newWorld(t *testing.T) *world {
	t.Helper()
	if _, err := os.Stat(node); err != nil {
		t.Fatalf("%v (make test-interop installs it)", err)
	}
	broker, err := binary.Build("../..", t.TempDir(), "broker")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Install: binary.New(t, broker)}
	w.vendor = fakevendor.New(fakevendor.Options{Clients: []fakevendor.Client{{
		ID: "platform-app", Secret: "secret-of-the-platform-app", RedirectURIs: []string{w.PublicURL + "/v1/callback"},
	}}}).Start(t)
	w.Watch(w.vendor)
	w.Write("config/vendors.yaml", w.manifests())
	w.Write("ca.pem", string(w.CA.PEM()))
	w.Start("--registration", "Open", "--client-id-metadata-documents").Ready()
	return w
}

func (w *world) issuer(vendor string) string { return w.PublicURL + "/v1/vendors/" + vendor }

func (w *world) manifests() string {
	shared := `
  clientAuthentication: {method: ClientSecretBasic}
  refresh: {rotation: SingleUse}
  credentials:
    secretRef: {name: platform-app}
    allowedNamespaces: {from: Names, names: [acme]}
    selfRegisteredClients: Allowed
  trustedNamespaces: {from: Names, names: [acme]}
  transport:
    caBundle: |
      ` + strings.ReplaceAll(strings.TrimSpace(string(w.vendor.CAPEM())), "\n", "\n      ")
	return fmt.Sprintf(`
apiVersion: oauthbroker.dev/v1alpha1
kind: OAuthVendor
metadata: {name: acme}
spec:
  display: {name: Acme}
  endpoints: {authorization: %q, token: %q, revocation: %q}
  revocation: {style: RFC7009}
  scopes: {default: [read], allowed: [read, write]}%s
---
apiVersion: oauthbroker.dev/v1alpha1
kind: OAuthVendor
metadata: {name: acme-openid}
spec:
  display: {name: Acme with OpenID Connect}
  issuer: %q
  discovery: {type: OpenIDConnect}
  identity: {idToken: Required}
  scopes: {default: [openid], allowed: [openid, email]}%s
---
apiVersion: v1
kind: Secret
metadata: {name: platform-app}
stringData: {clientID: platform-app, clientSecret: secret-of-the-platform-app}
---
apiVersion: oauthbroker.dev/v1alpha1
kind: BrokerClient
metadata: {name: native, namespace: acme}
spec:
  displayName: Acme CLI
  applicationType: Native
  redirectURIs: ["http://127.0.0.1/callback", "http://127.0.0.1/oauth/callback"]
  authentication: {method: None}
  vendors: [{name: acme}, {name: acme-openid}]
---
apiVersion: oauthbroker.dev/v1alpha1
kind: BrokerClient
metadata: {name: secret, namespace: acme}
spec:
  displayName: Acme with a secret
  applicationType: Native
  redirectURIs: ["http://127.0.0.1/callback"]
  authentication: {method: ClientSecret, secretRef: {name: client}}
  vendors: [{name: acme}, {name: acme-openid}]
---
apiVersion: v1
kind: Secret
metadata: {name: client, namespace: acme}
stringData: {clientSecret: %s}
`, w.vendor.URL(fakevendor.Authorize), w.vendor.URL(fakevendor.Token), w.vendor.URL(fakevendor.Revocation), shared, w.vendor.Issuer(), shared, clientSecret)
}

// user is a new browser.
func (w *world) user(t *testing.T) *User {
	t.Helper()
	u, err := NewUser(w.HTTP(w.vendor))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// command is a Node.js program. It trusts the broker's CA, and all that it knows
// of this machine is an empty home directory.
func (w *world) command(t *testing.T, script string, args ...string) (context.Context, *exec.Cmd) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	absolute, err := filepath.Abs(node)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, absolute, append([]string{script}, args...)...)
	cmd.Env = []string{"NODE_EXTRA_CA_CERTS=" + w.Path("ca.pem"), "HOME=" + t.TempDir(), "BROWSER=true", "PATH=" + filepath.Dir(absolute), "NO_COLOR=1"}
	return ctx, cmd
}
