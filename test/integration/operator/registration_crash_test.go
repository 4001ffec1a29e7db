// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

// mortal is a manager with fault points, built once for a test.
func mortal(t *testing.T) (bin string) {
	t.Helper()
	bin = filepath.Join(t.TempDir(), "manager")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags=faultpoints", "-o", bin, "./cmd/manager")
	build.Dir = controlplane.Root()
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return bin
}

// manager is a process with the rights of the generated roles.
type manager struct {
	cmd *exec.Cmd
	log lockedBuffer
}

// run starts the manager; it dies at step, where that is not empty.
func (r *registry) run(bin, kubeconfig, step string) *manager {
	r.t.Helper()
	m := &manager{}
	m.cmd = exec.CommandContext(r.t.Context(), bin, "--public-url="+harness.PublicURL, "--namespace="+r.system, "--published-namespace="+r.published,
		"--broker-class="+r.class, "--kubeconfig="+kubeconfig, "--health-probe-bind-address=0", "--metrics-bind-address=0")
	m.cmd.Env = append(os.Environ(), "OAUTH_BROKER_FAULTPOINT="+step)
	m.cmd.Stderr = &m.log
	if err := m.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = m.cmd.Process.Kill()
		_ = m.cmd.Wait()
		if r.t.Failed() {
			r.t.Logf("the manager that dies at %q said:\n%s", step, m.log.String())
		}
	})
	return m
}

// killed waits until the manager died at its step.
func (m *manager) killed(t *testing.T) {
	t.Helper()
	failure, died := errors.AsType[*exec.ExitError](m.cmd.Wait())
	if !died || failure.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the manager ended with %v\n%s", failure, m.log.String())
	}
}

// TestRegistration_killedAtEachStep kills the manager (SIGKILL) at each step of a
// registration and of a change, and starts another. Nothing is lost: the object
// ends as wanted. Nothing is there twice without status telling of it.
func TestRegistration_killedAtEachStep(t *testing.T) {
	bin := mortal(t)
	manageable := fakevendor.Options{Manageable: true}
	rotating := fakevendor.Options{Manageable: true, RotateOnUpdate: true}
	for name, c := range map[string]struct {
		step   string
		vendor fakevendor.Options
		// change: an app is registered already, and the object changes.
		change bool
		// apps that are at the vendor, and orphans in status, at the end.
		apps, orphans int
	}{
		"held": {"registration-held", fakevendor.Options{}, false, 1, 0},
		// Nobody can know whether the request was sent.
		"begun":          {"registration-begun", fakevendor.Options{}, false, 1, 1},
		"answered":       {"registration-answered", fakevendor.Options{}, false, 2, 1},
		"kept":           {"registration-kept", fakevendor.Options{}, false, 1, 0},
		"told":           {"registration-told", fakevendor.Options{}, false, 1, 0},
		"updated":        {"registration-update-answered", manageable, true, 1, 0},
		"update is kept": {"registration-kept", rotating, true, 1, 0},
		// The new access token was in the answer that got lost.
		"updated, with new secrets": {"registration-update-answered", rotating, true, 2, 1},
		// Without updates another app takes the place of the first.
		"another is begun":    {"registration-begun", fakevendor.Options{}, true, 2, 2},
		"another is answered": {"registration-answered", fakevendor.Options{}, true, 3, 2},
		"another is kept":     {"registration-kept", fakevendor.Options{}, true, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t, c.vendor)
			r.create(r.object, r.app)
			want := `"Team A"`
			if c.change {
				want = `"Renamed"`
				r.registerAndRename()
			}
			kubeconfig := r.kubeconfig("role.yaml")
			r.run(bin, kubeconfig, c.step).killed(t)
			r.run(bin, kubeconfig, "")
			settled := func() error {
				if err := r.registered(); err != nil {
					return err
				}
				if n, o := len(r.fake.RegisteredApps()), len(r.app.Status.Registration.Orphans); n != c.apps || o != c.orphans {
					return fmt.Errorf("the vendor has %d apps, status tells of %d orphans, want %d and %d: %+v", n, o, c.apps, c.orphans, r.app.Status.Registration)
				}
				return r.accounted()
			}
			eventually(t, settled)
			stays(t, settled)
			if last := r.lastSent(); !strings.Contains(last, want) {
				t.Errorf("the vendor was last asked for %s, want %s in it", last, want)
			}
		})
	}
}

// registerAndRename registers an app, stops the operator and changes the object.
func (r *registry) registerAndRename() {
	r.t.Helper()
	op := r.start(r.registers)
	eventually(r.t, r.registered)
	op.stop()
	update(r.install, r.app, func(c *oauthv1alpha1.BYOCCredential) { c.Spec.DynamicRegistration.ClientName = "Renamed" })
}

// lastSent is the body of the last registration or update.
func (r *registry) lastSent() string {
	last := ""
	for _, request := range r.fake.Requests(fakevendor.Registration, fakevendor.Management) {
		if request.Method != http.MethodDelete {
			last = string(request.Body)
		}
	}
	return last
}

// TestRegistration_killedAtEachStepOfDeletion: the object goes, the app goes, and
// what cannot go is in the vendor's status, once.
func TestRegistration_killedAtEachStepOfDeletion(t *testing.T) {
	bin := mortal(t)
	manageable := fakevendor.Options{Manageable: true}
	for name, c := range map[string]struct {
		step          string
		vendor        fakevendor.Options
		apps, orphans int
	}{
		"removing":        {"registration-removing", manageable, 0, 0},
		"delete answered": {"registration-delete-answered", manageable, 0, 0},
		"removed":         {"registration-removed", manageable, 0, 0},
		"closed":          {"registration-closed", manageable, 0, 0},
		"orphan, closed":  {"registration-closed", fakevendor.Options{}, 1, 1},
		"forgotten":       {"registration-forgotten", manageable, 0, 0},
		"orphans told":    {"registration-orphans-told", fakevendor.Options{}, 1, 1},
		"orphan, removed": {"registration-removed", fakevendor.Options{}, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t, c.vendor)
			r.create(r.object, r.app)
			op := r.start(r.registers)
			eventually(t, r.registered)
			op.stop()
			r.remove()
			kubeconfig := r.kubeconfig("role.yaml")
			r.run(bin, kubeconfig, c.step).killed(t)
			r.run(bin, kubeconfig, "")
			eventually(t, r.deleted)
			orphans, err := r.orphans()
			if err != nil || len(orphans) != c.orphans || len(r.fake.RegisteredApps()) != c.apps {
				t.Errorf("orphans %+v (%v), apps %+v; want %d and %d", orphans, err, r.fake.RegisteredApps(), c.orphans, c.apps)
			}
			if c.orphans > 0 && (orphans[0].ClientID != r.fake.RegisteredApps()[0].ID || orphans[0].Credential != r.tenant+"/app") {
				t.Errorf("the orphan is %+v", orphans[0])
			}
		})
	}
}
