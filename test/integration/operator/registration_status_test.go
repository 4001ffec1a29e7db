// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// writeStatus is what a tenant can do who has the right to write the status of its
// objects, as the admin of a namespace often has.
func (r *registry) writeStatus(s oauthv1alpha1.RegistrationStatus) {
	r.t.Helper()
	eventually(r.t, func() error {
		if _, err := r.status(); err != nil {
			return err
		}
		r.app.Status.Registration = &s
		return plane.Client.Status().Update(r.t.Context(), r.app)
	})
}

// TestRegistrationStatus_othersAttempt: a vendor that tells registrations apart by
// software_id would give a tenant the app of another, for an id that status had.
func TestRegistrationStatus_othersAttempt(t *testing.T) {
	r := newRegistry(t, fakevendor.Options{})
	const others = "oauth-broker-ID-OF-ANOTHER-TENANT"
	r.create(r.app)
	r.writeStatus(oauthv1alpha1.RegistrationStatus{Attempt: others})
	r.start(r.registers)
	r.create(r.object)
	eventually(t, r.registered)
	if id := r.fake.RegisteredApps()[0].SoftwareID; id == others || !strings.HasPrefix(id, "oauth-broker-") || len(id) > 64 {
		t.Errorf("the vendor was sent the software_id %s", id)
	}
}

// TestRegistrationStatus_incomplete: what status tells of an app holds up no
// deletion, whoever wrote it, and is told of.
func TestRegistrationStatus_incomplete(t *testing.T) {
	r := newRegistry(t, fakevendor.Options{})
	r.start(r.registers)
	r.create(r.object)
	r.app.Spec.DynamicRegistration, r.app.Spec.SecretRef = nil, &oauthv1alpha1.SecretReference{Name: "app"}
	r.create(r.app)
	r.writeStatus(oauthv1alpha1.RegistrationStatus{ClientID: "made-up"})
	eventually(t, func() error {
		if _, err := r.status(); err != nil {
			return err
		}
		r.app.Finalizers = []string{oauthv1alpha1.RegistrationFinalizer}
		return plane.Client.Update(t.Context(), r.app)
	})
	r.remove()
	eventually(t, r.deleted)
	if list, err := r.orphans(); err != nil || len(list) != 1 || list[0].ClientID != "made-up" {
		t.Errorf("got %+v (%v)", list, err)
	}
}

// TestRegistrationStatus_madeUpVendors: a tenant makes no series of metrics by
// vendors that are not there, and writes to none that is served by others.
func TestRegistrationStatus_madeUpVendors(t *testing.T) {
	r := newRegistry(t, fakevendor.Options{})
	numbers := prometheus.NewRegistry()
	r.start(r.registers, func(o *controllers.Options, _ *rest.Config) { o.Registerer = numbers })
	r.object.Spec.BrokerClass = "other-" + r.class
	r.create(r.object)
	app := r.app
	for i, vendor := range []string{"made-up-1", "made-up-2", r.object.Name} {
		r.app = app.DeepCopy()
		r.app.Name, r.app.Spec.Vendor, r.app.Finalizers = fmt.Sprint("app-", i), vendor, []string{oauthv1alpha1.RegistrationFinalizer}
		r.create(r.app)
		r.writeStatus(oauthv1alpha1.RegistrationStatus{Orphans: someOrphans(2, r.tenant+"/"+r.app.Name)})
		r.remove()
		eventually(t, r.deleted)
	}
	if list, err := r.orphans(); err != nil || len(list) > 0 {
		t.Errorf("the vendor of other brokers tells of %+v (%v)", list, err)
	}
	if n, series := counted(t, numbers, "oauth_broker_operator_orphaned_registrations_total"), seriesOf(t, numbers, "oauth_broker_operator_orphaned_registrations_total"); n != 6 || series != 1 {
		t.Errorf("%v orphans in %d series, want 6 in one", n, series)
	}
}

// seriesOf is how many series a metric has.
func seriesOf(t *testing.T, g prometheus.Gatherer, name string) int {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return len(f.GetMetric())
		}
	}
	return 0
}
