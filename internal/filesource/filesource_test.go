// SPDX-License-Identifier: Apache-2.0

package filesource_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/filesource"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/capture"
	"github.com/oauthbroker/oauth-broker/test/poll"
)

const (
	vendorYAML = `apiVersion: oauthbroker.dev/v1alpha1
kind: OAuthVendor
metadata: {name: acme}
spec:
  endpoints: {authorization: "https://acme.example/a", token: "https://acme.example/t"}
  credentials:
    secretRef: {name: acme}
    allowedNamespaces: {from: Selector, selector: {matchLabels: {tier: gold}}}
`
	secretYAML = `apiVersion: v1
kind: Secret
metadata: {name: acme}
stringData: {clientID: shared-app, clientSecret: CANARY-shared}
`
	byocYAML = `apiVersion: oauthbroker.dev/v1alpha1
kind: BYOCCredential
metadata: {namespace: team-a, name: acme}
spec: {vendor: acme, secretRef: {name: own}}
---
apiVersion: v1
kind: Secret
metadata: {namespace: team-a, name: own}
stringData: {clientID: own-app, clientSecret: CANARY-own}
`
	clientYAML = `apiVersion: oauthbroker.dev/v1alpha1
kind: BrokerClient
metadata: {namespace: team-a, name: app}
spec:
  redirectURIs: ["https://app.example/cb"]
  authentication: {method: None}
  vendors: [{name: acme}]
---
apiVersion: v1
kind: Namespace
metadata: {name: team-a, labels: {tier: gold}}
`
)

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func newSource(t *testing.T, dir string, log *capture.Buffer) *filesource.Source {
	t.Helper()
	s, err := filesource.New(filesource.Options{
		Now: time.Now,
		Dir: dir, Settings: translate.Settings{PublicURL: "https://broker.example"}, Interval: 5 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// load loads a directory, whose client of team-a gets want.
func load(t *testing.T, dir string, log *capture.Buffer, want string) (*filesource.Source, *runtimeconfig.Snapshot) {
	t.Helper()
	s := newSource(t, dir, log)
	first, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := chosen(first); got != want {
		t.Fatalf("chose %s, want %s: %s", got, want, log)
	}
	return s, first
}

// chosen is the vendor-side client id that the client of team-a gets.
func chosen(s *runtimeconfig.Snapshot) string {
	v, ok := s.Vendor("acme")
	if !ok {
		return "no vendor"
	}
	c, ok := s.Client("team-a.app")
	if !ok {
		return "no client"
	}
	credential, err := s.Choose(c, v, "")
	if err != nil {
		return err.Error()
	}
	return credential.ClientID
}

func TestSource_loadAndChange(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "vendor.yaml", vendorYAML)
	write(t, dir, "below/client.yml", clientYAML)
	write(t, dir, "secret.json", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"acme"},"data":{"clientID":"c2hhcmVkLWFwcA==","clientSecret":"Q0FOQVJZLXNoYXJlZA=="}}`)
	write(t, dir, ".hidden.yaml", "nonsense: [")
	write(t, dir, "notes.txt", "nonsense: [")
	var log capture.Buffer
	s, first := load(t, dir, &log, "shared-app")
	w := watch(t, s, &log, first)
	write(t, dir, "byoc.yaml", byocYAML)
	w.until("own-app")
	write(t, dir, "byoc.yaml", strings.Replace(byocYAML, "clientSecret: CANARY-own", "wrong: CANARY-own", 1))
	w.until("credential not ready")
	w.logged("lacks the keys clientSecret")
	write(t, dir, "broken.yaml", strings.Replace(vendorYAML, "credentials:", "crednetials:", 1))
	w.logged(`unknown field`)
	write(t, dir, "byoc.yaml", byocYAML) // not taken while another file is wrong
	if err := os.Remove(filepath.Join(dir, "broken.yaml")); err != nil {
		t.Fatal(err)
	}
	w.until("own-app")
	w.logged("can be read again")
	w.logged("object is good now")
	if err := os.Remove(filepath.Join(dir, "byoc.yaml")); err != nil {
		t.Fatal(err)
	}
	w.until("shared-app")
	if w.last().Revision != first.Revision {
		t.Error("equal content has another revision")
	}
	if strings.Contains(log.String(), "CANARY") {
		t.Errorf("the log holds a secret:\n%s", log.String())
	}
	if n := strings.Count(log.String(), "unknown field"); n != 1 {
		t.Errorf("one problem was logged %d times", n)
	}
}

// watcher collects what Run hands out.
type watcher struct {
	t    *testing.T
	now  atomic.Pointer[runtimeconfig.Snapshot]
	done chan error
	log  *capture.Buffer
}

func watch(t *testing.T, s *filesource.Source, log *capture.Buffer, first *runtimeconfig.Snapshot) *watcher {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watcher{t: t, log: log, done: make(chan error, 1)}
	w.now.Store(first)
	go func() { w.done <- s.Run(ctx, func(n *runtimeconfig.Snapshot) { w.now.Store(n) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-w.done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return w
}

func (w *watcher) last() *runtimeconfig.Snapshot { return w.now.Load() }

func (w *watcher) until(want string) {
	w.t.Helper()
	w.shows(want, func() string { return chosen(w.last()) })
}

func (w *watcher) logged(want string) {
	w.t.Helper()
	w.shows(want, w.log.String)
}

func (w *watcher) shows(want string, look func() string) {
	w.t.Helper()
	poll.Until(w.t, 10*time.Second, func() error {
		if got := look(); !strings.Contains(got, want) {
			return fmt.Errorf("still %q, want %q", got, want)
		}
		return nil
	})
}

func TestSource_mountedConfigMap(t *testing.T) {
	// A mounted ConfigMap: files are links into ..data, a link to a directory
	// that is swapped as a whole.
	dir := t.TempDir()
	write(t, dir, "..v1/vendor.yaml", vendorYAML+"---\n"+secretYAML)
	write(t, dir, "..v1/sub/client.yaml", clientYAML)
	write(t, dir, "..v2/vendor.yaml", vendorYAML+"---\n"+strings.Replace(secretYAML, "shared-app", "new-app", 1))
	write(t, dir, "..v2/sub/client.yaml", clientYAML)
	for name, to := range map[string]string{"..data": "..v1", "vendor.yaml": "..data/vendor.yaml", "sub": "..data/sub", "again": "..data/sub", "dangling.yaml": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(dir, filepath.Join(dir, "..v1/sub/loop")); err != nil {
		t.Fatal(err)
	}
	var log capture.Buffer
	s, first := load(t, dir, &log, "shared-app")
	w := watch(t, s, &log, first)
	if err := os.Symlink("..v2", filepath.Join(dir, "..tmp")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	w.until("new-app")
}

func TestSource_loadRefuses(t *testing.T) {
	for name, content := range map[string]string{
		"unknown field":   strings.Replace(vendorYAML, "spec:", "spec:\n  x: 1", 1),
		"twice":           vendorYAML + "---\n" + vendorYAML,
		"duplicate key":   vendorYAML + "spec: {}\n",
		"another kind":    "apiVersion: apps/v1\nkind: Deployment\n",
		"cel":             strings.Replace(vendorYAML, "https://acme.example/t", "http://acme.example/t", 1),
		"secret twice":    secretYAML + "---\n" + strings.Replace(secretYAML, "{name: acme}", "{name: acme, namespace: oauth-broker-system}", 1),
		"no YAML":         "a: [",
		"not an object":   "- a",
		"a CRD by chance": "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n",
	} {
		dir := t.TempDir()
		write(t, dir, "f.yaml", content)
		var log capture.Buffer
		if _, err := newSource(t, dir, &log).Load(t.Context()); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: the error holds a secret: %v", name, err)
		}
	}
	var log capture.Buffer
	if _, err := newSource(t, filepath.Join(t.TempDir(), "missing"), &log).Load(t.Context()); err == nil {
		t.Error("a missing directory: accepted")
	}
	if _, err := filesource.New(filesource.Options{Now: time.Now}); err == nil {
		t.Error("no directory: accepted")
	}
}

func TestSource_discovery(t *testing.T) {
	var up atomic.Bool
	op := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !up.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": "http://" + r.Host, "authorization_endpoint": "http://" + r.Host + "/a",
			"token_endpoint": "http://" + r.Host + "/t", "jwks_uri": "http://" + r.Host + "/k",
		})
	}))
	defer op.Close()
	dir := t.TempDir()
	write(t, dir, "op.yaml", fmt.Sprintf("apiVersion: oauthbroker.dev/v1alpha1\nkind: OAuthVendor\nmetadata: {name: acme}\nspec:\n  issuer: %s\n  discovery: {type: OpenIDConnect}\n", op.URL))
	write(t, dir, "client.yaml", clientYAML)
	var log capture.Buffer
	s, first := load(t, dir, &log, "no vendor") // discovery has not answered
	if !strings.Contains(log.String(), "HTTP status 503") {
		t.Errorf("the log does not say why:\n%s", log.String())
	}
	up.Store(true)
	w := watch(t, s, &log, first)
	w.until("no credential")
	if !strings.Contains(log.String(), "logins are refused at acme: namespace team-a has no BYOCCredential") {
		t.Errorf("the log does not say that logins will be refused:\n%s", log.String())
	}
	v, _ := w.last().Vendor("acme")
	if v.Target.Endpoints.Token != op.URL+"/t" {
		t.Errorf("token endpoint %s", v.Target.Endpoints.Token)
	}
	write(t, dir, "byoc.yaml", byocYAML)
	w.until("own-app")
}

// TestSource_sameEverywhere: brokers of one directory agree on the revision
// and on what a login is bound to.
func TestSource_sameEverywhere(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.yaml", vendorYAML+"---\n"+secretYAML+"---\n"+clientYAML+"---\n"+byocYAML)
	binding := func() (string, runtimeconfig.Binding) {
		var log capture.Buffer
		s, err := newSource(t, dir, &log).Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		v, _ := s.Vendor("acme")
		c, _ := s.Client("team-a.app")
		credential, err := s.Choose(c, v, "")
		if err != nil {
			t.Fatal(err)
		}
		return s.Revision, runtimeconfig.NewBinding(v, credential)
	}
	r1, b1 := binding()
	r2, b2 := binding()
	if r1 != r2 || b1 != b2 || b1.UID == "" {
		t.Errorf("%s %+v differs from %s %+v", r1, b1, r2, b2)
	}
}
