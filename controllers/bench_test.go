// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"log/slog"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// benchInputs are count credentials with a Secret each, of 200 vendors.
func benchInputs(count int) translate.Inputs {
	in := translate.Inputs{Settings: translate.Settings{PublicURL: "https://broker.example"}, Secrets: map[types.NamespacedName]translate.Secret{}}
	for n := range 200 {
		in.Vendors = append(in.Vendors, &oauthv1alpha1.OAuthVendor{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("vendor-", n), UID: types.UID(fmt.Sprint("vendor-", n)), Generation: 1},
			Spec:       oauthv1alpha1.OAuthVendorSpec{Endpoints: &oauthv1alpha1.Endpoints{Authorization: "https://acme.example/authorize", Token: "https://acme.example/token"}},
		})
	}
	for n := range count {
		o := &oauthv1alpha1.BYOCCredential{
			ObjectMeta: metav1.ObjectMeta{Namespace: fmt.Sprint("tenant-", n/200), Name: fmt.Sprint("app-", n%200), UID: types.UID(fmt.Sprint(n)), Generation: 1},
			Spec:       oauthv1alpha1.BYOCCredentialSpec{Vendor: fmt.Sprint("vendor-", n%200), SecretRef: &oauthv1alpha1.SecretReference{Name: fmt.Sprint("app-", n%200)}},
		}
		in.Credentials = append(in.Credentials, o)
		rotate(in, o, "1")
	}
	return in
}

func rotate(in translate.Inputs, o *oauthv1alpha1.BYOCCredential, version string) {
	in.Secrets[types.NamespacedName{Namespace: o.Namespace, Name: o.Spec.SecretRef.Name}] = translate.Secret{
		UID: o.Name, ResourceVersion: version,
		Data: map[string]secret.Text{"clientID": secret.New("app"), "clientSecret": secret.New("secret-" + version)},
	}
}

// BenchmarkOneChange is the manager's work, without the API server, when one of
// 10,000 Secrets changed.
func BenchmarkOneChange(b *testing.B) {
	in := benchInputs(10_000)
	memo := translate.Memo{ObjectsOnly: true}
	var encoder encoder
	reporter := &Reporter{Served: func() Served { return Served{Asked: true, Ready: 1, Sequence: 1 << 60} }, Wake: func() {}}
	r := &Reconciler{Reporter: reporter, Log: slog.New(slog.DiscardHandler)}
	last := fresh()
	pass := func() Plan {
		out := memo.Translate(in)
		items, big := encoder.encode(out.Objects)
		plan, err := MakePlan(last, items)
		if err != nil {
			b.Fatal(err)
		}
		last = plan.Next
		r.report(in, out, last.sequences(), big)
		return plan
	}
	pass()
	n := 0
	for b.Loop() {
		n++
		rotate(in, in.Credentials[n%len(in.Credentials)], fmt.Sprint(n+1))
		if plan := pass(); len(plan.Create) != 1 {
			b.Fatalf("got %d new shards, want 1", len(plan.Create))
		}
	}
}
