// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"fmt"
	"strconv"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// BenchmarkMemo_oneChangeOf10000 is the time from an event to a decision in a
// large install: one Secret of 10,000 credentials was rotated.
func BenchmarkMemo_oneChangeOf10000(b *testing.B) {
	in := templated(`^[a-z]+$`, "https://{t}.acme.example/token", "one")
	in.Credentials = nil
	for i := range 10_000 {
		ns := fmt.Sprintf("team-%d", i)
		in.Credentials = append(in.Credentials, &oauthv1alpha1.BYOCCredential{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "acme", UID: types.UID(ns), Generation: 1},
			Spec: oauthv1alpha1.BYOCCredentialSpec{
				Vendor: "acme", SecretRef: &oauthv1alpha1.SecretReference{Name: "s"},
				Variables: []oauthv1alpha1.VariableValue{{Name: "t", Value: "one"}},
			},
		})
		in.Secrets[types.NamespacedName{Namespace: ns, Name: "s"}] = rotated(i)
	}
	var memo translate.Memo
	memo.Translate(in)
	for i := 0; b.Loop(); i++ {
		in.Secrets[types.NamespacedName{Namespace: "team-7", Name: "s"}] = rotated(i)
		memo.Translate(in)
	}
}

func rotated(version int) translate.Secret {
	return translate.Secret{UID: "u", ResourceVersion: strconv.Itoa(version), Data: map[string]secret.Text{
		"clientID": secret.New("id"), "clientSecret": secret.New("secret"),
	}}
}
