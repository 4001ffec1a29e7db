// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers"
	"github.com/oauthbroker/oauth-broker/test/documents"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

// TestRegistration_vendorAwayAtDeletion: the object waits for the vendor, ten
// minutes and no longer; then the app is in the vendor's status, an event and a
// metric.
func TestRegistration_vendorAwayAtDeletion(t *testing.T) {
	r := newRegistry(t, fakevendor.Options{Manageable: true})
	numbers := prometheus.NewRegistry()
	r.start(r.registers, func(o *controllers.Options, _ *rest.Config) { o.Registerer = numbers })
	r.create(r.object, r.app)
	eventually(t, r.registered)
	app := r.app.Status.Registration.ClientID
	r.fake.Set(fakevendor.Management, fakevendor.RetryLater(http.StatusServiceUnavailable, "1"))
	r.remove()
	eventually(t, func() error {
		if r.fake.Count(fakevendor.Management) == 0 {
			return errors.New("no DELETE arrived")
		}
		return nil
	})
	stays(t, func() error {
		if _, err := r.status(); err != nil || !controllerutil.ContainsFinalizer(r.app, oauthv1alpha1.RegistrationFinalizer) {
			return fmt.Errorf("the object did not wait (%w)", errOr(err))
		}
		return nil
	})
	r.clock.Advance(11 * time.Minute)
	eventually(t, r.deleted)
	orphans, err := r.orphans()
	if err != nil || len(orphans) != 1 || orphans[0].ClientID != app || orphans[0].Credential != r.tenant+"/app" {
		t.Errorf("orphans %+v (%v)", orphans, err)
	}
	eventually(t, func() error { return r.event("RegistrationOrphaned") })
	if n := counted(t, numbers, "oauth_broker_operator_orphaned_registrations_total"); n != 1 {
		t.Errorf("the metric counts %v orphans", n)
	}
}

func counted(t *testing.T, numbers *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := numbers.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// TestRegistration_vendorObjectGone: all that the deletion needs is in the Secret.
func TestRegistration_vendorObjectGone(t *testing.T) {
	for name, c := range map[string]struct {
		vendor fakevendor.Options
		apps   int
	}{
		"manageable": {fakevendor.Options{Manageable: true}, 0},
		"not":        {fakevendor.Options{}, 1}, // nobody is left to tell
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t, c.vendor)
			r.start(r.registers)
			r.create(r.object, r.app)
			eventually(t, r.registered)
			if err := plane.Client.Delete(t.Context(), r.object); err != nil {
				t.Fatal(err)
			}
			r.remove()
			eventually(t, r.deleted)
			if apps := r.fake.RegisteredApps(); len(apps) != c.apps {
				t.Errorf("the vendor has %v", apps)
			}
		})
	}
}

// TestRegistration_retain: deletionPolicy: Retain leaves the app, and says so.
func TestRegistration_retain(t *testing.T) {
	r := newRegistry(t, fakevendor.Options{Manageable: true})
	r.app.Spec.DynamicRegistration.DeletionPolicy = "Retain"
	r.start(r.registers)
	r.create(r.object, r.app)
	eventually(t, r.registered)
	r.remove()
	eventually(t, r.deleted)
	if apps := r.fake.RegisteredApps(); len(apps) != 1 {
		t.Errorf("the vendor has %v", apps)
	}
	if orphans, err := r.orphans(); err != nil || len(orphans) > 0 {
		t.Errorf("orphans %v (%v): the app was left on purpose", orphans, err)
	}
	eventually(t, func() error { return r.event("RegistrationRetained") })
}

// TestRegistration_becomesOwnApp: a credential that names a Secret instead needs
// the registered app no longer, and no finalizer.
func TestRegistration_becomesOwnApp(t *testing.T) {
	r := newRegistry(t, fakevendor.Options{Manageable: true})
	b := r.startBroker()
	r.start(r.registers)
	r.create(r.object, r.app, r.secret("own", "own-secret"))
	eventually(t, r.registered)
	update(r.install, r.app, func(c *oauthv1alpha1.BYOCCredential) {
		c.Spec.DynamicRegistration, c.Spec.SecretRef = nil, &oauthv1alpha1.SecretReference{Name: "own"}
	})
	eventually(t, func() error { return b.secretIs(r.tenant, r.object.Name, "own-secret") })
	eventually(t, func() error {
		if _, err := r.status(); err != nil {
			return err
		}
		left := oauthv1alpha1.RegistrationStatus{}
		if s := r.app.Status.Registration; s != nil {
			left.Pace = s.Pace // what it asked for counts on
		}
		if len(r.app.Finalizers) > 0 || r.app.Status.Registration == nil || !reflect.DeepEqual(*r.app.Status.Registration, left) || len(r.fake.RegisteredApps()) > 0 {
			return fmt.Errorf("finalizers %v, registration %+v, apps %v", r.app.Finalizers, r.app.Status.Registration, r.fake.RegisteredApps())
		}
		return nil
	})
}

// TestRegistration_secretLost: without the Secret nobody can manage the app. The
// operator says so, and registers another.
func TestRegistration_secretLost(t *testing.T) {
	r := newRegistry(t, fakevendor.Options{Manageable: true})
	r.start(r.registers)
	r.create(r.object, r.app)
	eventually(t, r.registered)
	first := r.app.Status.Registration.ClientID
	object, err := r.stored()
	if err != nil {
		t.Fatal(err)
	}
	if err := plane.Client.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	r.became(func(id string) bool { return id != first })
	if s := r.app.Status.Registration; len(s.Orphans) != 1 || s.Orphans[0].ClientID != first {
		t.Errorf("orphans %+v", s.Orphans)
	}
	// The vendor hears of it when the credential goes.
	r.remove()
	eventually(t, r.deleted)
	if orphans, err := r.orphans(); err != nil || len(orphans) != 1 || orphans[0].ClientID != first {
		t.Errorf("orphans of the vendor %+v (%v)", orphans, err)
	}
}

// TestRegistration_release runs the command of the guide that lets objects go when
// no operator is there to do it.
func TestRegistration_release(t *testing.T) {
	r := newRegistry(t, fakevendor.Options{Manageable: true})
	op := r.start(r.registers)
	r.create(r.object, r.app)
	eventually(t, r.registered)
	op.stop()
	r.remove()
	blocks, err := documents.Blocks(filepath.Join(controlplane.Root(), "docs", "guides", "install.md"), "sh")
	if err != nil {
		t.Fatal(err)
	}
	block := slices.IndexFunc(blocks, func(b string) bool { return strings.HasPrefix(b, "kubectl get byoccredentials") })
	if block < 0 {
		t.Fatal("the guide has no command that begins with kubectl get byoccredentials")
	}
	assets, err := controlplane.Assets()
	if err != nil {
		t.Fatal(err)
	}
	// This test's objects alone: others are at work on the same control plane.
	script := strings.ReplaceAll(blocks[block], "--all-namespaces", "--namespace="+r.tenant)
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+r.kubeconfig("role.yaml"), "PATH="+assets+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := plane.Client.Get(t.Context(), client.ObjectKeyFromObject(r.app), r.app); !apierrors.IsNotFound(err) {
		t.Errorf("the object was not let go (%v)", err)
	}
}
