// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/oauth2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/capture"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
	"github.com/oauthbroker/oauth-broker/test/wire"
)

const (
	appSecret    = "platform-app-secret-canary-0123456789"
	clientSecret = "tenant-client-secret-canary-0123456789"
	redirectURI  = "https://app.example/callback"
)

// cluster is an install of the product: namespaces, the manager as a process,
// and a wire between the broker and the API server that can be cut.
type cluster struct {
	*binary.Install
	system, published, tenant string
	vendor                    *fakevendor.Server
	wire                      *wire.Wire
	operator                  capture.Buffer // what the manager logs
}

func newCluster(t *testing.T, managerFlags ...string) *cluster {
	t.Helper()
	c := &cluster{Install: binary.New(t, broker), wire: wire.New(t, apiServer(t))}
	for prefix, name := range map[string]*string{"system": &c.system, "published": &c.published, "tenant": &c.tenant} {
		var err error
		if *name, err = plane.Namespace(t.Context(), prefix); err != nil {
			t.Fatal(err)
		}
	}
	c.vendor = fakevendor.New(fakevendor.Options{Clients: []fakevendor.Client{
		{ID: "platform-app", Secret: appSecret, RedirectURIs: []string{c.PublicURL + "/v1/callback"}},
	}}).Start(t)
	c.Watch(c.vendor)
	c.Plant("the app's secret", appSecret)
	c.Plant("the client's secret", clientSecret)
	c.startManager(t, managerFlags)
	return c
}

// startManager runs the manager and takes the key ring that it makes.
func (c *cluster) startManager(t *testing.T, flags []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), manager, "--public-url", c.PublicURL, "--namespace", c.system, "--published-namespace", c.published,
		"--broker-class", c.tenant, "--broker-admin", "http://"+c.Admin, "--kubeconfig", c.kubeconfig(t, "manager", plane.Config),
		"--metrics-bind-address", "0", "--health-probe-bind-address", "0")
	cmd.Args = append(cmd.Args, flags...)
	cmd.Stdout, cmd.Stderr = &c.operator, &c.operator
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the manager: %s", c.operator.String())
		}
	})
	c.Remove("keyring.json")
	c.takeRing(t)
}

// takeRing puts the ring of the Secret into the file, as a kubelet does.
func (c *cluster) takeRing(t *testing.T) {
	t.Helper()
	binary.Eventually(t, func() error {
		var s corev1.Secret
		if err := plane.Client.Get(t.Context(), client.ObjectKey{Namespace: c.system, Name: "oauth-broker-keyring"}, &s); err != nil {
			return err
		}
		return os.WriteFile(c.Path("keyring.json"), s.Data[keyring.DataKey], 0o600)
	})
}

// kubeconfig writes a file with the credentials of a configuration.
func (c *cluster) kubeconfig(t *testing.T, name string, config *rest.Config) string {
	t.Helper()
	k := clientcmdapi.NewConfig()
	k.Clusters["c"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	k.AuthInfos["c"] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	k.Contexts["c"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "c"}
	k.CurrentContext = "c"
	path := c.Path(name + ".kubeconfig")
	if err := clientcmd.WriteToFile(*k, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// brokerUser has the broker's shipped role, over the wire.
func (c *cluster) brokerUser(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(controlplane.Root(), "config", "rbac", "broker_role.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var role rbacv1.Role
	if err := yaml.Unmarshal([]byte(strings.SplitN(string(b), "\n---\n", 2)[0]), &role); err != nil {
		t.Fatal(err)
	}
	role.Namespace = c.published
	user, err := plane.Env.AddUser(envtest.User{Name: "broker-of-" + c.tenant}, nil)
	if err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.published, Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "broker-of-" + c.tenant}},
	}
	c.create(t, &role, binding)
	config := rest.CopyConfig(user.Config())
	config.Host = "https://" + c.wire.Addr()
	return c.kubeconfig(t, "broker", config)
}

func (c *cluster) create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		if err := plane.Client.Create(t.Context(), o); err != nil {
			t.Fatalf("creating %T %s: %v", o, o.GetName(), err)
		}
	}
}

