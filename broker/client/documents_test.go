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

	var entered []string
	for i := range 10 * maxFetches {
		if caller := fmt.Sprintf("address %d", i/8); d.enter(caller) {
			entered = append(entered, caller)
		}
	}
	if len(entered) != maxFetches || len(d.callers) != maxFetches/maxCallerFetches {
		t.Errorf("%d fetches of %d callers are under way", len(entered), len(d.callers))
	}
	for _, caller := range entered {
		d.leave(caller)
	}
	if len(d.callers) != 0 || d.fetching != 0 {
		t.Errorf("%d callers and %d places are left over", len(d.callers), d.fetching)
	}
}
