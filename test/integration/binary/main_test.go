// SPDX-License-Identifier: Apache-2.0

// Package binary_test runs the real broker binary against a real API server.
package binary_test

import (
	"fmt"
	"log/slog"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

// plane is the one control plane of this package, broker and manager the
// binaries, built once.
var (
	plane           controlplane.Plane
	broker, manager string
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	log := logr.FromSlogHandler(slog.DiscardHandler)
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	dir, err := os.MkdirTemp("", "broker-binary-")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		broker, err = binary.Build(controlplane.Root(), dir, "broker")
	}
	if err == nil {
		manager, err = binary.Build(controlplane.Root(), dir, "manager")
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return controlplane.Main(m, &plane)
}
