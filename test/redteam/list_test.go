// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/security.md names every test of the list, and no test that is not there.
func TestSecurityPage_namesTheTests(t *testing.T) {
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, dir := range []string{".", "../login", "../redis", "../integration/operator", "../../controllers/translate", "../../broker/*"} {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			source, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(source), -1) {
				there[m[1]] = true
			}
		}
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(page), -1) {
		named[m[1]] = true
		if !there[m[1]] {
			t.Errorf("docs/security.md names %s, which does not exist", m[1])
		}
	}
	for name := range there {
		if !named[name] && regexp.MustCompile(`^TestRedTeam_[A-F]\d`).MatchString(name) {
			t.Errorf("docs/security.md does not name %s", name)
		}
	}
	for section, cases := range map[string]int{"A": 20, "C": 12, "D": 18, "E": 10, "F": 19} {
		if got := strings.Count(string(page), "\n| "+section); got != cases {
			t.Errorf("section %s has %d cases, want %d", section, got, cases)
		}
	}
}
