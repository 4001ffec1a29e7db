// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRender_pageIsCurrent(t *testing.T) {
	root := filepath.Join("..", "..")
	want, err := Render(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(pagePath(root))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/reference/conditions.md differs from the constants: run make generate")
	}
}

func TestRender_refuses(t *testing.T) {
	for name, source := range map[string]string{
		"no status":  "// Reasons of X.\nconst (\n// R is something.\nR = \"R\"\n)",
		"no fix":     "// Reasons of X.\nconst (\n// R (False): it is bad.\nR = \"R\"\n)",
		"no comment": "// Reasons of X.\nconst (\nR = \"R\"\n)",
		"other name": "// Condition types.\nconst (\n// It is good.\nR = \"R\"\n)",
	} {
		root := t.TempDir()
		dir := filepath.Join(root, "api", "v1alpha1")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "conditions.go"), []byte("package v1alpha1\n\n"+source+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if page, err := Render(root); err == nil || !strings.Contains(err.Error(), "R") {
			t.Errorf("%s: got %v and\n%s", name, err, page)
		}
	}
}
