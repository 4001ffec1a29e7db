// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// crashAt lets a manager run into a step that kills it, and starts another.
func (r *registry) crashAt(bin, step string) {
	r.t.Helper()
	kubeconfig, flag := r.kubeconfig("role.yaml"), "--public-url="+harness.PublicURL
	r.startManager(bin, kubeconfig, step, flag).dies(r.t)
	m := r.startManager(bin, kubeconfig, "", flag)
	r.t.Cleanup(func() {
		if r.t.Failed() {
			r.t.Logf("the second manager said:\n%s", m.log)
		}
	})
}

// TestRegistration_killedAtEachStep kills the manager (SIGKILL) at each step of a
// registration and of a change, and starts another. Nothing is lost: the object
// ends as wanted. Nothing is there twice without status telling of it.
func TestRegistration_killedAtEachStep(t *testing.T) {
	bin := buildManager(t, "faultpoints")
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
			r.crashAt(bin, c.step)
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
	bin := buildManager(t, "faultpoints")
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
			r.crashAt(bin, c.step)
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