// objects of one vendor, its app and one client.
func (c *cluster) objects() []client.Object {
	only := &oauthv1alpha1.NamespacePolicy{From: oauthv1alpha1.NamespacesByName, Names: []string{c.tenant}}
	return []client.Object{
		&oauthv1alpha1.OAuthVendor{ObjectMeta: metav1.ObjectMeta{Name: c.vendorName()}, Spec: oauthv1alpha1.OAuthVendorSpec{
			BrokerClass: c.tenant,
			Endpoints: &oauthv1alpha1.Endpoints{
				Authorization: oauthv1alpha1.EndpointURL(c.vendor.Issuer() + "/authorize"), Token: oauthv1alpha1.EndpointURL(c.vendor.Issuer() + "/token"),
			},
			Scopes:            &oauthv1alpha1.Scopes{Default: []oauthv1alpha1.ScopeToken{"files"}},
			Credentials:       &oauthv1alpha1.SharedCredentials{SecretRef: &oauthv1alpha1.SecretReference{Name: "app"}, AllowedNamespaces: only},
			TrustedNamespaces: only,
			Transport:         &oauthv1alpha1.Transport{CABundle: string(c.vendor.CAPEM())},
		}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.system, Name: "app"}, StringData: map[string]string{"clientID": "platform-app", "clientSecret": appSecret}},
		&oauthv1alpha1.BrokerClient{ObjectMeta: metav1.ObjectMeta{Namespace: c.tenant, Name: "web"}, Spec: oauthv1alpha1.BrokerClientSpec{
			BrokerClass: c.tenant, RedirectURIs: []oauthv1alpha1.RedirectURI{redirectURI},
			Authentication: oauthv1alpha1.BrokerClientAuthentication{Method: oauthv1alpha1.ClientAuthSecret, SecretRef: &oauthv1alpha1.SecretReference{Name: "web"}},
			Vendors:        []oauthv1alpha1.AllowedVendor{{Name: c.vendorName()}},
		}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.tenant, Name: "web"}, StringData: map[string]string{"clientSecret": clientSecret}},
	}
}

func (c *cluster) vendorName() string { return "v-" + c.tenant }

// login walks a whole login.
func (c *cluster) login() error {
	web := c.Client(c.vendorName(), oauth2.Config{ClientID: c.tenant + ".web", ClientSecret: clientSecret, RedirectURL: redirectURI}, c.vendor)
	l, err := web.Login()
	if err != nil {
		return err
	}
	_, err = web.Token(l)
	return err
}

