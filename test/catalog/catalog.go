// SPDX-License-Identifier: Apache-2.0

// Package catalog reads the vendor catalog of config/vendors for tests, and
// its tests hold every manifest to the rules of the house: valid by schema and
// CEL, accepted by translate, sourced, listed and explained in a guide.
package catalog

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/config/crd"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/manifest"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// Annotations of the catalog's manifests.
const (
	AnnotationSource     = "oauthbroker.dev/source"
	AnnotationChecked    = "oauthbroker.dev/checked"
	AnnotationUnverified = "oauthbroker.dev/unverified"
)

// OperatorNamespace of the inputs that this package makes.
const OperatorNamespace = "oauth-broker-system"

// Root is the repository's root, found from the working directory: go test
// runs in the directory of the package.
func Root() string {
	dir, err := os.Getwd()
	if err != nil {
		return "."
	}
	for d := dir; d != filepath.Dir(d); d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "config", "vendors", "kustomization.yaml")); err == nil {
			return d
		}
	}
	return dir
}

// Manifests names the files of the catalog, without the kustomization.
func Manifests(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(Root(), "config", "vendors", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the catalog has no manifests: %v", err)
	}
	return slices.DeleteFunc(files, func(f string) bool { return filepath.Base(f) == "kustomization.yaml" })
}

// Vendors reads the whole catalog, sorted by name, as the API server would
// store it.
func Vendors(t testing.TB) []*oauthv1alpha1.OAuthVendor {
	t.Helper()
	decoder, err := manifest.New(crd.Bases)
	if err != nil {
		t.Fatal(err)
	}
	set := &manifest.Set{}
	for _, f := range Manifests(t) {
		if err := decode(t.Context(), decoder, set, f); err != nil {
			t.Error(err)
		}
	}
	slices.SortFunc(set.Vendors, func(a, b *oauthv1alpha1.OAuthVendor) int { return strings.Compare(a.Name, b.Name) })
	return set.Vendors
}

func decode(ctx context.Context, d *manifest.Decoder, set *manifest.Set, file string) error {
	content, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return fmt.Errorf("reading manifest: %w", err)
	}
	return d.Decode(ctx, set, filepath.Base(file), content)
}

// Kustomization lists the resources of config/vendors/kustomization.yaml.
func Kustomization(t testing.TB) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(Root(), "config", "vendors", "kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var k struct {
		Resources []string `json:"resources"`
	}
	if err := yaml.Unmarshal(content, &k); err != nil {
		t.Fatal(err)
	}
	return k.Resources
}

// Inputs are what the operator would see of vendors with all their Secrets
// there.
func Inputs(vendors []*oauthv1alpha1.OAuthVendor) translate.Inputs {
	in := translate.Inputs{
		Settings: translate.Settings{BrokerClass: "default", PublicURL: "https://broker.example", OperatorNamespace: OperatorNamespace},
		Vendors:  vendors, Namespaces: map[string]map[string]string{"team-a": {}, "team-b": {}},
		Secrets: map[types.NamespacedName]translate.Secret{}, Discovered: map[string]translate.Discovered{},
	}
	for _, v := range vendors {
		if c := v.Spec.Credentials; c != nil && c.SecretRef != nil {
			in.Secrets[types.NamespacedName{Namespace: OperatorNamespace, Name: c.SecretRef.Name}] = App("shared-app")
		}
	}
	return in
}

// App is the Secret of an app at a vendor.
func App(id string) translate.Secret {
	return translate.Secret{UID: "uid-" + id, ResourceVersion: "1", Data: map[string]secret.Text{
		oauthv1alpha1.SecretKeyClientID: secret.New(id), oauthv1alpha1.SecretKeyClientSecret: secret.New("secret-of-" + id + "-0123456789abcdef"),
	}}
}
