// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestGenerate_committed fails where `make generate` was forgotten.
func TestGenerate_committed(t *testing.T) {
	root := filepath.Join("..", "..")
	files, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range files {
		have, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(have, want) {
			t.Errorf("%s is not what hack/chart makes: run make generate", path)
		}
	}
	committed, err := filepath.Glob(filepath.Join(root, catalogFolder, "*.yaml"))
	if err != nil || len(committed) == 0 {
		t.Fatalf("no catalog: %v", err)
	}
	for _, path := range committed {
		if files[filepath.Join(catalogFolder, filepath.Base(path))] == nil {
			t.Errorf("%s is of no vendor in config/vendors: run make generate", path)
		}
	}
}
