// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// readmes makes README.md of each chart: README.md.tmpl, and where it says
// VALUES a table of values.
func readmes(root string, files map[string][]byte) error {
	for _, chart := range []string{brokerChart, vendorsChart} {
		values := files[filepath.Join(chart, "values.yaml")]
		if values == nil {
			var err error
			if values, err = os.ReadFile(filepath.Join(root, chart, "values.yaml")); err != nil {
				return err
			}
		}
		page, err := os.ReadFile(filepath.Join(root, chart, "README.md.tmpl"))
		if err != nil {
			return err
		}
		table, err := table(values)
		if err != nil {
			return fmt.Errorf("%s: %w", chart, err)
		}
		files[filepath.Join(chart, "README.md")] = bytes.Replace(page, []byte("VALUES\n"), table, 1)
	}
	return nil
}

func table(values []byte) ([]byte, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(values, &document); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString("| value | default | meaning |\n|---|---|---|\n")
	err := rows(&out, "", document.Content[0])
	return out.Bytes(), err
}

// rows writes a row for each value with a comment that begins with "--"; every
// leaf must have one.
func rows(out *bytes.Buffer, prefix string, mapping *yaml.Node) error {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		name := prefix + key.Value
		comment := key.HeadComment
		if at := strings.LastIndex(comment, "# -- "); at >= 0 {
			meaning := strings.ReplaceAll(strings.ReplaceAll(comment[at+len("# -- "):], "\n# ", " "), "|", "\\|")
			shown, err := inline(value)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "| `%s` | `%s` | %s |\n", name, shown, meaning)
			continue
		}
		if value.Kind != yaml.MappingNode || len(value.Content) == 0 {
			return fmt.Errorf("value %s has no comment that begins with --", name)
		}
		if err := rows(out, name+".", value); err != nil {
			return err
		}
	}
	return nil
}

// inline is a value on one line.
func inline(value *yaml.Node) (string, error) {
	flat := *value
	flat.HeadComment, flat.LineComment, flat.FootComment, flat.Style = "", "", "", yaml.FlowStyle
	if value.Kind == yaml.MappingNode || value.Kind == yaml.SequenceNode {
		plain(&flat)
	}
	text, err := yaml.Marshal(&flat)
	return strings.Join(strings.Fields(string(text)), " "), err
}

func plain(n *yaml.Node) {
	n.HeadComment, n.LineComment, n.FootComment = "", "", ""
	if n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode {
		n.Style = yaml.FlowStyle
	}
	for _, child := range n.Content {
		plain(child)
	}
}
