// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"testing"

	"github.com/oauthbroker/oauth-broker/hack/clidoc"
)

var update = flag.Bool("update", false, "write the reference")

// TestReference: the reference of the command line is that of the code.
func TestReference(t *testing.T) {
	clidoc.Hold(t, newCommand(), "../../docs/reference/flags-manager.md", *update)
}
