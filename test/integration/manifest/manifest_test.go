// SPDX-License-Identifier: Apache-2.0

// Package manifest_test holds internal/manifest, which validates manifests
// without a cluster, against a real API server: both must take the same
// objects, with the same defaults, and refuse the others in the same words.
package manifest_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/oauthbroker/oauth-broker/config/crd"
	"github.com/oauthbroker/oauth-broker/internal/manifest"
	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

// plane is the one control plane of this package.
var plane controlplane.Plane

func TestMain(m *testing.M) { os.Exit(controlplane.Main(m, &plane)) }

const (
	vendor = "apiVersion: oauthbroker.dev/v1alpha1\nkind: OAuthVendor\nmetadata: {name: acme}\nspec:\n  endpoints: {authorization: \"https://acme.example/a\", token: \"https://acme.example/t\"}\n"
	byoc   = "apiVersion: oauthbroker.dev/v1alpha1\nkind: BYOCCredential\nmetadata: {namespace: default, name: acme}\nspec:\n  vendor: acme\n"
	client = "apiVersion: oauthbroker.dev/v1alpha1\nkind: BrokerClient\nmetadata: {namespace: default, name: app}\nspec:\n  redirectURIs: [\"https://app.example/cb\"]\n  vendors: [{name: acme}]\n"
)

func TestManifest_agreesWithTheAPIServer(t *testing.T) {
	d, err := manifest.New(crd.Bases)
	if err != nil {
		t.Fatal(err)
	}
	api, err := dynamic.NewForConfig(plane.Config)
	if err != nil {
		t.Fatal(err)
	}
	r := strings.NewReplacer
	for name, content := range map[string]string{
		"vendor":                  vendor,
		"vendor with groups":      vendor + "  scopes: {default: [a]}\n  refresh: {}\n  callback: {path: Vendor}\n  identity: {}\n  transport: {}\n  resource: {mode: Pass}\n",
		"vendor with null":        vendor + "  scopes: null\n  brokerClass: null\n",
		"vendor status dropped":   vendor + "status: {redirectURI: x}\n",
		"unknown field":           vendor + "  scpoes: {}\n",
		"unknown nested field":    vendor + "  scopes: {defualt: [a]}\n",
		"unknown metadata":        r("{name: acme}", "{name: acme, lables: {}}").Replace(vendor),
		"unknown root":            vendor + "sepc: {}\n",
		"wrong type":              vendor + "  scopes: 1\n",
		"wrong item type":         vendor + "  scopes: {default: [1]}\n",
		"enum":                    vendor + "  pkce: plain\n",
		"no spec":                 "apiVersion: oauthbroker.dev/v1alpha1\nkind: OAuthVendor\nmetadata: {name: acme}\n",
		"neither":                 "apiVersion: oauthbroker.dev/v1alpha1\nkind: OAuthVendor\nmetadata: {name: acme}\nspec: {}\n",
		"both":                    vendor + "  issuer: https://acme.example\n  discovery: {type: OAuth}\n",
		"http":                    r("https://acme.example/t", "http://acme.example/t").Replace(vendor),
		"loopback":                r("https://acme.example/t", "http://127.0.0.1:1/t").Replace(vendor),
		"reserved parameter":      vendor + "  authorize: {parameters: [{name: State, value: x}]}\n",
		"duplicate parameter":     vendor + "  authorize: {parameters: [{name: p, value: x}, {name: p, value: y}]}\n",
		"duplicate scope":         vendor + "  scopes: {default: [a, a]}\n",
		"bad scope":               vendor + "  scopes: {default: [\"a b\"]}\n",
		"unknown variable":        r("example/t", "example/{x}").Replace(vendor),
		"variables share":         vendor + "  variables: [{name: a, enum: [b]}]\n",
		"unanchored pattern":      vendor + "  callback: {path: Credential}\n  variables: [{name: a, pattern: abc}]\n",
		"ignored and shared":      vendor + "  callback: {issuerParameter: Ignored}\n",
		"too long":                vendor + "  display: {name: " + strings.Repeat("a", 65) + "}\n",
		"number out of range":     vendor + "  transport: {timeoutSeconds: 0}\n",
		"dotted name":             r("name: acme", "name: a.b").Replace(vendor),
		"bad name":                r("name: acme", "name: A_b").Replace(vendor),
		"bad label":               r("{name: acme}", "{name: acme, labels: {a: \"b c\"}}").Replace(vendor),
		"policy":                  vendor + "  trustedNamespaces: {from: Names}\n",
		"credential":              byoc + "  secretRef: {name: s}\n",
		"credential without":      byoc,
		"credential with both":    byoc + "  secretRef: {name: s}\n  dynamicRegistration: {}\n",
		"credential values":       byoc + "  secretRef: {name: s}\n  variables: [{name: a, value: \"x/y\"}]\n",
		"client":                  client + "  authentication: {method: None}\n",
		"client without method":   client,
		"client with two methods": client + "  authentication: {method: None, secretRef: {name: a}}\n",
		"client redirect":         r("https://app.example/cb", "https://a@app.example/cb").Replace(client) + "  authentication: {method: None}\n",
		"client private scheme":   r("https://app.example/cb", "com.example.app:/cb").Replace(client) + "  authentication: {method: None}\n",
		"client native":           r("https://app.example/cb", "com.example.app:/cb").Replace(client) + "  applicationType: Native\n  authentication: {method: None}\n",
		"client twice one vendor": r("[{name: acme}]", "[{name: acme}, {name: acme}]").Replace(client) + "  authentication: {method: None}\n",
	} {
		t.Run(name, func(t *testing.T) {
			spec, refused := create(t, api, content)
			var s manifest.Set
			err := d.Decode(t.Context(), &s, "f", []byte(content))
			if (err == nil) != (refused == nil) {
				t.Fatalf("the API server says %v\nmanifest says %v", refused, err)
			}
			if err == nil {
				if diff := cmp.Diff(spec, specOf(t, s)); diff != "" {
					t.Errorf("-API server +manifest:\n%s", diff)
				}
				return
			}
			if want := words(refused); !strings.Contains(err.Error(), want) {
				t.Errorf("the API server says %s\nmanifest says %v", want, err)
			}
		})
	}
}

