// SPDX-License-Identifier: Apache-2.0

// Package cli runs the built `oauth-broker` as a person does: against the built
// broker with a directory of manifests, and a vendor on loopback. What it does
// with a cluster is tested in test/integration/cli.
package cli
