// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestDeletion_finalizer: who deletes a client wants it gone, whatever a finalizer of
// somebody else's, or of a foreground deletion, waits for.
func TestDeletion_finalizer(t *testing.T) {
	in := newInstall(t)
	b := in.startBroker()
	in.start()
	vendor := in.vendor()
	web := in.brokerClient("web", vendor.Name)
	web.Finalizers = []string{"example.com/hold"}
	in.create(vendor, web)
	served := func() bool { _, there := b.snapshot.Load().Client(in.tenant + ".web"); return there }
	eventually(t, func() error { return condition(web, "Ready", "True", "Ready") })
	if !served() {
		t.Fatal("the client is Ready, and not served")
	}
	if err := plane.Client.Delete(t.Context(), web); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if served() {
			return errors.New("the client is deleted, and served")
		}
		return nil
	})
	release := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	if err := plane.Client.Patch(t.Context(), web, release); err != nil {
		t.Error(err)
	}
}