func TestLastGood(t *testing.T) {
	c := newCluster(t)
	kubeconfig, file := c.brokerUser(t), c.Path("last-good")
	source := []string{"--published-namespace", c.published, "--kubeconfig", kubeconfig}
	withFile := append(source, "--last-good", file)
	b := c.StartWith(withFile...)
	c.create(t, c.objects()...)
	binary.Eventually(t, c.login)
	served := b.Revision()
	binary.Eventually(t, func() error { return c.fileIsSealed(t, file) })

	// The API server goes away: the running broker serves on.
	c.wire.Cut()
	b.LogHas(`"problem":"api"`, `"serving":true`)
	if err := c.login(); err != nil {
		t.Errorf("while the API server is away: %v", err)
	}
	b.Kill()

	// So does one that starts now, from the file.
	start := time.Now()
	b = c.StartWith(withFile...).Ready()
	t.Logf("ready %s after the start without an API server", time.Since(start).Round(time.Millisecond))
	if err := c.login(); err != nil {
		t.Errorf("from the file: %v", err)
	}
	if got := b.Revision(); got.Sequence != served.Sequence || got.Revision != served.Revision {
		t.Errorf("serves %+v, want %+v", got, served)
	}
	b.LogHas("last good configuration is served")

	// The API server comes back: the file is written anew, without any change to
	// the document, and changes are followed again.
	c.Remove("last-good")
	c.wire.Mend()
	binary.Eventually(t, func() error { return c.fileIsSealed(t, file) })
	c.change(t, "mail")
	c.follows(t, b, served.Sequence)
	b.Stop()

	// Without the file there is nothing to serve, and the log says why.
	c.wire.Cut()
	b = c.StartWith(source...)
	c.notReady(t, b, `"problem":"api"`)
	// The same with a file that no key opens.
	b.Stop()
	if err := os.WriteFile(file, []byte("obg1.abcdefgh.nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	b = c.StartWith(withFile...)
	c.notReady(t, b, "no last good configuration to start from", "key")
	// It recovers by itself.
	c.wire.Mend()
	b.Ready()
	binary.Eventually(t, c.login)
	b.Stop()
}

// TestLastGood_leftAlone: a directory that cannot be written to is a problem for
// the log and no reason to stop.
func TestLastGood_leftAlone(t *testing.T) {
	c := newCluster(t)
	c.create(t, c.objects()...)
	b := c.StartWith("--published-namespace", c.published, "--kubeconfig", c.brokerUser(t), "--last-good", c.Path("nowhere/last-good"))
	binary.Eventually(t, c.login)
	b.LogHas(`"problem":"last_good"`, "nowhere")
}

// notReady wants 503 that says so, and the reason in the log.
func (c *cluster) notReady(t *testing.T, b *binary.Broker, reason ...string) {
	t.Helper()
	b.LogHas(reason...)
	_, err := b.AdminGet("/readyz")
	if status := (&binary.StatusError{}); !errors.As(err, &status) || status.Status != 503 || !strings.Contains(status.Body, "no configuration yet") {
		t.Errorf("readyz: got %v, want 503", err)
	}
	answer, err := c.HTTP().Get(c.PublicURL + "/v1/authorize")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if page, _ := io.ReadAll(answer.Body); answer.StatusCode != 503 || !strings.Contains(string(page), "no configuration yet") {
		t.Errorf("authorize: got %d %s", answer.StatusCode, page)
	}
}

// fileIsSealed: what is on disk shows nothing, and only its owner reads it.
func (c *cluster) fileIsSealed(t *testing.T, file string) error {
	t.Helper()
	files, err := filepath.Glob(file + "*")
	if err != nil || len(files) < 2 || files[0] != file {
		return fmt.Errorf("there are %q, want an index and shards: %w", files, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, plain := range []string{appSecret, clientSecret, "platform-app", c.vendorName(), redirectURI} {
			if strings.Contains(string(b), plain) {
				t.Errorf("the file holds %q", plain)
			}
		}
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		if info.Mode().Perm() != 0o600 || !strings.HasPrefix(string(b), "obg1.") {
			return fmt.Errorf("got mode %s and %.5s", info.Mode(), b)
		}
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".last-good-*"))
	if err != nil || len(left) > 0 {
		return fmt.Errorf("left over: %v, %w", left, err)
	}
	return nil
}

func (c *cluster) change(t *testing.T, scope string) {
	t.Helper()
	var v oauthv1alpha1.OAuthVendor
	if err := plane.Client.Get(t.Context(), client.ObjectKey{Name: c.vendorName()}, &v); err != nil {
		t.Fatal(err)
	}
	v.Spec.Scopes.Default = append(v.Spec.Scopes.Default, oauthv1alpha1.ScopeToken(scope))
	if err := plane.Client.Update(t.Context(), &v); err != nil {
		t.Fatal(err)
	}
}

// follows waits for a later configuration.
func (c *cluster) follows(t *testing.T, b *binary.Broker, sequence int64) {
	t.Helper()
	binary.Eventually(t, func() error {
		var r binary.Revision
		body, err := b.AdminGet("/revision")
		if err == nil {
			err = json.Unmarshal([]byte(body), &r)
		}
		if err == nil && r.Sequence <= sequence {
			err = fmt.Errorf("sequence %d is served", r.Sequence)
		}
		return err
	})
}

// apiServer is the host and port of the API server.
func apiServer(t *testing.T) string {
	t.Helper()
	server, _, err := rest.DefaultServerUrlFor(plane.Config)
	if err != nil {
		t.Fatal(err)
	}
	return server.Host
}
