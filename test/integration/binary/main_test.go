// SPDX-License-Identifier: Apache-2.0

// Package binary_test runs the real broker binary against a real API server.
package binary_test

import (
	"os"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

// plane is the one control plane of this package, broker and manager the
// binaries, built once.
var (
	plane           controlplane.Plane
	broker, manager string
)

func TestMain(m *testing.M) {
	os.Exit(controlplane.MainWith(m, &plane, map[string]*string{"broker": &broker, "manager": &manager}))
}
