// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"
	"weak"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// TestScope_partsMakeTheWhole changes one namespace after the other, and holds
// what passes over those alone publish and report against one over everything.
func TestScope_partsMakeTheWhole(t *testing.T) {
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 1)) // #nosec G404 -- reproducible test input
		in, parts := benchInputs(0), newPasses(t)
		in.Vendors = in.Vendors[:2]
		parts.pass(t, in)
		for step := range 60 {
			namespace := fmt.Sprint("tenant-", r.IntN(3))
			for range 1 + r.IntN(3) {
				editCredential(&in, r, namespace)
			}
			parts.pass(t, part(in, namespace))
			whole := newPasses(t)
			whole.pass(t, in)
			if diff := cmp.Diff(whole.outcome(t), parts.outcome(t)); diff != "" {
				t.Fatalf("seed %d, step %d, %s (-whole +parts):\n%s", seed, step, namespace, diff)
			}
		}
	}
}

// editCredential makes, changes or deletes one of a few credentials; their
// generation grows as in the cluster.
func editCredential(in *translate.Inputs, r *rand.Rand, namespace string) {
	name := fmt.Sprint("app-", r.IntN(4))
	at := slices.IndexFunc(in.Credentials, func(o *oauthv1alpha1.BYOCCredential) bool { return o.Namespace == namespace && o.Name == name })
	if at >= 0 && r.IntN(3) == 0 {
		in.Credentials = slices.Delete(in.Credentials, at, at+1)
		return
	}
	next := benchInputs(1).Credentials[0].DeepCopy()
	next.Namespace, next.Name, next.Generation = namespace, name, int64(r.IntN(1<<30))
	next.Spec.Vendor = fmt.Sprint("vendor-", r.IntN(3)) // the last one does not exist
	if r.IntN(3) == 0 {
		next.Spec.Selection = oauthv1alpha1.SelectionByName
	}
	if at >= 0 {
		in.Credentials[at] = next
	} else {
		in.Credentials = append(in.Credentials, next)
	}
	rotate(*in, next, fmt.Sprint(r.IntN(3)))
}

// outcome is all that is published, and what status says of each object besides
// when it was published.
func (p *passes) outcome(t *testing.T) []string {
	t.Helper()
	var lines []string
	for id, at := range p.published.places() {
		lines = append(lines, id+" "+string(at.item.Body))
		if found := p.published.find(id); found.item != at.item || found.prefix != at.prefix {
			t.Errorf("%s was not found where it is", id)
		}
	}
	for ref, target := range p.reconciler.Reporter.targets.each {
		verdict, err := json.Marshal(target.verdict)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprint(ref, " ", target.published(), " ", string(verdict)))
	}
	families, err := p.numbers.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if n := m.GetGauge().GetValue(); n != 0 {
				lines = append(lines, fmt.Sprint(f.GetName(), m.GetLabel(), n))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// TestReconciler_scope: what a pass looks at. After one that did not come to its
// end, and when something is due, that is everything.
func TestReconciler_scope(t *testing.T) {
	d, now := NewDebouncer(clock.RealClock{}), time.Unix(1000, 0)
	r := &Reconciler{Changed: d.Take, Now: func() time.Time { return now }}
	for _, step := range []struct {
		name    string
		touched []string
		want    translate.Scope
		// whole is when everything is due after the pass; minutes from now.
		whole time.Duration
		fails bool
	}{
		{name: "the first", touched: []string{"a"}, want: nil},
		{name: "two namespaces", touched: []string{"a", "b", "a"}, want: translate.Scope{"a": true, "b": true}},
		{name: "a vendor, too", touched: []string{"a", ""}, want: nil},
		{name: "nobody says what", want: nil},
		{name: "one that fails", touched: []string{"b"}, want: translate.Scope{"b": true}, fails: true},
		{name: "after that", touched: []string{"a"}, want: nil, whole: 2},
		{name: "before it is due", touched: []string{"a"}, want: translate.Scope{"a": true}},
		{name: "when it is due", touched: []string{"a"}, want: nil},
	} {
		for _, namespace := range step.touched {
			d.Touch(namespace)
		}
		only, whole := r.scope()
		if diff := cmp.Diff(step.want, only); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
		if !step.fails {
			r.restored, r.whole = true, whole
		}
		if step.whole > 0 {
			r.whole = now.Add(step.whole * time.Minute)
		}
		now = now.Add(time.Minute)
	}
}

// TestScope_editsAreForgotten: a tenant that edits, makes and deletes in a loop
// gets pass after pass over its namespace alone. None of them is remembered longer
// than the next.
func TestScope_editsAreForgotten(t *testing.T) {
	in, p := benchInputs(0), newPasses(t)
	p.pass(t, in)
	const edits = 50
	var made []weak.Pointer[runtimeconfig.Client]
	for n := range edits {
		edited := testClient("edited", "1")
		edited.Generation = int64(n + 1)
		in.Clients = []*oauthv1alpha1.BrokerClient{edited, testClient(fmt.Sprint("new-", n), fmt.Sprint("new-", n))}
		p.pass(t, part(in, "tenant-1"))
		for _, o := range p.objects {
			if o.Client != nil {
				made = append(made, weak.Make(o.Client))
			}
		}
	}
	runtime.GC()
	alive := len(slices.DeleteFunc(slices.Clone(made), func(w weak.Pointer[runtimeconfig.Client]) bool { return w.Value() == nil }))
	runtime.KeepAlive(p)
	if len(made) != 2*edits || alive > 4 {
		t.Errorf("%d of %d clients are in memory, want those of two passes at most", alive, len(made))
	}
}

func testClient(name, uid string) *oauthv1alpha1.BrokerClient {
	return &oauthv1alpha1.BrokerClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: "tenant-1", Name: name, UID: types.UID(uid), Generation: 1},
		Spec: oauthv1alpha1.BrokerClientSpec{
			RedirectURIs:   []oauthv1alpha1.RedirectURI{"https://app.example/callback"},
			Authentication: oauthv1alpha1.BrokerClientAuthentication{Method: oauthv1alpha1.ClientAuthNone},
			Vendors:        []oauthv1alpha1.AllowedVendor{{Name: "vendor-1"}},
		},
	}
}
