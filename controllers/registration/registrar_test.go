// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
)

func asking(uid string) *oauthv1alpha1.BYOCCredential {
	c := &oauthv1alpha1.BYOCCredential{Spec: oauthv1alpha1.BYOCCredentialSpec{DynamicRegistration: &oauthv1alpha1.DynamicRegistration{}}}
	c.UID = types.UID(uid)
	c.Status.Registration = &oauthv1alpha1.RegistrationStatus{Failure: &oauthv1alpha1.RegistrationFailure{Message: uid}}
	return c
}

// TestRegistrar_forgetsWhatIsGone: tenants make and delete objects as they like,
// and a finalizer that they take off tells nobody. Only an answer that is written
// nowhere yet is kept.
func TestRegistrar_forgetsWhatIsGone(t *testing.T) {
	r := &Registrar{Touch: func() {}, Now: time.Now}
	for i := range 1000 {
		c := asking(fmt.Sprint(i))
		r.keep(c)
		r.memory(c.UID)
	}
	r.memory("answered").unsaved.Store(&record{})
	left := asking("7")
	if got := r.Results([]*oauthv1alpha1.BYOCCredential{left}, nil); len(got) != 1 || got[left.UID].Problem != "7" {
		t.Errorf("got %v", got)
	}
	if len(r.results) != 1 || len(r.known) != 2 || r.known["answered"] == nil {
		t.Errorf("%d results and %d memories are left over", len(r.results), len(r.known))
	}
}

// hanging is an API server that does not answer in some namespaces.
type hanging struct {
	client.Client
	namespace     string
	arrived, hang chan struct{}
}

var errAnswered = errors.New("answered")

func (h *hanging) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	if key.Namespace == h.namespace {
		h.arrived <- struct{}{}
		<-h.hang
	}
	return errAnswered
}

// TestRegistrar_oneTenantDoesNotHoldUpOthers: a tenant whose credentials all wait
// for a vendor that does not answer has some of the workers only.
func TestRegistrar_oneTenantDoesNotHoldUpOthers(t *testing.T) {
	h := &hanging{namespace: "slow", arrived: make(chan struct{}), hang: make(chan struct{})}
	r := &Registrar{Client: h, Now: time.Now}
	ask := func(namespace string, n int) (reconcile.Result, error) {
		return r.Reconcile(t.Context(), reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: fmt.Sprint(n)}})
	}
	ended := make(chan struct{})
	for n := range perNamespace {
		go func() {
			_, _ = ask("slow", n)
			ended <- struct{}{}
		}()
		<-h.arrived
	}
	if got, err := ask("slow", perNamespace); err != nil || got.RequeueAfter <= 0 {
		t.Errorf("one more: %v, %v", got, err)
	}
	if _, err := ask("quick", 0); !errors.Is(err, errAnswered) {
		t.Errorf("another namespace: %v", err)
	}
	close(h.hang)
	for range perNamespace {
		<-ended
	}
	if r.underWay.Holders() != 0 {
		t.Errorf("%d namespaces are left over", r.underWay.Holders())
	}
}
