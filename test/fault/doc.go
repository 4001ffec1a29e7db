// SPDX-License-Identifier: Apache-2.0

// Package fault breaks what the broker depends on, while it works: vendors that
// misbehave in every way at every leg, a Redis behind a wire that is cut,
// callers that ask without end, clocks that differ. Each test says what was
// promised and counts what was lost; docs/reliability.md names them all, and a
// test here holds it to that.
package fault
