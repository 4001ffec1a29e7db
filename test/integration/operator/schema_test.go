// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

// schemaTable is one file of testdata/schema: objects that the API server must
// accept or refuse, each as a merge patch over a good base.
type schemaTable struct {
	Base  json.RawMessage `json:"base"`
	Cases []schemaCase    `json:"cases"`
}

type schemaCase struct {
	Name   string          `json:"name"`
	Patch  json.RawMessage `json:"patch,omitempty"`
	Update json.RawMessage `json:"update,omitempty"`
	// Want is part of the message of the refusal; empty means accepted.
	Want string `json:"want,omitempty"`
}

func readSchemaTables(t *testing.T) map[string]schemaTable {
	t.Helper()
	files, err := filepath.Glob("testdata/schema/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tables in testdata/schema: %v", err)
	}
	tables := map[string]schemaTable{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var table schemaTable
		if err := yaml.UnmarshalStrict(b, &table); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		tables[strings.TrimSuffix(filepath.Base(f), ".yaml")] = table
	}
	return tables
}

func TestSchema(t *testing.T) {
	for kind, table := range readSchemaTables(t) {
		for _, c := range table.Cases {
			t.Run(kind+"/"+strings.ReplaceAll(c.Name, " ", "_"), func(t *testing.T) {
				checkSchemaCase(t, table.Base, c)
			})
		}
	}
}

func checkSchemaCase(t *testing.T, base json.RawMessage, c schemaCase) {
	t.Helper()
	strict := client.WithFieldValidation(plane.Client, "Strict")
	object := patched(t, base, c.Patch)
	if c.Update == nil {
		checkRefusal(t, strict.Create(t.Context(), object, client.DryRunAll), c.Want)
		return
	}
	if err := strict.Create(t.Context(), object); err != nil {
		t.Fatalf("creating the object to update: %v", err)
	}
	defer func() { _ = plane.Client.Delete(t.Context(), object) }()
	stored, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	checkRefusal(t, strict.Update(t.Context(), patched(t, stored, c.Update), client.DryRunAll), c.Want)
}

func checkRefusal(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("got %v, want it accepted", err)
	case want != "" && err == nil:
		t.Errorf("was accepted, want it refused with %q", want)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Errorf("got %v, want it refused with %q", err, want)
	}
}

func patched(t *testing.T, base, patch json.RawMessage) *unstructured.Unstructured {
	t.Helper()
	if patch != nil {
		var err error
		if base, err = jsonpatch.MergePatch(base, patch); err != nil {
			t.Fatal(err)
		}
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(base); err != nil {
		t.Fatal(err)
	}
	return u
}

// TestSchema_everyRuleHasABadObject holds the tables against the CRDs: a rule
// that refuses nothing in the tables is a rule that nobody has seen work.
func TestSchema_everyRuleHasABadObject(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(controlplane.Root(), "config/crd/bases/*.yaml"))
	if err != nil || len(files) != 3 {
		t.Fatalf("got %d CRDs, want 3 (%v)", len(files), err)
	}
	tables := readSchemaTables(t)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var crd map[string]any
		if err := yaml.Unmarshal(b, &crd); err != nil {
			t.Fatal(err)
		}
		plural := strings.TrimSuffix(strings.SplitN(filepath.Base(f), "_", 2)[1], ".yaml")
		kind := strings.TrimSuffix(plural, "s")
		for message := range ruleMessages(crd) {
			if !refusedBy(tables[kind], message) {
				t.Errorf("%s: no bad object for the rule with message %q", kind, message)
			}
		}
	}
}

func refusedBy(table schemaTable, message string) bool {
	for _, c := range table.Cases {
		if c.Want != "" && strings.Contains(message, c.Want) {
			return true
		}
	}
	return false
}

// ruleMessages collects the messages of all CEL rules in a schema.
func ruleMessages(node any) map[string]bool {
	found := map[string]bool{}
	switch n := node.(type) {
	case map[string]any:
		rules, _ := n["x-kubernetes-validations"].([]any)
		for _, r := range rules {
			message, _ := r.(map[string]any)["message"].(string)
			found[message] = true
		}
		for _, child := range n {
			for m := range ruleMessages(child) {
				found[m] = true
			}
		}
	case []any:
		for _, child := range n {
			for m := range ruleMessages(child) {
				found[m] = true
			}
		}
	}
	return found
}
