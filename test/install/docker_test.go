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

// TestDockerfile_programs: both ways to make the image pack the same programs,
// which are all commands there are.
func TestDockerfile_programs(t *testing.T) {
	x := tools(t)
	commands, err := filepath.Glob(filepath.Join(x.Root, "cmd", "*"))
	if err != nil || len(commands) < 3 {
		t.Fatalf("found %v: %v", commands, err)
	}
	files := map[string]string{}
	for _, name := range []string{"Dockerfile", "hack/image/main.go"} {
		content, err := os.ReadFile(filepath.Join(x.Root, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(content)
	}
	for _, command := range commands {
		name := filepath.Base(command)
		for file, content := range files {
			if !strings.Contains(content, "./cmd/"+name) {
				t.Errorf("%s does not build ./cmd/%s", file, name)
			}
		}
		if !strings.Contains(files["Dockerfile"], "/out/"+name+" ") {
			t.Errorf("the Dockerfile does not copy %s", name)
		}
	}
}
