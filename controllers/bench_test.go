// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
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

// passes are what the manager does without the API server.
type passes struct {
	memo       translate.Memo
	published  Published
	reconciler *Reconciler
	numbers    *prometheus.Registry
	// objects of the last pass.
	objects []translate.Object
}

func newPasses(t testing.TB) *passes {
	t.Helper()
	reporter := &Reporter{Served: func() Served { return Served{Asked: true, Ready: 1, Sequence: 1 << 60} }, Wake: func() {}}
	numbers := prometheus.NewRegistry()
	metrics, err := NewMetrics(numbers)
	if err != nil {
		t.Fatal(err)
	}
	return &passes{
		numbers: numbers, memo: translate.Memo{ObjectsOnly: true}, published: fresh(),
		reconciler: &Reconciler{Reporter: reporter, Health: &Health{}, Metrics: metrics, Log: slog.New(slog.DiscardHandler)},
	}
}

func (p *passes) pass(t testing.TB, in translate.Inputs) Plan {
	t.Helper()
	out := p.memo.Translate(in)
	p.objects = out.Objects
	change, big := p.reconciler.encoder.encode(out.Objects, in.Only)
	plan, err := MakePlan(p.published, change)
	if err != nil {
		t.Fatal(err)
	}
	p.published = plan.Next
	p.reconciler.report(in, out, plan.Sequences, big)
	return plan
}

// part is what there is to see of one namespace.
func part(in translate.Inputs, namespace string) translate.Inputs {
	other := func(o metav1.Object) bool { return o.GetNamespace() != namespace }
	in.Only = translate.Scope{namespace: true}
	in.Credentials = slices.DeleteFunc(slices.Clone(in.Credentials), func(o *oauthv1alpha1.BYOCCredential) bool { return other(o) })
	in.Clients = slices.DeleteFunc(slices.Clone(in.Clients), func(o *oauthv1alpha1.BrokerClient) bool { return other(o) })
	return in
}

// BenchmarkOneChange is the manager's work, without the API server, when one of
// 10,000 Secrets changed.
func BenchmarkOneChange(b *testing.B) {
	whole, p := benchInputs(10_000), newPasses(b)
	p.pass(b, whole)
	in := part(whole, "tenant-7")
	n := 0
	for b.Loop() {
		n++
		rotate(in, in.Credentials[n%len(in.Credentials)], fmt.Sprint(n+1))
		if plan := p.pass(b, in); len(plan.Create) != 1 {
			b.Fatalf("got %d new shards, want 1", len(plan.Create))
		}
	}
}
