// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestDeletion_finalizer: who deletes a client or a vendor wants it gone, whatever a
// finalizer of somebody else's, or of a foreground deletion, waits for.
func TestDeletion_finalizer(t *testing.T) {
	in := newInstall(t)
	b := in.startBroker()
	in.start()
	vendor := in.vendor()
	web := in.brokerClient("web", vendor.Name)
	hold := []string{"example.com/hold"}
	vendor.Finalizers, web.Finalizers = hold, hold
	in.create(vendor, web)
	eventually(t, func() error { return condition(web, "Ready", "True", "Ready") })
	for _, deleted := range []struct {
		object client.Object
		served func() bool
	}{
		{web, func() bool { _, there := b.snapshot.Load().Client(in.tenant + ".web"); return there }},
		{vendor, func() bool { _, there := b.snapshot.Load().Vendor(vendor.Name); return there }},
	} {
		if !deleted.served() {
			t.Fatalf("%s is not served", deleted.object.GetName())
		}
		if err := plane.Client.Delete(t.Context(), deleted.object); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error {
			if deleted.served() {
				return fmt.Errorf("%s is deleted, and served", deleted.object.GetName())
			}
			return nil
		})
		release := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		if err := plane.Client.Patch(t.Context(), deleted.object, release); err != nil {
			t.Error(err)
		}
	}
}
