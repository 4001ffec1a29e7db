// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
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

// TestKstatus_stalled: an object whose own spec is wrong has failed for kstatus and
// `kubectl wait`, until it is edited. What other objects can mend is in progress:
// its namespace is not allowed, its vendor is refused, its Secret is not there.
func TestKstatus_stalled(t *testing.T) {
	in := newInstall(t)
	in.startBroker()
	k := newKubectl(t)
	wrong, namespace := in.vendor(), in.tenant
	wrong.Spec.Transport = &oauthv1alpha1.Transport{CABundle: "no certificate"}
	credential := in.credential("acme")
	in.create(wrong, credential)
	in.start()
	eventually(t, func() error { return isKstatus(t, wrong, "OAuthVendor", status.FailedStatus) })
	if _, message := kstatus(t, wrong, "OAuthVendor"); !strings.Contains(message, "transport.caBundle") {
		t.Errorf("the message is %q", message)
	}
	if err := condition(wrong, "Stalled", "True", "Invalid"); err != nil {
		t.Error(err)
	}
	if out, err := k.run(t.Context(), "wait", "--for=condition=Stalled", "oauthvendor/"+wrong.Name, "--timeout=60s"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	inProgress := func(reason string) {
		t.Helper()
		kind := "ResolvedRefs"
		if reason == "NamespaceNotAllowed" {
			kind = "Accepted"
		}
		eventually(t, func() error { return condition(credential, kind, "False", reason) })
		if err := isKstatus(t, credential, "BYOCCredential", status.InProgressStatus); err != nil {
			t.Error(err)
		}
		if out, err := k.run(t.Context(), "wait", "--namespace="+namespace, "--for=condition=Stalled", "byoccredential/acme", "--timeout=1s"); err == nil {
			t.Errorf("it is stalled: %s", out)
		}
		if out, err := k.run(t.Context(), "get", "--namespace="+namespace, "byoccredential/acme"); err != nil || !strings.Contains(out, reason) {
			t.Errorf("kubectl get does not show %s: %v: %s", reason, err, out)
		}
	}
	inProgress("VendorNotAccepted")

	update(in, wrong, func(v *oauthv1alpha1.OAuthVendor) {
		v.Spec.Transport = nil
		v.Spec.BYOC = &oauthv1alpha1.BringYourOwn{AllowedNamespaces: &oauthv1alpha1.NamespacePolicy{From: oauthv1alpha1.NamespacesNone}}
	})
	eventually(t, func() error { return isKstatus(t, wrong, "OAuthVendor", status.CurrentStatus) })
	if err := condition(wrong, "Ready", "True", "Ready"); err != nil { // reads it, too
		t.Error(err)
	}
	if c := meta.FindStatusCondition(wrong.Status.Conditions, "Stalled"); c != nil {
		t.Errorf("Stalled is still there: %+v", c)
	}
	inProgress("NamespaceNotAllowed")
	update(in, wrong, func(v *oauthv1alpha1.OAuthVendor) { v.Spec.BYOC = nil })
	inProgress("SecretNotFound")
	in.create(in.secret("acme", "one"))
	eventually(t, func() error { return isKstatus(t, credential, "BYOCCredential", status.CurrentStatus) })
	if out, err := k.run(t.Context(), "wait", "--namespace="+namespace, "--for=condition=Ready", "byoccredential/acme", "--timeout=60s"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func isKstatus(t *testing.T, o client.Object, kind string, want status.Status) error {
	got, message := kstatus(t, o, kind)
	if got != want {
		return fmt.Errorf("%s %s is %s (%s), want %s", kind, o.GetName(), got, message, want)
	}
	return nil
}
