// SPDX-License-Identifier: Apache-2.0

// Package soak runs two race-built brokers with a Redis for a long time (make
// soak DURATION=30m): steady logins, refreshes and revocations, a configuration
// that is reloaded and keys that rotate all the while, and a second vendor that
// misbehaves in turn. At the end no login at the vendor that behaves has failed,
// no race was found, and memory, goroutines and open files are what they were.
package soak
