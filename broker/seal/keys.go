// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
)

// Keys is the key ring of a file, re-read when it changes. The zero value is
// not usable: make one with OpenKeys or NewKeys.
type Keys struct {
	ring atomic.Pointer[Ring]
	path string
	now  func() time.Time
	sum  []byte
}

// NewKeys makes Keys of a ring in memory.
func NewKeys(r keyring.Ring, now func() time.Time) (*Keys, error) {
	ring, err := NewRing(r, now)
	if err != nil {
		return nil, err
	}
	k := &Keys{now: now}
	k.ring.Store(ring)
	return k, nil
}

// OpenKeys reads the ring of a file.
func OpenKeys(path string, now func() time.Time) (*Keys, error) {
	k := &Keys{path: path, now: now}
	if _, err := k.reload(); err != nil {
		return nil, err
	}
	return k, nil
}

// Ring returns the keys as they are now. Use one Ring for one request.
func (k *Keys) Ring() *Ring { return k.ring.Load() }

// Run re-reads the file every interval until ctx ends. A ring that cannot be
// read is logged, and the last good one stays.
func (k *Keys) Run(ctx context.Context, interval time.Duration, log *slog.Logger) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		switch changed, err := k.reload(); {
		case err != nil:
			log.ErrorContext(ctx, "key ring not reloaded, the last good one stays", "error", err)
		case changed:
			log.InfoContext(ctx, "key ring reloaded", "keyIDs", k.Ring().IDs())
		}
	}
}

func (k *Keys) reload() (bool, error) {
	b, err := os.ReadFile(k.path)
	if err != nil {
		return false, fmt.Errorf("reading key ring: %w", err)
	}
	sum := sha256.Sum256(b)
	if bytes.Equal(sum[:], k.sum) {
		return false, nil
	}
	parsed, err := keyring.Parse(b)
	if err != nil {
		return false, err
	}
	ring, err := NewRing(parsed, k.now)
	if err != nil {
		return false, err
	}
	k.ring.Store(ring)
	k.sum = sum[:]
	return true, nil
}
