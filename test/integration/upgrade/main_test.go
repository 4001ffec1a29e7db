// SPDX-License-Identifier: Apache-2.0

// Package upgrade_test takes a cluster from the CRDs of a release to those of
// now, with objects in it, and holds the schemas to the rule that they only grow.
package upgrade_test

import (
	"os"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

// plane is the one control plane of this package.
var plane controlplane.Plane

func TestMain(m *testing.M) { os.Exit(controlplane.Main(m, &plane)) }
