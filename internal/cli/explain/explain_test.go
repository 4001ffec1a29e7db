// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCauses_areTheBrokers: every text that has advice is one that the broker
// has, so that advice does not outlive it; and the more special ones come first.
func TestCauses_areTheBrokers(t *testing.T) {
	var sources strings.Builder
	for _, pattern := range []string{"broker/*.go", "broker/*/*.go"} {
		files, err := filepath.Glob(filepath.Join("..", "..", "..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sources.Write(content)
		}
	}
	all := causes()
	for i, k := range all {
		if !strings.Contains(sources.String(), k.part) {
			t.Errorf("the broker does not say %q any more", k.part)
		}
		if k.What == "" || k.Fix == "" {
			t.Errorf("%q has no advice", k.part)
		}
		for _, later := range all[i+1:] {
			if strings.Contains(later.part, k.part) {
				t.Errorf("%q hides %q", k.part, later.part)
			}
		}
	}
}

// TestWords_outcomes: every outcome has advice, with the names filled in.
func TestWords_outcomes(t *testing.T) {
	for _, outcome := range []string{"ok", "access_denied", "invalid_scope", "invalid_target", "invalid_client", "invalid_grant", "unauthorized_client", "temporarily_unavailable", "server_error", "page_404", "page_400", "something new"} {
		w := (&Event{Outcome: outcome, Client: "team.web", Vendor: "github"}).Words()
		if w.What == "" || w.Fix == "" || strings.ContainsAny(w.What+w.Fix, "{}") && !strings.Contains(w.Fix, "jsonpath") {
			t.Errorf("%s: %+v", outcome, w)
		}
	}
}

// TestText_hostileLine: a log that others write to, too, may have a line that
// only looks like the broker's. It steers no terminal, and nothing of it is in a
// command that people paste.
func TestText_hostileLine(t *testing.T) {
	const id, evil = "ZFOVH5TKCB2YRYJBV6J2YJ3ELM", `\u001b]0;x\u0007\u009b2J\u202e\n$(touch x)`
	line := `{"msg":"request","requestID":"` + id + `"`
	for _, member := range []string{"method", "route", "outcome", "client", "vendor", "credential", "grant", "cause", "pod"} {
		line += `,"` + member + `":"` + evil + `"`
	}
	e, err := Find(strings.NewReader(line+"}"), id)
	if err != nil || e == nil {
		t.Fatal(e, err)
	}
	if text := e.Text(); strings.ContainsAny(text, "\x1b\a\u009b\u202e") || strings.Contains(text, "\n$(") {
		t.Errorf("got %q", text)
	}
	for _, outcome := range []string{"server_error", "unauthorized_client"} {
		e.Outcome, e.Cause = outcome, ""
		if w := e.Words(); strings.Contains(w.What+w.Fix, "$(") {
			t.Errorf("got %q", w)
		}
	}
}

func TestCheckID(t *testing.T) {
	for id, good := range map[string]bool{"ZFOVH5TKCB2YRYJBV6J2YJ3ELM": true, "": false, "zfovh5tkcb2yryjbv6j2yj3elm": false, "ZFOVH5TKCB2YRYJBV6J2YJ3EL0": false, "ZFOVH5TKCB2YRYJBV6J2YJ3ELMX": false} {
		if err := CheckID(id); (err == nil) != good {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// FuzzFind: logs are foreign bytes.
func FuzzFind(f *testing.F) {
	const id = "ZFOVH5TKCB2YRYJBV6J2YJ3ELM"
	f.Add(`{"time":"2026-11-24T21:00:00Z","msg":"request","requestID":"` + id + `","status":400,"took":12}`)
	f.Add("[pod/x/broker] {" + id)
	f.Fuzz(func(t *testing.T, log string) {
		e, err := Find(strings.NewReader(log), id)
		if err == nil && e != nil && (e.RequestID != id || e.Text() == "") {
			t.Errorf("found %+v", e)
		}
	})
}
