// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTable_isUpToDate(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(pagePath(root))
	if err != nil {
		t.Fatal(err)
	}
	want, err := render(t.Context(), root, string(page))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(page)); diff != "" {
		t.Errorf("docs/vendors/README.md is out of date, run `go run ./hack/vendordocs` (-want +got):\n%s", diff)
	}
}

func TestRender_needsAPlaceForTheTable(t *testing.T) {
	if _, err := render(t.Context(), filepath.Join("..", ".."), "# Vendors\n"); err == nil || !strings.Contains(err.Error(), "no place") {
		t.Errorf("got %v", err)
	}
}
