// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/binary"
)

// broker is the binary, built once.
var broker string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "broker-binary-")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		broker, err = binary.Build(filepath.Join("..", ".."), dir, "broker")
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
