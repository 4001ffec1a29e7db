// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
)

// kstatus is what the library that Flux uses makes of an object.
func kstatus(t *testing.T, o client.Object, kind string) (status.Status, string) {
	t.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(oauthv1alpha1.GroupVersion().WithKind(kind))
	if err := plane.Client.Get(t.Context(), client.ObjectKeyFromObject(o), u); err != nil {
		t.Fatal(err)
	}
	result, err := status.Compute(u)
	if err != nil {
		t.Fatal(err)
	}
	return result.Status, result.Message
}

// TestKstatus: a new object is in progress before the operator has looked, one
// that is served is current, one that was edited is in progress again, and one
// that cannot be served never becomes current.
func TestKstatus(t *testing.T) {
	in := newInstall(t)
	in.startBroker()
	lost := in.brokerClient("lost", "nobody")
	objects := []struct {
		kind   string
		object client.Object
	}{
		{"OAuthVendor", in.vendor()}, {"BYOCCredential", in.credential("acme")}, {"BrokerClient", in.brokerClient("portal", in.vendorName())}, {"BrokerClient", lost},
	}
	in.create(in.secret("acme", "one"))
	for _, o := range objects {
		in.create(o.object)
		if got, message := kstatus(t, o.object, o.kind); got != status.InProgressStatus {
			t.Errorf("%s before the operator has looked: got %s (%s), want InProgress", o.kind, got, message)
		}
	}
	op := in.start()
	for _, o := range objects[:3] {
		eventually(t, func() error { return isKstatus(t, o.object, o.kind, status.CurrentStatus) })
	}
	eventually(t, func() error { return conditionIs(lost, "ResolvedRefs", "False") })
	stays(t, func() error { return isKstatus(t, lost, "BrokerClient", status.InProgressStatus) })

	op.stop()
	credential := in.credential("acme")
	update(in, credential, func(c *oauthv1alpha1.BYOCCredential) { c.Spec.Selection = oauthv1alpha1.SelectionByName })
	if got, message := kstatus(t, credential, "BYOCCredential"); got != status.InProgressStatus {
		t.Errorf("after an edit: got %s (%s), want InProgress", got, message)
	}
	in.start()
	eventually(t, func() error { return isKstatus(t, credential, "BYOCCredential", status.CurrentStatus) })
}

func isKstatus(t *testing.T, o client.Object, kind string, want status.Status) error {
	got, message := kstatus(t, o, kind)
	if got != want {
		return fmt.Errorf("%s %s is %s (%s), want %s", kind, o.GetName(), got, message, want)
	}
	return nil
}
