// SPDX-License-Identifier: Apache-2.0

// Package live holds the snapshot that the broker serves. A request takes it
// once and keeps it to its end, so that it never sees a mixed world.
package live

import (
	"sync/atomic"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// Config is the current snapshot. The zero value has none yet.
type Config struct {
	p atomic.Pointer[runtimeconfig.Snapshot]
}

// Set swaps the snapshot.
func (c *Config) Set(s *runtimeconfig.Snapshot) { c.p.Store(s) }

// Get returns the current snapshot, or nil before the first.
func (c *Config) Get() *runtimeconfig.Snapshot { return c.p.Load() }
