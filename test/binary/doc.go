// SPDX-License-Identifier: Apache-2.0

// Package binary runs the real broker binary as an operator does: with flags,
// files, environment variables and signals, and nothing from inside.
//
// An Install is what one deployment shares: key ring, certificate, addresses,
// directory of manifests. Start runs a broker of it until the test ends, and Run
// one that is to end by itself. Every request of an Install's browsers and
// clients passes a canary, which at the end looks for each secret that it saw
// in what the processes logged and measured.
package binary
