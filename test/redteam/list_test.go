// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// testsInSource finds the names of all tests that docs/security.md may name.
func testsInSource(t *testing.T) map[string]bool {
	t.Helper()
	there := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	for _, pattern := range []string{"../*", "../integration/*", "../../controllers", "../../controllers/*", "../../broker", "../../broker/*", "../../internal/*", "../../cmd/*"} {
		files, err := filepath.Glob(filepath.Join(pattern, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			source, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range declared.FindAllStringSubmatch(string(source), -1) {
				there[m[1]] = true
			}
		}
	}
	return there
}

func securityPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// docs/security.md names every test of the list, and no test that is not there.
func TestSecurityPage_namesTheTests(t *testing.T) {
	there, named := testsInSource(t), map[string]bool{}
	for _, m := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(securityPage(t), -1) {
		named[m[1]] = true
		if !there[m[1]] {
			t.Errorf("docs/security.md names %s, which does not exist", m[1])
		}
	}
	for name := range there {
		if !named[name] && strings.HasPrefix(name, "TestRedTeam_") {
			t.Errorf("docs/security.md does not name %s", name)
		}
	}
}

// Every case of sections A to K has one line, and the line names a test or, after
// "none:", the reason why there is none.
func TestSecurityPage_everyCase(t *testing.T) {
	rows := map[string][]string{}
	for line := range strings.Lines(securityPage(t)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if id := strings.TrimSpace(cells[0]); regexp.MustCompile(`^[A-K]\d+$`).MatchString(id) {
			rows[id] = append(rows[id], line)
		}
	}
	total := 0
	for section, cases := range map[string]int{"A": 20, "B": 15, "C": 12, "D": 18, "E": 10, "F": 19, "G": 16, "H": 16, "I": 14, "J": 10, "K": 14} {
		total += cases
		for n := 1; n <= cases; n++ {
			id := fmt.Sprintf("%s%d", section, n)
			if len(rows[id]) != 1 {
				t.Errorf("%s has %d lines, want 1", id, len(rows[id]))
				continue
			}
			cells := strings.Split(rows[id][0], " | ")
			if len(cells) != 4 {
				t.Errorf("%s has %d cells, want 4", id, len(cells))
			} else if !strings.Contains(cells[3], "`Test") && !strings.Contains(cells[2], "none: ") {
				t.Errorf("%s names neither a test nor a reason: %s", id, rows[id][0])
			}
		}
	}
	if len(rows) != total {
		t.Errorf("there are lines for %d cases, want %d", len(rows), total)
	}
}
