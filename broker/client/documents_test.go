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
		d.keep(fmt.Sprintf("https://bad.example/%d", i), documentEntry{until: now.Add(failureAge)})
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

	var leave []func()
	for i := range 5 * maxFetches {
		if l, ok := d.enter(fmt.Sprintf("https://host-%d.example/c", i/3)); ok {
			leave = append(leave, l)
		}
	}
	if len(leave) != maxFetches || len(d.fetching) > maxFetches {
		t.Errorf("%d fetches are under way at %d hosts", len(leave), len(d.fetching))
	}
	for _, l := range leave {
		l()
	}
	if len(d.fetching) != 0 || len(d.slots) != 0 {
		t.Errorf("%d hosts and %d places are left over", len(d.fetching), len(d.slots))
	}
}
