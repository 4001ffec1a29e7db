// SPDX-License-Identifier: Apache-2.0

package manifest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/config/crd"
	"github.com/oauthbroker/oauth-broker/internal/manifest"
)

const vendorHead = "apiVersion: oauthbroker.dev/v1alpha1\nkind: OAuthVendor\nmetadata: {name: acme}\n"

const goodVendor = vendorHead + `spec:
  endpoints: {authorization: "https://acme.example/a", token: "https://acme.example/t"}
  scopes: {default: [a]}
`

func decode(t *testing.T, content string) (manifest.Set, error) {
	t.Helper()
	d, err := manifest.New(crd.Bases)
	if err != nil {
		t.Fatal(err)
	}
	var s manifest.Set
	return s, d.Decode(t.Context(), &s, "f.yaml", []byte(content))
}

func TestDecode_good(t *testing.T) {
	d, err := manifest.New(crd.Bases)
	if err != nil {
		t.Fatal(err)
	}
	content := "# a comment\n---\n" + goodVendor + `status: {redirectURI: dropped}
---
apiVersion: oauthbroker.dev/v1alpha1
kind: BYOCCredential
metadata: {namespace: team-a, name: acme, labels: {a: b}}
spec: {vendor: acme, secretRef: {name: s}}
---
apiVersion: oauthbroker.dev/v1alpha1
kind: BrokerClient
metadata: {namespace: team-a, name: app}
spec:
  redirectURIs: ["https://app.example/cb"]
  authentication: {method: None}
  vendors: [{name: acme}]
---
{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "team-a"}, "data": {"clientID": "aWQ="}, "stringData": {"clientSecret": "x"}}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: team-a, labels: {tier: gold}}}
`
	var s manifest.Set
	if err := d.Decode(t.Context(), &s, "f.yaml", []byte(content)); err != nil {
		t.Fatal(err)
	}
	got := map[string]any{
		"class": s.Vendors[0].Spec.BrokerClass, "pkce": s.Vendors[0].Spec.PKCE, "separator": s.Vendors[0].Spec.Scopes.Separator,
		"status": s.Vendors[0].Status.RedirectURI, "selection": s.Credentials[0].Spec.Selection, "type": s.Clients[0].Spec.ApplicationType,
		"id": string(s.Secrets[0].Data["clientID"]), "secret": string(s.Secrets[0].Data["clientSecret"]), "tier": s.Namespaces[0].Labels["tier"],
		"label": s.Credentials[0].Labels["a"], "name": s.Vendors[0].Name,
	}
	want := map[string]any{
		"class": "default", "pkce": oauthv1alpha1.PKCES256, "separator": oauthv1alpha1.SeparatorSpace,
		"status": "", "selection": oauthv1alpha1.SelectionDefault, "type": "Web",
		"id": "id", "secret": "x", "tier": "gold", "label": "b", "name": "acme",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestDecode_bad(t *testing.T) {
	client := func(spec string) string {
		return "apiVersion: oauthbroker.dev/v1alpha1\nkind: BrokerClient\nmetadata: {namespace: a, name: b}\nspec:\n  redirectURIs: [\"https://app.example/cb\"]\n  vendors: [{name: acme}]\n" + spec
	}
	for _, c := range []struct{ name, content, want string }{
		{"unknown field", goodVendor + "  scpoes: {}\n", `OAuthVendor "acme": strict decoding error: unknown field "spec.scpoes"`},
		{"unknown nested field", strings.Replace(goodVendor, "default: [a]", "defualt: [a]", 1), `unknown field "spec.scopes.defualt"`},
		{"unknown metadata", strings.Replace(goodVendor, "{name: acme}", "{name: acme, lables: {}}", 1), `unknown field "metadata.lables"`},
		{"unknown root", goodVendor + "sepc: {}\n", `unknown field "sepc"`},
		{"duplicate key", goodVendor + "  scopes: {}\n", `key "scopes" already set in map`},
		{"wrong type", vendorHead + "spec: {endpoints: 1}\n", `OAuthVendor.oauthbroker.dev "acme" is invalid: [spec.endpoints: Invalid value: "integer"`},
		{"schema", vendorHead + "spec: {pkce: plain, endpoints: {authorization: \"https://a.example/\", token: \"https://a.example/\"}}\n", `spec.pkce: Unsupported value: "plain": supported values: "S256", "None"`},
		{"required", vendorHead, `spec: Required value`},
		{"cel", vendorHead + "spec: {pkce: S256}\n", `set exactly one of discovery and endpoints`},
		{"cel on a value", strings.Replace(goodVendor, "https://acme.example/t", "http://acme.example/t", 1), `spec.endpoints.token: Invalid value: "http://acme.example/t": must be an https URL`},
		{"cel on metadata", strings.Replace(goodVendor, "name: acme", "name: a.b", 1), `metadata.name must be a DNS label`},
		{"name", strings.Replace(goodVendor, "name: acme", "name: A_b", 1), `metadata.name: Invalid value`},
		{"cluster scope", strings.Replace(goodVendor, "name: acme", "name: acme, namespace: a", 1), `metadata.namespace: Forbidden: not allowed on this type`},
		{"namespace missing", strings.Replace(client("  authentication: {method: None}\n"), "namespace: a, ", "", 1), `metadata.namespace: Required value`},
		{"list map", client("  authentication: {method: None}\n") + "---\n" + strings.Replace(client("  authentication: {method: None}\n"), "[{name: acme}]", "[{name: x}, {name: x}]", 1), `document 2: BrokerClient.oauthbroker.dev "b" is invalid: spec.vendors[1]: Duplicate value`},
		{"object rule", client("  authentication: {method: None, jwks: '{}'}\n"), `jwks goes with method: PrivateKeyJWT`},
		{"other version", strings.Replace(goodVendor, "v1alpha1", "v1", 1), `no matches for kind "OAuthVendor" in version "oauthbroker.dev/v1"`},
		{"other kind", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", `kind "ConfigMap" of apiVersion "v1" is not read here`},
		{"no object", "- a\n", "is not an object"},
		{"no kind", "a: b\n", `kind "" of apiVersion ""`},
		{"twice", goodVendor + "---\n" + goodVendor, `document 2: OAuthVendor "acme" is there twice: the first is in f.yaml: document 1`},
		{"secret field", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringdata: {a: CANARY}\n", `Secret "a": strict decoding error: unknown field "stringdata"`},
		{"secret value", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: CANARY-not-base64}\n", `a field has the wrong type`},
		{"secret syntax", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData:\n  a: *CANARY\n", `wrong syntax`},
		{"secret tag", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData:\n  a: !CANARY x\n", ``},
		{"item of a list", "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod}\n", `document 1: items[0]: kind "Pod"`},
		{"every problem of a file", "apiVersion: v1\nkind: Pod\n---\n" + goodVendor + "  x: 1\n", `document 2: OAuthVendor "acme": strict`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := decode(t, c.content)
			if err == nil {
				if c.want != "" {
					t.Fatal("accepted")
				}
				return
			}
			if !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "f.yaml: document ") {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if strings.Contains(err.Error(), "CANARY") {
				t.Errorf("the error holds a Secret's value: %v", err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	d, err := manifest.New(crd.Bases)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(goodVendor))
	f.Add([]byte("apiVersion: v1\nkind: List\nitems: [{}]\n---\n{}"))
	f.Add([]byte("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: b}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s manifest.Set
		_ = d.Decode(t.Context(), &s, "f", b) // must not panic
	})
}
