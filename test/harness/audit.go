// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// AuditSchema is the schema of the audit log that users are given. Tests two
// folders below the root can read it.
func AuditSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile(filepath.Join("..", "..", "docs", "reference", "audit.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// AuditRecords reads an audit log and holds each line against the schema.
func AuditRecords(t testing.TB, log string) []map[string]any {
	t.Helper()
	schema := AuditSchema(t)
	var out []map[string]any
	for line := range strings.Lines(log) {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err == nil {
			err = schema.Validate(value)
		}
		if err != nil {
			t.Errorf("%v in %s", err, line)
		}
		if record, ok := value.(map[string]any); ok {
			out = append(out, record)
		}
	}
	return out
}
