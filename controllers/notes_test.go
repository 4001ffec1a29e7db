// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/client-go/tools/events"
)

// TestShortNotes: a note is cut where a character ends, and says so.
func TestShortNotes(t *testing.T) {
	for _, note := range []string{"100% as it was", strings.Repeat("é", maxNote), "x" + strings.Repeat("é", maxNote)} {
		fake := events.NewFakeRecorder(1)
		shortNotes{fake}.Eventf(nil, nil, "Warning", "Invalid", "Reconcile", "%s", note)
		got := strings.TrimPrefix(<-fake.Events, "Warning Invalid ")
		if len(note) <= maxNote && got != note {
			t.Errorf("got %q, want it as it was", got)
		}
		if len(got) > maxNote || !utf8.ValidString(got) || len(note) > maxNote && !strings.HasSuffix(got, "(shortened)") {
			t.Errorf("got %d bytes, valid %v: %.20q", len(got), utf8.ValidString(got), got)
		}
	}
}
