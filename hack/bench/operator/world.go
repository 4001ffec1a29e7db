// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

const (
	system    = "oauth-broker-system"
	published = "oauth-broker-published"
)

// bench is the running world.
type bench struct {
	began time.Time
	plane *controlplane.Plane
	http  *http.Client // to the API server, as an administrator
	dir   string
	logs  string

	managerConfig, brokerConfig string
	admin                       string // the broker's admin address
	manager, broker             *process
	seen                        *observer
	made                        size
	edited                      int
}

// say prints progress.
func (b *bench) say(format string, args ...any) {
	fmt.Printf("%7.1fs  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

// start builds the programs and starts control plane and broker.
func start(ctx context.Context, logs string) (*bench, error) {
	b := &bench{began: time.Now(), logs: logs}
	var err error
	if b.dir, err = os.MkdirTemp("", "bench-operator-"); err != nil {
		return nil, fmt.Errorf("making a directory: %w", err)
	}
	if b.logs == "" {
		b.logs = b.dir
	}
	b.say("building manager and broker")
	for _, name := range []string{"manager", "broker"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", filepath.Join(b.dir, name), "./cmd/"+name)
		cmd.Dir = controlplane.Root()
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building %s: %w\n%s", name, err, out)
		}
	}
	b.say("starting etcd and kube-apiserver")
	if b.plane, err = controlplane.Start(); err != nil {
		return nil, fmt.Errorf("starting control plane: %w", err)
	}
	if err := b.connect(ctx); err != nil {
		return nil, errors.Join(err, b.stop())
	}
	return b, nil
}

func (b *bench) connect(ctx context.Context) error {
	var err error
	if b.http, err = rest.HTTPClientFor(b.plane.Config); err != nil {
		return fmt.Errorf("making an HTTP client: %w", err)
	}
	for _, name := range []string{system, published} {
		if err := b.plane.Client.Create(ctx, namespace(name)); err != nil {
			return fmt.Errorf("creating namespace %s: %w", name, err)
		}
	}
	if err := b.grant(ctx); err != nil {
		return err
	}
	if b.seen, err = observe(ctx, b.plane.Config); err != nil {
		return err
	}
	return b.startBroker(ctx)
}

func namespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// grant gives manager and broker the rights of config/rbac, and no more.
func (b *bench) grant(ctx context.Context) error {
	var err error
	for account, path := range map[string]*string{"oauth-broker-manager": &b.managerConfig, "oauth-broker": &b.brokerConfig} {
		user, err := b.plane.Env.AddUser(envtest.User{Name: "system:serviceaccount:" + system + ":" + account}, nil)
		if err != nil {
			return fmt.Errorf("adding %s: %w", account, err)
		}
		content, err := user.KubeConfig()
		if err != nil {
			return fmt.Errorf("making the kubeconfig of %s: %w", account, err)
		}
		*path = filepath.Join(b.dir, account+".kubeconfig")
		if err := os.WriteFile(*path, content, 0o600); err != nil {
			return fmt.Errorf("writing the kubeconfig of %s: %w", account, err)
		}
	}
	adminConfig := filepath.Join(b.dir, "admin.kubeconfig")
	if err = os.WriteFile(adminConfig, b.plane.Env.KubeConfig, 0o600); err != nil {
		return fmt.Errorf("writing the administrator's kubeconfig: %w", err)
	}
	assets, err := controlplane.Assets()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(assets, "kubectl"), "--kubeconfig", adminConfig, "--cache-dir", filepath.Join(b.dir, "kubectl"),
		"apply", "--kustomize", filepath.Join(controlplane.Root(), "config", "rbac"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("granting rights: %w\n%s", err, out)
	}
	return b.checkGrant(ctx)
}

// checkGrant fails where config/rbac binds nothing: the figures would be those
// of a manager that may do nothing.
func (b *bench) checkGrant(ctx context.Context) error {
	var binding rbacv1.ClusterRoleBinding
	if err := b.plane.Client.Get(ctx, client.ObjectKey{Name: "oauth-broker-manager"}, &binding); err != nil {
		return fmt.Errorf("reading the manager's binding: %w", err)
	}
	return nil
}

// startBroker starts the one broker of the run.
func (b *bench) startBroker(ctx context.Context) error {
	ring := filepath.Join(b.dir, "keyring.json")
	if out, err := exec.CommandContext(ctx, filepath.Join(b.dir, "broker"), "keys", "new", ring).CombinedOutput(); err != nil {
		return fmt.Errorf("making a key ring: %w\n%s", err, out)
	}
	var err error
	if b.admin, err = freeAddress(ctx); err != nil {
		return err
	}
	public, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	b.broker, err = b.spawn("broker", "serve", "--public-url", "https://broker.example", "--listen", public, "--admin-listen", b.admin,
		"--keyring", ring, "--published-namespace", published, "--kubeconfig", b.brokerConfig, "--shutdown-delay", "0s")
	return err
}

func (b *bench) startManager(ctx context.Context) error {
	probe, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	b.manager, err = b.spawn("manager", "--public-url", "https://broker.example", "--namespace", system, "--published-namespace", published,
		"--broker-admin", "http://"+b.admin, "--kubeconfig", b.managerConfig, "--metrics-bind-address", "0", "--health-probe-bind-address", probe)
	return err
}

func (b *bench) stopManager() error {
	p := b.manager
	b.manager = nil
	return p.stop()
}

// stop ends everything that was started.
func (b *bench) stop() error {
	var problems []error
	for _, p := range []*process{b.manager, b.broker} {
		if p != nil {
			problems = append(problems, p.stop())
		}
	}
	if b.plane != nil {
		problems = append(problems, b.plane.Stop())
	}
	return errors.Join(append(problems, os.RemoveAll(b.dir))...)
}

func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
