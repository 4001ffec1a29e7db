// SPDX-License-Identifier: Apache-2.0

// Package controlplane starts a real kube-apiserver and etcd for test suites
// and installs the CRDs of config/crd/bases. A suite starts ONE in its
// TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(controlplane.Main(m, &plane)) }
//
// The binaries come from $KUBEBUILDER_ASSETS, else from the cache directory
// that `make controlplane` fills. They are never downloaded, and a suite
// without them fails instead of being skipped.
package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/test/binary"
)

// Target is the make target that builds the binaries.
const Target = "make controlplane"

// Plane is a running control plane.
type Plane struct {
	// Config of an administrator, without client-side throttling.
	Config *rest.Config
	// Client of an administrator. It caches nothing.
	Client client.Client
	// Env adds users, see envtest.Environment.AddUser.
	Env *envtest.Environment
}

// Main starts a control plane into p, runs the tests and stops it. It returns
// the exit code.
func Main(m *testing.M, p *Plane) int {
	started, err := Start()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "control plane:", err)
		return 1
	}
	*p = *started
	code := m.Run()
	if err := p.Stop(); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "control plane:", err)
	}
	return code
}

// MainWith is Main for suites that run programs of cmd: it builds each and puts
// its path at the pointer. The libraries' own logs are discarded.
func MainWith(m *testing.M, p *Plane, programs map[string]*string) int {
	log := logr.FromSlogHandler(slog.DiscardHandler)
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	dir, err := os.MkdirTemp("", "oauth-broker-programs-")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
	}
	for name, path := range programs {
		if err == nil {
			*path, err = binary.Build(Root(), dir, name)
		}
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return Main(m, p)
}

// Start starts a control plane with the CRDs installed.
func Start() (*Plane, error) {
	assets, err := Assets()
	if err != nil {
		return nil, err
	}
	env := &envtest.Environment{
		BinaryAssetsDirectory:    assets,
		CRDDirectoryPaths:        []string{filepath.Join(Root(), "config", "crd", "bases")},
		ErrorIfCRDPathMissing:    true,
		ControlPlaneStartTimeout: 2 * time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
	}
	env.ControlPlane.GetAPIServer().Out = io.Discard
	cfg, err := env.Start()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting (binaries in %s): %w", assets, err), env.Stop())
	}
	cfg.QPS = -1
	c, err := client.New(cfg, client.Options{Scheme: Scheme()})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making client: %w", err), env.Stop())
	}
	return &Plane{Config: cfg, Client: c, Env: env}, nil
}

// Stop stops the control plane.
func (p *Plane) Stop() error { return p.Env.Stop() }

// Namespace makes a namespace of a unique name for a test. It stays: there is
// no controller that would finish its deletion.
func (p *Plane) Namespace(ctx context.Context, prefix string) (string, error) {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: prefix + "-"}}
	if err := p.Client.Create(ctx, ns); err != nil {
		return "", fmt.Errorf("creating namespace: %w", err)
	}
	return ns.Name, nil
}

// Scheme knows the built-in kinds and ours.
func Scheme() *apiruntime.Scheme {
	s := apiruntime.NewScheme()
	// Neither can fail on an empty scheme.
	_ = clientgoscheme.AddToScheme(s)
	_ = oauthv1alpha1.AddToScheme(s)
	return s
}

// Assets finds the directory of the binaries.
func Assets() (string, error) {
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	if dir == "" {
		version, err := pinnedVersion()
		if err != nil {
			return "", err
		}
		cache := os.Getenv("XDG_CACHE_HOME")
		if cache == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return "", fmt.Errorf("finding the cache directory: %w", err)
			}
			cache = filepath.Join(home, ".cache")
		}
		dir = filepath.Join(cache, "oauth-broker", "controlplane", version)
	}
	for _, name := range []string{"etcd", "kube-apiserver"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return "", fmt.Errorf("%s is not in %s: run `%s` or set KUBEBUILDER_ASSETS", name, dir, Target)
		}
	}
	return dir, nil
}

// pinnedVersion is the Kubernetes version of hack/controlplane/go.mod.
func pinnedVersion() (string, error) {
	path := filepath.Join(Root(), "hack", "controlplane", "go.mod")
	b, err := os.ReadFile(path) // #nosec G304 -- a file of this repository
	if err != nil {
		return "", fmt.Errorf("reading the pinned version: %w", err)
	}
	m := regexp.MustCompile(`(?m)^\s*(?:require\s+)?k8s\.io/kubernetes\s+(v\S+)`).FindSubmatch(b)
	if m == nil {
		return "", fmt.Errorf("%s requires no k8s.io/kubernetes", path)
	}
	return string(m[1]), nil
}

// Root is the root directory of the repository, found from the working
// directory: go test runs in the directory of the package.
func Root() string {
	dir, err := os.Getwd()
	if err != nil {
		return "."
	}
	for d := dir; d != filepath.Dir(d); d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "hack", "controlplane", "go.mod")); err == nil {
			return d
		}
	}
	return dir
}