// create asks the API server to take the object, without keeping it.
func create(t *testing.T, api dynamic.Interface, content string) (spec any, refused error) {
	t.Helper()
	u := &unstructured.Unstructured{}
	b, err := yaml.YAMLToJSON([]byte(content))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &u.Object); err != nil {
		t.Fatal(err)
	}
	plural := map[string]string{"OAuthVendor": "oauthvendors", "BYOCCredential": "byoccredentials", "BrokerClient": "brokerclients"}[u.GetKind()]
	gvr := schema.GroupVersionResource{Group: "oauthbroker.dev", Version: "v1alpha1", Resource: plural}
	var ri dynamic.ResourceInterface = api.Resource(gvr)
	if n := u.GetNamespace(); n != "" {
		ri = api.Resource(gvr).Namespace(n)
	}
	got, err := ri.Create(t.Context(), u, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict})
	if err != nil {
		return nil, err
	}
	// Through the Go type, so that an absent and an empty member are one.
	one := manifest.Set{}
	d, err := manifest.New(crd.Bases)
	if err != nil {
		t.Fatal(err)
	}
	clean := map[string]any{"apiVersion": got.GetAPIVersion(), "kind": got.GetKind(), "spec": got.Object["spec"], "metadata": map[string]any{"name": got.GetName(), "namespace": got.GetNamespace()}}
	b, err = json.Marshal(clean)
	if err == nil {
		err = d.Decode(t.Context(), &one, "api", b)
	}
	if err != nil {
		t.Fatalf("manifest refuses what the API server made: %v", err)
	}
	return specOf(t, one), nil
}

func specOf(t *testing.T, s manifest.Set) any {
	t.Helper()
	var o any
	switch {
	case len(s.Vendors) == 1:
		o = s.Vendors[0].Spec
	case len(s.Credentials) == 1:
		o = s.Credentials[0].Spec
	case len(s.Clients) == 1:
		o = s.Clients[0].Spec
	}
	u, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&map[string]any{"spec": o})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// words is the API server's message without the kind of request that it
// answers.
func words(err error) string {
	var status interface{ Status() metav1.Status }
	if !errors.As(err, &status) {
		return err.Error()
	}
	m := status.Status().Message
	if _, strict, found := strings.Cut(m, "strict decoding error: "); found {
		return strict
	}
	return m
}
