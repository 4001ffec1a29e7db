// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/oauthbroker/oauth-broker/controllers"
	"github.com/oauthbroker/oauth-broker/test/capture"
	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

// TestManager runs the binary as it ships: under its generated roles, with the
// leader lease, health endpoints and JSON logs; SIGTERM ends it with 0 and
// gives the lease back.
func TestManager(t *testing.T) {
	in := newInstall(t)
	bin := filepath.Join(t.TempDir(), "manager")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./cmd/manager")
	build.Dir = controlplane.Root()
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	b := in.startBroker()
	probe, metrics := freeAddress(t), freeAddress(t)
	var log capture.Buffer
	cmd := exec.CommandContext(t.Context(), bin, "--public-url=https://broker.example", "--namespace="+in.system, "--published-namespace="+in.published,
		"--broker-class="+in.class, "--broker-admin="+in.brokers[0], "--leader-elect", "--kubeconfig="+in.kubeconfig("role.yaml"),
		"--health-probe-bind-address="+probe, "--metrics-bind-address="+metrics)
	cmd.Stderr, cmd.Stdout = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	credential := in.credential("acme")
	in.create(in.vendor(), credential, in.secret("acme", dumpMarker))
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), dumpMarker) })
	eventually(t, func() error { return condition(credential, "Ready", "True", "Ready") })
	for _, path := range []string{"/healthz", "/readyz"} {
		eventually(t, func() error { _, err := get("http://" + probe + path); return err })
	}
	eventually(t, func() error {
		body, err := get("http://" + metrics + "/metrics")
		if err == nil && !strings.Contains(body, `oauth_broker_operator_objects{kind="BYOCCredential",verdict="good"} 1`) {
			return errors.New("the metrics do not count the credential")
		}
		return err
	})
	eventually(t, func() error { return in.checkDump("http://" + metrics + controllers.DumpPath) })
	if holder, err := in.leaseHolder(); err != nil || holder == "" {
		t.Errorf("nobody holds the lease (%v)", err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, log.String())
	}
	if holder, err := in.leaseHolder(); err != nil || holder != "" {
		t.Errorf("%q still holds the lease (%v)", holder, err)
	}
	checkJSONLog(t, log.String())
}

const dumpMarker = "CANARY-of-the-dump"

// checkDump reads the dump where a person would, at the port for metrics.
func (in *install) checkDump(url string) error {
	dump, err := get(url)
	if err != nil {
		return err
	}
	if !json.Valid([]byte(dump)) || !strings.Contains(dump, in.vendorName()) || !strings.Contains(dump, `"sequence"`) {
		return fmt.Errorf("the dump is %s", dump)
	}
	if strings.Contains(dump, dumpMarker) {
		in.t.Error("the dump holds a client secret")
	}
	hc := &http.Client{Timeout: 5 * time.Second}
	response, err := hc.Post(url, "text/plain", nil)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusMethodNotAllowed {
		in.t.Errorf("POST got status %d, want 405", response.StatusCode)
	}
	return nil
}

func checkJSONLog(t *testing.T, log string) {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(log))
	for lines.Scan() {
		var line struct{ Level, Msg string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Errorf("not JSON: %s", lines.Text())
		}
		// controller-runtime takes the end of the lease for an error at every stop.
		expected := strings.Contains(lines.Text(), "leader election lost")
		if line.Level == "ERROR" && !expected || strings.Contains(lines.Text(), "forbidden") {
			t.Errorf("an error in the log of a good day: %s", lines.Text())
		}
	}
}

func (in *install) leaseHolder() (string, error) {
	var lease coordinationv1.Lease
	if err := plane.Client.Get(in.t.Context(), types.NamespacedName{Namespace: in.system, Name: "oauth-broker-" + in.class}, &lease); err != nil {
		return "", err
	}
	if lease.Spec.HolderIdentity == nil {
		return "", nil
	}
	return *lease.Spec.HolderIdentity, nil
}

// kubeconfig writes a kubeconfig file for a user with the roles of a file.
func (in *install) kubeconfig(roles string) string {
	in.t.Helper()
	content, err := in.addUser(roles).KubeConfig()
	if err != nil {
		in.t.Fatal(err)
	}
	path := filepath.Join(in.t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		in.t.Fatal(err)
	}
	return path
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func get(url string) (string, error) {
	hc := &http.Client{Timeout: 5 * time.Second}
	response, err := hc.Get(url)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d: %s", url, response.StatusCode, body)
	}
	return string(body), err
}
