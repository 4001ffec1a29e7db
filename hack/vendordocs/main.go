// SPDX-License-Identifier: Apache-2.0

// Command vendordocs writes the table of docs/vendors/README.md from the
// manifests of config/vendors. Run it at the root of the repository:
//
//	go run ./hack/vendordocs
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/config/crd"
	"github.com/oauthbroker/oauth-broker/internal/manifest"
)

const (
	begin = "<!-- table: written by `go run ./hack/vendordocs`; do not edit -->\n"
	end   = "<!-- end of table -->\n"
)

func main() {
	if err := write(context.Background(), "."); err != nil {
		fmt.Fprintln(os.Stderr, "vendordocs:", err)
		os.Exit(1)
	}
}

// write puts the table into the page below root.
func write(ctx context.Context, root string) error {
	page := pagePath(root)
	old, err := os.ReadFile(filepath.Clean(page))
	if err != nil {
		return fmt.Errorf("reading page: %w", err)
	}
	text, err := render(ctx, root, string(old))
	if err != nil {
		return err
	}
	if err := os.WriteFile(page, []byte(text), 0o644); err != nil { // #nosec G306 G703 -- a page of the documentation, at a fixed place
		return fmt.Errorf("writing page: %w", err)
	}
	return nil
}

func pagePath(root string) string { return filepath.Join(root, "docs", "vendors", "README.md") }

// render is page with a fresh table.
func render(ctx context.Context, root, page string) (string, error) {
	vendors, err := read(ctx, filepath.Join(root, "config", "vendors"))
	if err != nil {
		return "", err
	}
	before, rest, found := strings.Cut(page, begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		return "", errors.New("the page has no place for the table")
	}
	return before + begin + table(vendors) + end + after, nil
}

// read reads the catalog, sorted by name.
func read(ctx context.Context, folder string) ([]*oauthv1alpha1.OAuthVendor, error) {
	decoder, err := manifest.New(crd.Bases)
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("listing manifests: %w", err)
	}
	set := &manifest.Set{}
	for _, f := range files {
		if filepath.Base(f) == "kustomization.yaml" {
			continue
		}
		content, err := os.ReadFile(filepath.Clean(f))
		if err != nil {
			return nil, fmt.Errorf("reading manifest: %w", err)
		}
		if err := decoder.Decode(ctx, set, filepath.Base(f), content); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(set.Vendors, func(a, b *oauthv1alpha1.OAuthVendor) int { return strings.Compare(a.Name, b.Name) })
	return set.Vendors, nil
}
