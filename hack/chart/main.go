// SPDX-License-Identifier: Apache-2.0

// Command chart writes what the Helm charts repeat of the rest of the
// repository, so that nobody has to keep two copies alike:
//
//	config/crd/bases    -> charts/oauth-broker/templates/crds.yaml
//	config/rbac         -> charts/oauth-broker/templates/_rules.tpl
//	config/vendors      -> charts/oauth-broker-vendors/{catalog,values.yaml,values.schema.json}
//	values.yaml         -> README.md of each chart
//
// `make generate` runs it, and a test fails where its output is not committed.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	root := flag.String("root", ".", "root of the repository")
	flag.Parse()
	files, err := generate(*root)
	if err == nil {
		err = write(*root, files)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

// generate returns the content of every generated file, by its path from the root.
func generate(root string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, part := range []func(string, map[string][]byte) error{crds, rules, catalog, readmes} {
		if err := part(root, files); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// write writes what is new, and removes catalog files of vendors that are gone.
func write(root string, files map[string][]byte) error {
	stale, err := filepath.Glob(filepath.Join(root, catalogFolder, "*.yaml"))
	if err != nil {
		return err
	}
	for _, path := range stale {
		if files[filepath.Join(catalogFolder, filepath.Base(path))] == nil {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	for path, content := range files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return err
		}
		if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, content) {
			continue
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// manifests reads the YAML files of a folder, sorted.
func manifests(root, folder string) (names []string, contents [][]byte, err error) {
	paths, err := filepath.Glob(filepath.Join(root, folder, "*.yaml"))
	if err != nil {
		return nil, nil, err
	}
	slices.Sort(paths)
	for _, path := range paths {
		if filepath.Base(path) == "kustomization.yaml" {
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, nil, err
		}
		names, contents = append(names, filepath.Base(path)), append(contents, content)
	}
	if len(names) == 0 {
		return nil, nil, errors.New("no manifests in " + folder)
	}
	return names, contents, nil
}
