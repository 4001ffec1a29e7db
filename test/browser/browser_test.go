// SPDX-License-Identifier: Apache-2.0

//go:build browser

package browser

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// node is the Node.js that test/package-lock.json brings.
const node = "../node_modules/.bin/node"

// world is what the walks are told.
type world struct {
	// Broker is the public URL, BrokerAddress the same on an address that Node.js
	// finds, too.
	Broker        string `json:"broker"`
	BrokerAddress string `json:"brokerAddress"`
	// Origins of the site, and the redirect URI of a native application.
	Vendor      string   `json:"vendor"`
	SignIn      string   `json:"signIn"`
	Application string   `json:"application"`
	Native      string   `json:"native"`
	Keys        []string `json:"keys"`
	Screenshots string   `json:"screenshots"`
	Chromium    string   `json:"chromium"`
}

// TestBrowser runs the walks; their own report tells which failed.
func TestBrowser(t *testing.T) {
	if _, err := os.Stat(node); err != nil {
		t.Fatalf("%v (make test-browser installs it)", err)
	}
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v (make test-browser installs it)", err)
	}
	built, err := binary.Build("../..", t.TempDir(), "broker")
	if err != nil {
		t.Fatal(err)
	}
	in := binary.New(t, built)
	_, port, _ := net.SplitHostPort(in.Public)
	in.PublicURL = "https://broker.example:" + port
	site := StartSite(t, fakevendor.Client{ID: "platform-app", Secret: "secret-of-the-platform-app", RedirectURIs: []string{in.PublicURL + "/v1/callback"}})
	in.Watch(site.Vendor)
	native := StartNative(t)
	in.Write("config/all.yaml", manifests(site))
	in.Write("ca.pem", string(in.CA.PEM()))
	in.Write("logo.svg", `<svg xmlns="http://www.w3.org/2000/svg" width="48" height="48"><circle cx="24" cy="24" r="22" fill="#7a1f5c"/></svg>`)
	broker := in.Start("--registration", "Open", "--brand-name", "Acme Platform", "--brand-logo", in.Path("logo.svg"),
		"--brand-color", "#7a1f5c", "--brand-color-dark", "#f0a6d4", "--support-url", "https://acme.example/help").Ready()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the broker's log:\n%s", broker.Log())
		}
	})
	screenshots, err := filepath.Abs("screenshots")
	if err != nil {
		t.Fatal(err)
	}
	brokerKey, err := os.ReadFile(in.Path("tls.crt"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(brokerKey)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	walk(t, in, world{
		Broker: in.PublicURL, BrokerAddress: "https://" + in.Public, Vendor: site.Origin(hostVendor), SignIn: site.Origin(hostSignIn),
		Application: site.Origin(hostApplication), Native: native, Screenshots: screenshots, Chromium: chromium,
		Keys: []string{keyHash(certificate), keyHash(site.Server.Certificate())},
	})
}

// keyHash is how Chromium is told to trust one key.
func keyHash(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func walk(t *testing.T, in *binary.Install, w world) {
	t.Helper()
	told, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	files, err := filepath.Glob("*.test.mjs")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d walks: %v", len(files), err)
	}
	cmd := exec.CommandContext(ctx, node, append([]string{"--test", "--test-concurrency=1", "--test-timeout=200000", "--test-reporter=spec"}, files...)...)
	cmd.Env = append(os.Environ(), "WORLD="+string(told), "NODE_EXTRA_CA_CERTS="+in.Path("ca.pem"), "FORCE_COLOR=0")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
}

// manifests are three vendors on one server, which differ in how a user meets
// them, and two clients that the platform registered.
func manifests(s *Site) string {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Server.Certificate().Raw})
	vendor := func(name, host, more string) string {
		return fmt.Sprintf(`
apiVersion: oauthbroker.dev/v1alpha1
kind: OAuthVendor
metadata: {name: %s}
spec:
  display: {name: Acme Documents}
  endpoints: {authorization: "%s/authorize", token: "%s/token"}
  clientAuthentication: {method: ClientSecretBasic}
  refresh: {rotation: SingleUse}
  scopes:
    default: [documents.read]
    allowed: [documents.read, documents.write, offline_access]
    descriptions:
      - {scope: documents.read, text: Read all your documents}
      - {scope: documents.write, text: "Change, share and delete your documents"}
  credentials:
    secretRef: {name: platform-app}
    allowedNamespaces: {from: All}
    selfRegisteredClients: Allowed
  trustedNamespaces: {from: Names, names: [trusted]}
  transport:
    caBundle: |
      %s%s
---`, name, s.Origin(host), s.Server.URL, strings.ReplaceAll(strings.TrimSpace(string(ca)), "\n", "\n      "), more)
	}
	client := func(namespace, name string) string {
		return fmt.Sprintf(`
apiVersion: oauthbroker.dev/v1alpha1
kind: BrokerClient
metadata: {name: web, namespace: %s}
spec:
  displayName: %s
  redirectURIs: ["%s/callback"]
  authentication: {method: None}
  vendors: [{name: acme}, {name: quick}, {name: postal}]
---`, namespace, name, s.Origin(hostApplication))
	}
	return vendor("acme", hostVendor, "") + vendor("quick", hostQuick, "") + vendor("postal", hostQuick, "\n  authorize: {responseMode: FormPost}") +
		client("platform", "Acme Dashboard") + client("trusted", "Trusted Dashboard") + `
apiVersion: v1
kind: Secret
metadata: {name: platform-app}
stringData: {clientID: platform-app, clientSecret: secret-of-the-platform-app}
`
}
