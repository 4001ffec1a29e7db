// SPDX-License-Identifier: Apache-2.0

// Package redteam attacks the broker over HTTP, in the profile without Redis.
//
// Each case of the attack list is a test whose name begins with the case, for
// example TestRedTeam_A01_UnknownClient; docs/security.md lists them. A test
// asserts the whole answer: status, error code, where the browser is sent, that
// nothing may be cached, and what the vendor saw. The harness looks for leaked
// secrets at the end of every test.
package redteam
