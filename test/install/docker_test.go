// SPDX-License-Identifier: Apache-2.0

package install_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDockerfile_context: every package of the two programs gets into the build.
func TestDockerfile_context(t *testing.T) {
	x := tools(t)
	ignored, err := os.ReadFile(filepath.Join(x.Root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	var taken []string
	for line := range strings.Lines(string(ignored)) {
		if folder, ok := strings.CutPrefix(strings.TrimSpace(line), "!"); ok {
			taken = append(taken, folder)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{with .Module}}{{if .Main}}{{$.Dir}}{{end}}{{end}}{{end}}", "./cmd/...")
	cmd.Dir = x.Root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for dir := range strings.FieldsSeq(string(out)) {
		relative, err := filepath.Rel(x.Root, dir)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(taken, func(folder string) bool { return strings.HasPrefix(relative+"/", folder) }) {
			t.Errorf("%s is not in .dockerignore as !%s/, so docker build does not see it", relative, relative)
		}
	}
}
