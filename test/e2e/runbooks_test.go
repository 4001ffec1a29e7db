// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/documents"
)

const docs = "../../docs"

// all are the commands of the runbooks.
func all(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(docs, "runbooks", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, page := range pages {
		for _, of := range []func(string) ([]string, error){documents.Commands, documents.Mentioned} {
			commands, err := of(page)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, commands...)
		}
	}
	return out
}

// TestRunbooks_listsAreExact: what is not run, and what prints nothing, is there.
func TestRunbooks_listsAreExact(t *testing.T) {
	commands := "\n" + strings.Join(all(t), "\n") + "\n"
	for command := range notRun() {
		if !strings.Contains(commands, "\n"+command+"\n") {
			t.Errorf("no runbook has the command %s", command)
		}
	}
	for part := range silent() {
		if !strings.Contains(commands, part) {
			t.Errorf("no command of a runbook has %s", part)
		}
	}
}

// TestRunbooks_eventsAreKnown: what the commands look for in logs is in the
// reference of events, which is generated from the code. A cluster that is well
// shows little of it.
func TestRunbooks_eventsAreKnown(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(docs, "reference", "events.md"))
	if err != nil {
		t.Fatal(err)
	}
	reference, found := string(text), 0
	for _, command := range all(t) {
		if !strings.Contains(command, " logs ") {
			continue
		}
		for _, m := range regexp.MustCompile(`\.([a-z]\w*)`).FindAllStringSubmatch(filter(command), -1) {
			found++
			if !strings.Contains(reference, "`"+m[1]+"`") {
				t.Errorf("no event has %s:\n%s", m[1], command)
			}
		}
		for _, m := range regexp.MustCompile(`grep (?:-i )?'([\w ]+)'|\.msg=="([^"]+)"|"msg":"(\w+)"`).FindAllStringSubmatch(command, -1) {
			found++
			if message := m[1] + m[2] + m[3]; !strings.Contains(reference, "| "+message) {
				t.Errorf("no event is %q:\n%s", message, command)
			}
		}
	}
	if found < 50 {
		t.Errorf("%d names found in the commands", found)
	}
}
