// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

// Discovered is what the catalog's metadata documents were last seen to say,
// by vendor (testdata/discovered.yaml), so that tests need no network.
func Discovered(t testing.TB) map[string]translate.Discovered {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(Root(), "test", "catalog", "testdata", "discovered.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var documents map[string]struct {
		oauthv1alpha1.Endpoints `json:",inline"`
		IssuerParameter         bool `json:"issuerParameter"`
	}
	if err := yaml.UnmarshalStrict(content, &documents); err != nil {
		t.Fatal(err)
	}
	out := make(map[string]translate.Discovered, len(documents))
	for name, d := range documents {
		out[name] = translate.Discovered{Endpoints: &d.Endpoints, IssuerParameter: d.IssuerParameter}
	}
	return out
}
