// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

// Discovered is what the catalog's metadata documents were last seen to say,
// by vendor, so that tests need no network.
func Discovered(t testing.TB) map[string]translate.Discovered {
	t.Helper()
	out, err := ReadDiscovered(Root())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// ReadDiscovered reads testdata/discovered.yaml below the repository's root.
func ReadDiscovered(root string) (map[string]translate.Discovered, error) {
	content, err := os.ReadFile(filepath.Join(root, "test", "catalog", "testdata", "discovered.yaml"))
	if err != nil {
		return nil, fmt.Errorf("reading what was discovered: %w", err)
	}
	var documents map[string]struct {
		oauthv1alpha1.Endpoints `json:",inline"`
		IssuerParameter         bool `json:"issuerParameter"`
	}
	if err := yaml.UnmarshalStrict(content, &documents); err != nil {
		return nil, fmt.Errorf("reading what was discovered: %w", err)
	}
	out := make(map[string]translate.Discovered, len(documents))
	for name, d := range documents {
		out[name] = translate.Discovered{Endpoints: &d.Endpoints, IssuerParameter: d.IssuerParameter}
	}
	return out, nil
}
