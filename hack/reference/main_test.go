// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGenerate: all of the code can be read, and the pages are committed as they are
// made from it.
func TestGenerate(t *testing.T) {
	pages, err := generate(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"metrics.md": {"| `oauth_broker_requests_total` | counter | `route`, `status`, `outcome`, `vendor` |", "| `oauth_broker_redis_up` | gauge |  |", "| `oauth_broker_operator_publish_seconds` | histogram |"},
		"events.md":  {"| request | by status | `requestID`,", "| published | INFO |", "| Reconcile | an object of ours | Warning |", "Normal | `Registered`, `RegistrationRetained`, `RegistrationUpdated`, `Unregistered`: see", "Warning | `RegistrationFailed`, `RegistrationHeld`, `RegistrationOrphaned`: see", "| Unregister | an `OAuthVendor` | Warning | `OrphansOmitted`, `RegistrationOrphaned`: "},
		"errors.md":  {"| [`invalid_grant`](#invalid_grant) |", "- code was used before", "### This sign-in belongs to another browser"},
	} {
		committed, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(committed, pages[name]) {
			t.Errorf("docs/reference/%s is not what the code says now: run `make generate` and commit it", name)
		}
		for _, w := range want {
			if !strings.Contains(string(pages[name]), w) {
				t.Errorf("%s has no %q", name, w)
			}
		}
	}
}
