// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/capture"
	"github.com/oauthbroker/oauth-broker/test/cli"
	"github.com/oauthbroker/oauth-broker/test/install"
	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

// world is one install in the control plane, in the namespaces that the charts
// use by default; manager and broker run as processes.
type world struct {
	*binary.Install
	t     *testing.T
	tools install.Tools
	admin string // a kubeconfig
	ca    string
	// broker is the running one.
	broker *binary.Broker
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, Install: binary.New(t, broker)}
	var err error
	if w.tools, err = install.Find(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{install.Namespace, install.Published} {
		if err := plane.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	w.admin = w.kubeconfig("admin", "")
	w.ca = w.Path("ca.crt")
	if err := os.WriteFile(w.ca, w.CA.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// kubeconfig of the administrator, who may act as somebody else.
func (w *world) kubeconfig(name, as string) string {
	w.t.Helper()
	config, err := clientcmd.Load(plane.Env.KubeConfig)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, user := range config.AuthInfos {
		user.Impersonate = as
	}
	path := w.Path(name + ".kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// start runs the manager, and a broker with the key ring that it makes.
func (w *world) start() {
	w.t.Helper()
	var log capture.Buffer
	cmd := exec.CommandContext(w.t.Context(), manager, "--public-url", w.PublicURL, "--namespace", install.Namespace, "--published-namespace", install.Published,
		"--broker-admin", "http://"+w.Admin, "--kubeconfig", w.admin, "--metrics-bind-address", "0", "--health-probe-bind-address", "0")
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if w.t.Failed() {
			w.t.Logf("manager: %s", log.String())
		}
	})
	binary.Eventually(w.t, func() error {
		var s corev1.Secret
		if err := plane.Client.Get(w.t.Context(), client.ObjectKey{Namespace: install.Namespace, Name: "oauth-broker-keyring"}, &s); err != nil {
			return err
		}
		if len(s.Data[keyring.DataKey]) == 0 {
			return errors.New("no key ring yet")
		}
		return os.WriteFile(w.Path("keyring.json"), s.Data[keyring.DataKey], 0o600)
	})
	w.broker = w.StartWith("--published-namespace", install.Published, "--kubeconfig", w.admin).Ready()
}

// kubectl applies manifests.
func (w *world) apply(manifests string) {
	w.t.Helper()
	assets, err := controlplane.Assets()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.CommandContext(w.t.Context(), filepath.Join(assets, "kubectl"), "--kubeconfig", w.admin, "--cache-dir", w.t.TempDir(), "apply", "--server-side", "--force-conflicts", "--filename", "-")
	cmd.Stdin = strings.NewReader(manifests)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("kubectl apply: %v\n%s", err, out)
	}
}

// program is the command line, with a kubeconfig.
func (w *world) program(kubeconfig string) cli.Program {
	return cli.Program{T: w.t, Path: program, Env: []string{"KUBECONFIG=" + kubeconfig}}
}

// report is the output of doctor --json.
type report struct {
	OK       bool
	Findings []struct{ Check, Object, Level, Message, Fix string }
}

func (w *world) doctor(code int, args ...string) report {
	w.t.Helper()
	r := w.program(w.admin).Run(append([]string{"doctor", "--json", "--ca-file", w.ca, "--broker-admin", "http://" + w.Admin}, args...)...)
	var out report
	if err := json.Unmarshal([]byte(r.Stdout), &out); err != nil || r.Code != code || out.OK != (code == 0) {
		w.t.Fatalf("exit code %d, want %d; %v\n%s%s", r.Code, code, err, r.Stdout, r.Stderr)
	}
	return out
}

// has finds a finding whose message and fix hold the texts.
func (r report) has(t *testing.T, level, check, object string, texts ...string) {
	t.Helper()
	for _, f := range r.Findings {
		all := f.Check == check && f.Level == level && strings.Contains(f.Object, object)
		for _, text := range texts {
			all = all && strings.Contains(f.Message+" "+f.Fix, text)
		}
		if all {
			return
		}
	}
	t.Errorf("no %s of %s about %q with %q in:\n%s", level, check, object, texts, r)
}

func (r report) String() string {
	var b strings.Builder
	for _, f := range r.Findings {
		_, _ = fmt.Fprintf(&b, "%s %s %s: %s\n\tfix: %s\n", f.Level, f.Check, f.Object, f.Message, f.Fix)
	}
	return b.String()
}

func (w *world) read(name string) []byte {
	w.t.Helper()
	b, err := os.ReadFile(w.Path(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}
