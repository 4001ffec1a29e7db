// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io/fs"
	"log/slog"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/config/crd"
)

// TestTimeouts_outlastVendors: the longest call that an OAuthVendor may ask for,
// and the wait for a place before it, fit into what a request has for its answer,
// and into what SIGTERM leaves it.
func TestTimeouts_outlastVendors(t *testing.T) {
	const queue = 2 * time.Second // of broker/vendor
	schema, err := fs.ReadFile(crd.Bases, "bases/oauthbroker.dev_oauthvendors.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`\btimeoutSeconds:\n(?:\s+\w.*\n)*?\s+maximum: (\d+)\n`).FindSubmatch(schema)
	if m == nil {
		t.Fatal("the schema has no maximum of transport.timeoutSeconds")
	}
	vendor, err := time.ParseDuration(string(m[1]) + "s")
	if err != nil {
		t.Fatal(err)
	}
	shutdown, err := newServe().Flags().GetDuration("shutdown-timeout")
	if err != nil {
		t.Fatal(err)
	}
	if write := newHTTPServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler)).WriteTimeout; vendor+queue >= shutdown || vendor+queue >= write {
		t.Errorf("a vendor may take %s, an answer %s, and requests after SIGTERM %s", vendor, write, shutdown)
	}
}
