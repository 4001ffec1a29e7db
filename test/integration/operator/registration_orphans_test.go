// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// someOrphans are entries of a credential's.
func someOrphans(n int, credential string) []oauthv1alpha1.OrphanedRegistration {
	var list []oauthv1alpha1.OrphanedRegistration
	for i := range n {
		list = append(list, oauthv1alpha1.OrphanedRegistration{
			SoftwareID: fmt.Sprintf("%s-%d", strings.ReplaceAll(credential, "/", "-"), i), Credential: credential, Reason: "A test.", Time: metav1.NewTime(time.Unix(1e9, 0)),
		})
	}
	return list
}

// TestRegistration_orphanListIsFull: a tenant that creates and deletes objects at a
// vendor that has no deletion pushes out nobody's entries but its own newest, and
// that is told loudly. Others' still get a place.
func TestRegistration_orphanListIsFull(t *testing.T) {
	r := newRegistry(t, fakevendor.Options{})
	r.startBroker()
	numbers := prometheus.NewRegistry()
	r.start(r.registers, func(o *controllers.Options, _ *rest.Config) { o.Registerer = numbers })
	r.create(r.object)
	eventually(t, func() error {
		if _, err := r.orphans(); err != nil {
			return err
		}
		r.object.Status.OrphanedRegistrations = append(someOrphans(1, "calm/first"), someOrphans(31, r.tenant+"/loop")...)
		return plane.Client.Status().Update(t.Context(), r.object)
	})
	app := r.app.DeepCopy()
	for range 2 {
		r.app = app.DeepCopy()
		r.create(r.app)
		eventually(t, r.registered)
		r.remove()
		eventually(t, r.deleted)
	}
	list, err := r.orphans()
	if err != nil || len(list) != 32 || list[0].Credential != "calm/first" || list[31].SoftwareID != r.tenant+"-loop-30" || r.object.Status.OmittedOrphans != 2 {
		t.Errorf("%d omitted, %+v (%v)", r.object.Status.OmittedOrphans, list, err)
	}
	eventually(t, func() error { return r.clusterEvent("OrphansOmitted") })
	for name, want := range map[string]float64{"oauth_broker_operator_orphans": 32, "oauth_broker_operator_omitted_orphans": 2} {
		eventually(t, func() error {
			if got := gauged(t, numbers, name, r.object.Name); got != want {
				return fmt.Errorf("%s is %v, want %v", name, got, want)
			}
			return nil
		})
	}

	other, err := plane.Namespace(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	r.app = app.DeepCopy()
	r.app.Namespace = other
	r.create(r.app)
	eventually(t, r.registered)
	r.remove()
	eventually(t, r.deleted)
	list, err = r.orphans()
	if err != nil || len(list) != 32 || list[0].Credential != "calm/first" || list[31].Credential != other+"/app" || r.object.Status.OmittedOrphans != 3 {
		t.Errorf("%d omitted, %+v (%v)", r.object.Status.OmittedOrphans, list, err)
	}
	// The command of the guide and of the runbook.
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"orphanedRegistrations":null,"omittedOrphans":null}}`))
	if err := plane.Client.Status().Patch(t.Context(), r.object, patch); err != nil || r.object.Status.OrphanedRegistrations != nil || r.object.Status.OmittedOrphans != 0 {
		t.Errorf("clearing it: %+v (%v)", r.object.Status, err)
	}
	eventually(t, func() error {
		if got := gauged(t, numbers, "oauth_broker_operator_orphans", r.object.Name); got != 0 {
			return fmt.Errorf("the gauge is %v", got)
		}
		return nil
	})
}

// TestRegistration_orphansMoveOn: what a credential's status has no place for goes
// to the vendor's.
func TestRegistration_orphansMoveOn(t *testing.T) {
	r := newRegistry(t, fakevendor.Options{})
	r.start(r.registers)
	r.create(r.object, r.app)
	eventually(t, r.registered)
	first := r.app.Status.Registration.ClientID
	eventually(t, func() error {
		if _, err := r.status(); err != nil {
			return err
		}
		r.app.Status.Registration.Orphans = someOrphans(8, r.tenant+"/app")
		return plane.Client.Status().Update(t.Context(), r.app)
	})
	r.rename("Second")
	r.became(func(id string) bool { return id != first })
	eventually(t, func() error {
		moved, err := r.orphans()
		kept := r.app.Status.Registration.Orphans
		if err != nil || len(moved) != 1 || moved[0].SoftwareID != r.tenant+"-app-0" || len(kept) != 8 || kept[7].ClientID != first {
			_, _ = r.status()
			return fmt.Errorf("moved %+v, kept %+v (%w)", moved, kept, errOr(err))
		}
		return nil
	})
}

// gauged is the value of a gauge for a vendor.
func gauged(t *testing.T, numbers *prometheus.Registry, name, vendor string) float64 {
	t.Helper()
	families, err := numbers.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == vendor {
				return m.GetGauge().GetValue()
			}
		}
	}
	return -1
}

// clusterEvent checks that there is an event about the vendor, whose namespace is
// default.
func (r *registry) clusterEvent(reason string) error {
	in := *r.install
	in.system = "default"
	return in.event(reason)
}
