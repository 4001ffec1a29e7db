// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

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
	if got := r.Results([]*oauthv1alpha1.BYOCCredential{left}); len(got) != 1 || got[left.UID].Problem != "7" {
		t.Errorf("got %v", got)
	}
	if len(r.results) != 1 || len(r.known) != 2 || r.known["answered"] == nil {
		t.Errorf("%d results and %d memories are left over", len(r.results), len(r.known))
	}
}
