// SPDX-License-Identifier: Apache-2.0

// Package operator_test runs the operator and the broker's Kubernetes source
// against a real API server.
package operator_test

import (
	"log/slog"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/oauthbroker/oauth-broker/test/capture"
	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

// plane is the one control plane of this package.
var plane controlplane.Plane

// libraryLog is what client-go and controller-runtime log.
var libraryLog capture.Buffer

func TestMain(m *testing.M) {
	log := logr.FromSlogHandler(slog.NewJSONHandler(&libraryLog, nil))
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	os.Exit(controlplane.Main(m, &plane))
}
