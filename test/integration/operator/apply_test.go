// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// TestApply_serverSide: who applies a manifest again and again, as GitOps does,
// fights with nobody: not with the defaults of the schema, not with the
// operator, not with another who sets other fields.
func TestApply_serverSide(t *testing.T) {
	in := newInstall(t)
	in.startBroker()
	in.start()
	in.create(in.secret("acme", "one"))
	common := strings.NewReplacer("TENANT", in.tenant, "CLASS", in.class, "VENDOR", in.vendorName())
	for _, c := range []struct{ name, manifest, other, rival string }{
		{
			"vendor", `{apiVersion: oauthbroker.dev/v1alpha1, kind: OAuthVendor, metadata: {name: VENDOR}, spec: {brokerClass: CLASS,
				endpoints: {authorization: "https://acme.example/authorize", token: "https://acme.example/token"},
				authorize: {parameters: [{name: prompt, value: consent}]}, scopes: {default: [read]}}}`,
			`{authorize: {parameters: [{name: access_type, value: offline}]}}`,
			`{endpoints: {token: "https://other.example/token"}}`,
		},
		{
			"credential", `{apiVersion: oauthbroker.dev/v1alpha1, kind: BYOCCredential, metadata: {name: acme, namespace: TENANT},
				spec: {brokerClass: CLASS, vendor: VENDOR, secretRef: {name: acme}}}`,
			`{selection: Default}`,
			`{secretRef: {name: other}}`,
		},
		{
			"client", `{apiVersion: oauthbroker.dev/v1alpha1, kind: BrokerClient, metadata: {name: portal, namespace: TENANT},
				spec: {brokerClass: CLASS, redirectURIs: ["https://portal.example/cb"], authentication: {method: None}, vendors: [{name: VENDOR}]}}`,
			`{displayName: Portal}`,
			`{authentication: {method: PrivateKeyJWT}}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			manifest := parse(t, common.Replace(c.manifest))
			live := apply(t, manifest, "gitops", manifest.Object["spec"])
			eventually(t, func() error { return conditionOf(live, "Ready", "True") })
			refresh(t, live)
			checkOwners(t, live, "gitops")
			version := live.GetResourceVersion()
			if again := apply(t, manifest, "gitops", manifest.Object["spec"]); again.GetResourceVersion() != version {
				t.Errorf("applying the same again wrote version %s after %s", again.GetResourceVersion(), version)
			}

			apply(t, manifest, "kubectl", parse(t, c.other).Object)
			edited := apply(t, manifest, "gitops", manifest.Object["spec"])
			if diff := lacks(parse(t, c.other).Object, edited.Object["spec"]); diff != "" {
				t.Errorf("what the other set was lost: %s", diff)
			}
			checkOwners(t, edited, "gitops", "kubectl")
			if err := tryApply(t, manifest, "kubectl", parse(t, c.rival).Object); !apierrors.IsConflict(err) {
				t.Errorf("two set one field and got %v, want a conflict that names the owner", err)
			}
		})
	}
}

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}

// tryApply applies a spec to the object of a manifest, as an owner of fields.
func tryApply(t *testing.T, manifest *unstructured.Unstructured, owner string, spec any) error {
	t.Helper()
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(manifest.GroupVersionKind())
	o.SetNamespace(manifest.GetNamespace())
	o.SetName(manifest.GetName())
	o.Object["spec"] = spec
	return plane.Client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o), client.FieldOwner(owner))
}

func apply(t *testing.T, manifest *unstructured.Unstructured, owner string, spec any) *unstructured.Unstructured {
	t.Helper()
	if err := tryApply(t, manifest, owner, spec); err != nil {
		t.Fatalf("%s: %v", owner, err)
	}
	live := manifest.DeepCopy()
	refresh(t, live)
	return live
}

func refresh(t *testing.T, o *unstructured.Unstructured) {
	t.Helper()
	if err := plane.Client.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
		t.Fatal(err)
	}
}

// conditionOf reads an object and checks one of its conditions.
func conditionOf(o *unstructured.Unstructured, kind, status string) error {
	typed, err := typedOf(o)
	if err != nil {
		return err
	}
	return conditionIs(typed, kind, status)
}

// checkOwners: nobody but owners owns a field of spec or metadata.
func checkOwners(t *testing.T, o *unstructured.Unstructured, owners ...string) {
	t.Helper()
	for _, f := range o.GetManagedFields() {
		known := false
		for _, owner := range owners {
			known = known || f.Manager == owner
		}
		if !known && f.Subresource != "status" {
			t.Errorf("%s owns %s", f.Manager, f.FieldsV1)
		}
	}
}

// typedOf is an empty object of the Go type, with the name.
func typedOf(o *unstructured.Unstructured) (client.Object, error) {
	made, err := plane.Client.Scheme().New(o.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	typed, ok := made.(client.Object)
	if !ok {
		return nil, fmt.Errorf("%T is no object", made)
	}
	typed.SetNamespace(o.GetNamespace())
	typed.SetName(o.GetName())
	return typed, nil
}

// lacks tells what of want is not in got.
func lacks(want, got any) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%v is %v", want, got)
		}
		for name, value := range w {
			if problem := lacks(value, g[name]); problem != "" {
				return name + ": " + problem
			}
		}
		return ""
	case []any:
		g, _ := got.([]any)
		for _, value := range w {
			if !slices.ContainsFunc(g, func(have any) bool { return lacks(value, have) == "" }) {
				return fmt.Sprintf("%v is not in %v", value, got)
			}
		}
		return ""
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Sprintf("%v is %v", want, got)
	}
	return ""
}
