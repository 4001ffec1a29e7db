// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

// TestGatherer_asksForPossibleNamesOnly: a client refuses to ask for some
// names, and an object that is older than the schema's rule may have one.
func TestGatherer_asksForPossibleNamesOnly(t *testing.T) {
	in := translate.Inputs{}
	for _, name := range []string{"good", "good.too", "", "a/b", "..", "a%b", "Upper", "a\n"} {
		in.Credentials = append(in.Credentials, &oauthv1alpha1.BYOCCredential{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ns"},
			Spec:       oauthv1alpha1.BYOCCredentialSpec{SecretRef: &oauthv1alpha1.SecretReference{Name: name}},
		})
	}
	want := map[types.NamespacedName]bool{{Namespace: "ns", Name: "good"}: true, {Namespace: "ns", Name: "good.too"}: true}
	if diff := cmp.Diff(want, (&Gatherer{}).references(in)["ns"]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
