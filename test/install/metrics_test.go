// SPDX-License-Identifier: Apache-2.0

package install_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestMetrics_exist: alerts and dashboard speak only of metrics that the
// programs have.
func TestMetrics_exist(t *testing.T) {
	x := tools(t)
	defined := map[string]bool{}
	name := regexp.MustCompile(`Name:\s*"(oauth_broker_\w+)"`)
	for _, folder := range []string{"broker", "cmd", "controllers", "internal"} {
		files := os.DirFS(filepath.Join(x.Root, folder))
		err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
				return err
			}
			content, err := fs.ReadFile(files, path)
			for _, m := range name.FindAllSubmatch(content, -1) {
				defined[string(m[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	used := regexp.MustCompile(`oauth_broker_\w+`)
	for _, file := range []string{"rules.yaml", "dashboards/oauth-broker.json"} {
		content, err := os.ReadFile(filepath.Join(x.Root, "charts", "oauth-broker", file))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, ".json") && !json.Valid(content) {
			t.Errorf("%s is no JSON", file)
		}
		found := used.FindAll(content, -1)
		for _, metric := range found {
			if !defined[string(bytes.TrimSuffix(metric, []byte("_bucket")))] {
				t.Errorf("%s speaks of %s, which nothing defines", file, metric)
			}
		}
		if len(found) == 0 {
			t.Errorf("%s speaks of no metric", file)
		}
	}
}
