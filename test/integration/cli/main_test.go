// SPDX-License-Identifier: Apache-2.0

// Package cli_test runs the built `oauth-broker` against a real API server, with
// the built manager and broker beside it: doctor, vendors, explain, and what
// `helm test` runs in a pod.
package cli_test

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

// plane is the one control plane of this package, the others are the binaries,
// built once.
var (
	plane                    controlplane.Plane
	broker, manager, program string
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	log := logr.FromSlogHandler(slog.DiscardHandler)
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	dir, err := os.MkdirTemp("", "cli-cluster-")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
	}
	for name, path := range map[string]*string{"broker": &broker, "manager": &manager, "oauth-broker": &program} {
		if err == nil {
			*path, err = binary.Build(controlplane.Root(), dir, name)
		}
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return controlplane.Main(m, &plane)
}
