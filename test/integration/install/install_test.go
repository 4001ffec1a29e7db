// SPDX-License-Identifier: Apache-2.0

// Package install_test hands both renderings of the install, Helm's and
// kustomize's, and the whole vendor catalog to a real API server: strict
// validation, and Pod Security "restricted" for the pods.
package install_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/oauthbroker/oauth-broker/test/documents"
	"github.com/oauthbroker/oauth-broker/test/install"
	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

var plane controlplane.Plane

func TestMain(m *testing.M) { os.Exit(controlplane.Main(m, &plane)) }

// rendering is one way to install.
type rendering struct {
	name   string
	render func(context.Context, install.Tools) ([]byte, error)
}

func renderings() []rendering {
	return []rendering{
		{"Helm, defaults", func(ctx context.Context, x install.Tools) ([]byte, error) {
			return x.Template(ctx, "oauth-broker", "--set", "publicURL="+install.PublicURL)
		}},
		{"Helm, options", func(ctx context.Context, x install.Tools) ([]byte, error) {
			return x.Template(ctx, "oauth-broker", "--set", "publicURL="+install.PublicURL+",watchNamespaces={team-a},redis.existingSecret=redis,extraCACertificates=ca,ingress.enabled=true,"+
				"broker.autoscaling.enabled=true,metrics.dashboard.enabled=true,broker.registration.mode=InitialAccessToken,broker.registration.existingSecret=token")
		}},
		{"helm test", func(ctx context.Context, x install.Tools) ([]byte, error) {
			return x.TestHooks(ctx, "--set", "publicURL="+install.PublicURL)
		}},
		{"kustomize", func(ctx context.Context, x install.Tools) ([]byte, error) { return x.Build(ctx, "config/default") }},
		{"overlay", func(ctx context.Context, x install.Tools) ([]byte, error) {
			return x.Build(ctx, "config/samples/install")
		}},
	}
}

func setUp(t *testing.T) install.Tools {
	t.Helper()
	x, err := install.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// A dry run makes no namespace, and what is in one needs it.
	for _, name := range []string{install.Namespace, install.Published, "team-a"} {
		o := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
		if err := client.IgnoreAlreadyExists(plane.Client.Create(t.Context(), o)); err != nil {
			t.Fatal(err)
		}
	}
	return x
}

// kubectl is the folder of the program, and the file that tells it of the server.
func kubectl(t *testing.T) (assets, kubeconfig string) {
	t.Helper()
	assets, err := controlplane.Assets()
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, plane.Env.KubeConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	return assets, kubeconfig
}

func dryRun(t *testing.T, manifests []byte) {
	t.Helper()
	assets, kubeconfig := kubectl(t)
	cmd := exec.CommandContext(t.Context(), filepath.Join(assets, "kubectl"), "--kubeconfig", kubeconfig, "--cache-dir", t.TempDir(),
		"apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "--filename", "-")
	cmd.Stdin = strings.NewReader(string(manifests))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl apply: %v\n%s", err, out)
	}
	if strings.Contains(string(out), "Warning") {
		t.Errorf("kubectl warns:\n%s", out)
	}
}

func TestInstall_valid(t *testing.T) {
	x := setUp(t)
	for _, r := range renderings() {
		t.Run(r.name, func(t *testing.T) {
			manifests, err := r.render(t.Context(), x)
			if err != nil {
				t.Fatal(err)
			}
			dryRun(t, manifests)
		})
	}
}

// TestInstall_restricted makes the pods that the Deployments would make, in a
// namespace that enforces Pod Security "restricted".
func TestInstall_restricted(t *testing.T) {
	x := setUp(t)
	for _, r := range renderings() {
		t.Run(r.name, func(t *testing.T) {
			objects, err := install.Objects(r.render(t.Context(), x))
			if err != nil {
				t.Fatal(err)
			}
			pods, want := 0, 2
			for _, o := range objects {
				if o.GetKind() == "Pod" { // that of helm test
					pods, want = pods+1, 1
					if err := plane.Client.Create(t.Context(), o, client.DryRunAll); err != nil {
						t.Errorf("%s: %v", o.GetName(), err)
					}
				}
				if o.GetKind() == "Deployment" {
					pods++
					if err := plane.Client.Create(t.Context(), podOf(t, o), client.DryRunAll); err != nil {
						t.Errorf("%s: %v", o.GetName(), err)
					}
				}
			}
			if pods != want {
				t.Errorf("%d pods, want %d", pods, want)
			}
		})
	}
	t.Run("the namespace does enforce it", func(t *testing.T) {
		bad := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "bad", Namespace: install.Namespace},
			Spec:       corev1.PodSpec{HostNetwork: true, Containers: []corev1.Container{{Name: "c", Image: "i"}}},
		}
		if err := plane.Client.Create(t.Context(), bad, client.DryRunAll); err == nil || !strings.Contains(err.Error(), "PodSecurity") {
			t.Errorf("a pod on the host's network was answered %v", err)
		}
	})
}

// TestRunbooks_restricted: the pods that runbooks start may run in the release's
// namespace.
func TestRunbooks_restricted(t *testing.T) {
	x := setUp(t)
	assets, kubeconfig := kubectl(t)
	pages, err := filepath.Glob(filepath.Join(x.Root, "docs", "runbooks", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, page := range pages {
		commands, err := documents.Commands(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range commands {
			if !strings.HasPrefix(c, "kubectl -n oauth-broker-system run ") {
				continue
			}
			ran++
			c = strings.NewReplacer("--rm -it", "--dry-run=server", "NAME-OF-REDIS-SECRET", "redis").Replace(c)
			cmd := exec.CommandContext(t.Context(), "bash", "-euc", c)
			cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "PATH="+assets+string(os.PathListSeparator)+os.Getenv("PATH"))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", page, err, out)
			}
		}
	}
	if ran != 1 {
		t.Errorf("%d pods of runbooks, want 1", ran)
	}
}

func podOf(t *testing.T, deployment *unstructured.Unstructured) *corev1.Pod {
	t.Helper()
	template, _, err := unstructured.NestedMap(deployment.Object, "spec", "template")
	if err != nil {
		t.Fatal(err)
	}
	var pod corev1.Pod
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(template, &pod); err != nil {
		t.Fatal(err)
	}
	pod.Name, pod.Namespace = deployment.GetName(), install.Namespace
	return &pod
}

// TestCatalog_valid: every vendor of the catalog chart, with what can be set.
func TestCatalog_valid(t *testing.T) {
	x := setUp(t)
	files, err := filepath.Glob(filepath.Join(x.Root, "charts", "oauth-broker-vendors", "catalog", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no catalog: %v", err)
	}
	set := []string{"brokerClass=default"}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		set = append(set, "vendors."+name+".enabled=true", "vendors."+name+".secretName=app", "vendors."+name+".byocNamespaces.from=All",
			"vendors."+name+".allowedNamespaces.from=Names", "vendors."+name+".allowedNamespaces.names={team-a}")
	}
	manifests, err := x.Template(t.Context(), "oauth-broker-vendors", "--set", strings.Join(set, ","))
	objects, err := install.Objects(manifests, err)
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) != len(files) {
		t.Errorf("%d vendors are rendered, want %d", len(objects), len(files))
	}
	dryRun(t, manifests)
}

// TestGitOps_tenant: what a tenant keeps in Git is what the API server takes.
func TestGitOps_tenant(t *testing.T) {
	x := setUp(t)
	content, err := os.ReadFile(filepath.Join(x.Root, "config", "samples", "gitops", "tenant", "oauth.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	dryRun(t, content)
}
