// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// TestDocuments_bounded: strangers choose the URLs, so neither what is kept nor
// what is under way may grow with them. Good documents outlast bad ones.
func TestDocuments_bounded(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	d := NewDocuments(&http.Client{}, func() time.Time { return now })
	d.keep("https://good.example/c", documentEntry{client: &runtimeconfig.Client{}, until: now.Add(time.Hour)})
	for i := range 5 * maxDocuments {
		d.keep(fmt.Sprintf("https://bad.example/%d", i), documentEntry{err: ErrDocument, until: now.Add(failureAge)})
		if len(d.entries) > maxDocuments {
			t.Fatalf("%d documents are kept", len(d.entries))
		}
	}
	if _, ok := d.cached("https://good.example/c"); !ok {
		t.Error("bad documents drove a good one out")
	}
	for i := range 5 * maxDocuments {
		d.keep(fmt.Sprintf("https://app.example/%d", i), documentEntry{client: &runtimeconfig.Client{}, until: now.Add(time.Hour)})
	}
	if len(d.entries) > maxDocuments {
		t.Errorf("%d good documents are kept", len(d.entries))
	}
}

// TestDocuments_places: one caller holds a few places, and one alone once half of all
// are taken, so that many callers are needed to take them all.
func TestDocuments_places(t *testing.T) {
	d := NewDocuments(nil, time.Now)
	var entered []string
	enter := func(caller string, want int) {
		t.Helper()
		got := 0
		for range maxCallerFetches + 1 {
			if d.enter(caller) {
				entered = append(entered, caller)
				got++
			}
		}
		if got != want {
			t.Errorf("%s got %d places of %d that are taken, want %d", caller, got, len(entered), want)
		}
	}
	for n := range maxFetches / 2 / maxCallerFetches {
		enter(fmt.Sprint("early ", n), maxCallerFetches)
	}
	enter("early 0", 0)
	for n := range maxFetches / 2 {
		enter(fmt.Sprint("late ", n), 1)
	}
	enter("last", 0)
	for _, caller := range entered {
		d.leave(caller)
	}
	if len(d.callers) != 0 || d.fetching != 0 {
		t.Errorf("%d callers and %d places are left over", len(d.callers), d.fetching)
	}
}

func TestNetwork(t *testing.T) {
	for caller, want := range map[string]string{
		"203.0.113.9": "203.0.113.9", "2001:db8:1:2::/64": "2001:db8:1::/48", "2001:db8:1:ffff::/64": "2001:db8:1::/48", "2001:db8:2::/64": "2001:db8:2::/48", "unknown": "unknown", "": "",
	} {
		if got := network(caller); got != want {
			t.Errorf("%q counts as %q, want %q", caller, got, want)
		}
	}
}
