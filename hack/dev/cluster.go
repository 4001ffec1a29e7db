// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

// The namespaces of the install.
const (
	operatorNamespace  = "oauth-broker-system"
	publishedNamespace = "oauth-broker-published"
)

// The service accounts of config/rbac.
const (
	managerAccount = "oauth-broker-manager"
	brokerAccount  = "oauth-broker"
)

func root() string { return controlplane.Root() }

// cluster is a control plane without nodes: etcd and kube-apiserver.
type cluster struct {
	env    *envtest.Environment
	client client.Client
	// kubectl is the real one; the others are kubeconfig files.
	kubectl string
	admin   string
	manager string
	broker  string
}

// startCluster starts the control plane and installs CRDs, namespaces and rights.
func (d *demo) startCluster(ctx context.Context) error {
	assets, err := controlplane.Assets()
	if err != nil {
		return err
	}
	env := &envtest.Environment{
		BinaryAssetsDirectory: assets, ControlPlaneStartTimeout: 3 * time.Minute, ControlPlaneStopTimeout: 30 * time.Second,
	}
	env.ControlPlane.GetAPIServer().Out = io.Discard
	config, err := env.Start()
	if err != nil {
		return errors.Join(fmt.Errorf("starting (binaries in %s): %w", assets, err), env.Stop())
	}
	d.cluster = &cluster{
		env: env, kubectl: filepath.Join(assets, "kubectl"), admin: filepath.Join(d.dir, "admin.kubeconfig"),
		manager: filepath.Join(d.dir, "manager.kubeconfig"), broker: filepath.Join(d.dir, "broker.kubeconfig"),
	}
	if d.cluster.client, err = client.New(config, client.Options{Scheme: controlplane.Scheme()}); err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	if err := d.cluster.writeKubeconfigs(); err != nil {
		return err
	}
	d.fact("API server", "%s", config.Host)
	if err := d.cluster.namespaces(ctx); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"apply", "--filename", filepath.Join(root(), "config", "crd", "bases")},
		{"apply", "--kustomize", filepath.Join(root(), "config", "rbac")},
		{"wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"},
	} {
		if err := d.runKubectl(ctx, "", args...); err != nil {
			return err
		}
	}
	return d.cluster.bindManager(ctx)
}

func (c *cluster) stop() error {
	if err := c.env.Stop(); err != nil {
		return fmt.Errorf("stopping the control plane: %w", err)
	}
	return nil
}

// writeKubeconfigs makes an administrator, for kubectl, and one user each for
// manager and brokers. These have the names of service accounts, so that the
// rights of config/rbac are theirs and no more.
func (c *cluster) writeKubeconfigs() error {
	if err := os.WriteFile(c.admin, c.env.KubeConfig, 0o600); err != nil {
		return fmt.Errorf("writing the administrator's kubeconfig: %w", err)
	}
	for account, file := range map[string]string{managerAccount: c.manager, brokerAccount: c.broker} {
		user, err := c.env.AddUser(envtest.User{Name: "system:serviceaccount:" + operatorNamespace + ":" + account}, nil)
		if err != nil {
			return fmt.Errorf("adding %s: %w", account, err)
		}
		kubeconfig, err := user.KubeConfig()
		if err != nil {
			return fmt.Errorf("making the kubeconfig of %s: %w", account, err)
		}
		if err := os.WriteFile(file, kubeconfig, 0o600); err != nil {
			return fmt.Errorf("writing the kubeconfig of %s: %w", account, err)
		}
	}
	return nil
}

// namespaces makes those of the install.
func (c *cluster) namespaces(ctx context.Context) error {
	for _, name := range []string{operatorNamespace, publishedNamespace} {
		if err := c.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return fmt.Errorf("creating namespace %s: %w", name, err)
		}
	}
	return nil
}

// bindManager gives the manager's roles to its account, where config/rbac has
// not done so.
func (c *cluster) bindManager(ctx context.Context) error {
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: managerAccount}}
	objects := []client.Object{&rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: managerAccount}, Subjects: subjects,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: managerAccount},
	}}
	for _, namespace := range []string{operatorNamespace, publishedNamespace} {
		objects = append(objects, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: managerAccount}, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: managerAccount},
		})
	}
	for _, o := range objects {
		if err := client.IgnoreAlreadyExists(c.client.Create(ctx, o)); err != nil {
			return fmt.Errorf("creating %T: %w", o, err)
		}
	}
	return nil
}

// applySamples applies config/samples and waits until status says that every
// broker serves them.
func (d *demo) applySamples(ctx context.Context) error {
	files, err := filepath.Glob(filepath.Join(root(), "config", "samples", "*.yaml"))
	if err != nil {
		return fmt.Errorf("listing config/samples: %w", err)
	}
	var manifests []string
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading samples: %w", err)
		}
		manifests = append(manifests, string(b))
	}
	all := strings.Join(manifests, "\n---\n")
	all = strings.ReplaceAll(all, fmt.Sprintf("localhost:%d", samplePort), d.provider.host)
	if err := d.runKubectl(ctx, inNamespacesFirst(all), "apply", "--filename", "-"); err != nil {
		return err
	}
	for _, objects := range []string{"oauthvendors", "byoccredentials", "brokerclients"} {
		if err := d.runKubectl(ctx, "", "wait", "--for=condition=Programmed", objects, "--all", "--all-namespaces", "--timeout=30s"); err != nil {
			return errors.Join(err, d.runKubectl(ctx, "", "get", objects, "--all-namespaces", "--output=yaml"))
		}
	}
	return d.runKubectl(ctx, "", "get", "oauthbroker", "--all-namespaces")
}

// inNamespacesFirst puts the Namespaces before what lives in them.
func inNamespacesFirst(manifests string) string {
	var first, rest []string
	for m := range strings.SplitSeq(manifests, "\n---\n") {
		if strings.Contains(m, "\nkind: Namespace\n") {
			first = append(first, m)
		} else {
			rest = append(rest, m)
		}
	}
	return strings.Join(append(first, rest...), "\n---\n")
}

// runKubectl runs kubectl as an administrator and shows command and output.
func (d *demo) runKubectl(ctx context.Context, stdin string, args ...string) error {
	cmd := exec.CommandContext(ctx, d.cluster.kubectl, append([]string{"--kubeconfig", d.cluster.admin, "--cache-dir", filepath.Join(d.dir, "kubectl")}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	output, err := cmd.CombinedOutput()
	d.line("$ kubectl %s", strings.ReplaceAll(strings.Join(args, " "), root()+string(filepath.Separator), ""))
	for line := range strings.SplitSeq(strings.TrimRight(string(output), "\n"), "\n") {
		d.line("  %s", line)
	}
	if err != nil {
		return fmt.Errorf("kubectl %s: %w", args[0], err)
	}
	return nil
}
