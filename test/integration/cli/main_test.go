// SPDX-License-Identifier: Apache-2.0

// Package cli_test runs the built `oauth-broker` against a real API server, with
// the built manager and broker beside it: doctor, vendors, explain, and what
// `helm test` runs in a pod.
package cli_test

import (
	"os"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

// plane is the one control plane of this package, the others are the binaries,
// built once.
var (
	plane                    controlplane.Plane
	broker, manager, program string
)

func TestMain(m *testing.M) {
	os.Exit(controlplane.MainWith(m, &plane, map[string]*string{"broker": &broker, "manager": &manager, "oauth-broker": &program}))
}
