// SPDX-License-Identifier: Apache-2.0

// Package operator_test runs the operator and the broker's Kubernetes source
// against a real API server.
package operator_test

import (
	"os"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

// plane is the one control plane of this package.
var plane controlplane.Plane

func TestMain(m *testing.M) { os.Exit(controlplane.Main(m, &plane)) }
