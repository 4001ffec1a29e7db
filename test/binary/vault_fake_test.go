// SPDX-License-Identifier: Apache-2.0

//go:build !vault

package binary_test

import (
	"testing"

	"github.com/oauthbroker/oauth-broker/test/fakekms"
)

func newVault(t *testing.T) vault {
	t.Helper()
	return fakekms.Start(t)
}
