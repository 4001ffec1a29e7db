// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"log/slog"
	"os"
	"testing"

	"github.com/oauthbroker/oauth-broker/broker/once"
)

func TestMain(m *testing.M) {
	once.LogTo(slog.New(slog.DiscardHandler)) // Redis is away on purpose
	os.Exit(m.Run())
}
