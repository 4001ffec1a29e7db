// SPDX-License-Identifier: Apache-2.0

// Package clidoc writes the reference of a command line from its cobra commands:
// one document with every command and flag. The commands live in main packages,
// which nobody can import, so a test of each writes (`make generate` runs it with
// -update) and otherwise holds the committed document to the code.
package clidoc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// Hold compares the document at path with the commands, or writes it.
func Hold(t *testing.T, root *cobra.Command, path string, update bool) {
	t.Helper()
	want, err := Markdown(root)
	if err != nil {
		t.Fatal(err)
	}
	if update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(have), string(want)); diff != "" {
		t.Errorf("%s differs from the commands: make generate\n%s", path, diff)
	}
}

// Markdown is the reference of a command and all below it.
func Markdown(root *cobra.Command) ([]byte, error) {
	root.DisableAutoGenTag = true
	var out bytes.Buffer
	fmt.Fprintf(&out, "<!-- Generated from the code (make generate). Do not edit. -->\n\n# Commands and flags of `%s`\n\n", root.Name())
	if err := write(&out, root); err != nil {
		return nil, err
	}
	text := strings.ReplaceAll(strings.TrimRight(out.String(), "\n")+"\n", "\t", " ")
	return regexp.MustCompile(`\n{3,}`).ReplaceAll([]byte(text), []byte("\n\n")), nil
}

func write(out *bytes.Buffer, c *cobra.Command) error {
	if !c.IsAvailableCommand() && c.HasParent() || c.IsAdditionalHelpTopicCommand() {
		return nil
	}
	var one bytes.Buffer
	if err := doc.GenMarkdownCustom(c, &one, func(file string) string {
		return "#" + strings.ReplaceAll(strings.TrimSuffix(file, ".md"), "_", "-")
	}); err != nil {
		return errors.Join(fmt.Errorf("documenting %s", c.CommandPath()), err)
	}
	out.Write(one.Bytes())
	out.WriteString("\n")
	commands := slices.Clone(c.Commands())
	slices.SortFunc(commands, func(a, b *cobra.Command) int { return strings.Compare(a.Name(), b.Name()) })
	for _, sub := range commands {
		if err := write(out, sub); err != nil {
			return err
		}
	}
	return nil
}
