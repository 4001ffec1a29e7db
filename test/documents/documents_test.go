// SPDX-License-Identifier: Apache-2.0

package documents_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oauthbroker/oauth-broker/test/documents"
)

const page = "# A page\n\nSay `helm\n  list -A`, or `make`.\n\n```sh\nkubectl get pods |\n  grep x\nfor n in 1 2; do\n  echo $n\ndone\ncat <<'END'\na: b\nEND\n```\n\n" +
	"- A list:\n\n  ```yaml\n  a:\n    b: c\n  ```\n\n  ```sh\n  curl -s \\\n    http://localhost\n  ```\n"

func written(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBlocks(t *testing.T) {
	got, err := documents.Blocks(written(t), "yaml")
	if diff := cmp.Diff([]string{"a:\n  b: c\n"}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestCommands(t *testing.T) {
	got, err := documents.Commands(written(t))
	want := []string{"kubectl get pods |\n  grep x", "for n in 1 2; do\n  echo $n\ndone", "cat <<'END'\na: b\nEND", "curl -s \\\n  http://localhost"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestMentioned(t *testing.T) {
	got, err := documents.Mentioned(written(t))
	if diff := cmp.Diff([]string{"helm list -A"}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}
