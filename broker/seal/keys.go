// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
)

// Keys is the key ring of a file, re-read when it changes. The zero value is
// not usable: make one with FromFile or NewKeys.
type Keys struct {
	// OnChange is told the ids of a ring that Run has loaded; nil is nobody. Set it
	// before Run.
	OnChange func(ids []string)

	ring  atomic.Pointer[Ring]
	ready chan struct{}
	stale atomic.Bool
	path  string
	codec keyring.Codec
	now   func() time.Time
	sum   []byte
}

// NewKeys makes Keys of a ring in memory.
func NewKeys(r keyring.Ring, now func() time.Time) (*Keys, error) {
	ring, err := NewRing(r, now)
	if err != nil {
		return nil, err
	}
	k := FromFile("", keyring.Codec{}, now)
	k.use(ring)
	return k, nil
}

// FromFile makes Keys of a file that is not read yet; Load or Run reads it.
func FromFile(path string, codec keyring.Codec, now func() time.Time) *Keys {
	return &Keys{path: path, codec: codec, now: now, ready: make(chan struct{})}
}

// Load reads the file once.
func (k *Keys) Load(ctx context.Context) error {
	_, err := k.reload(ctx)
	return err
}

// Ring returns the keys as they are now, nil before the first were read. Use one
// Ring for one request.
func (k *Keys) Ring() *Ring { return k.ring.Load() }

// Ready is closed once there is a ring.
func (k *Keys) Ready() <-chan struct{} { return k.ready }

// Stale tells whether the file, as it is now, could not be read or unwrapped.
func (k *Keys) Stale() bool { return k.stale.Load() }

func (k *Keys) use(r *Ring) {
	if k.ring.Swap(r) == nil {
		close(k.ready)
	}
}

// keeperRest is the longest pause between two attempts to unwrap a ring.
const keeperRest = 30 * time.Second

// Run reads the file now and every interval until ctx ends. A ring that cannot be
// read is logged, and the last good one stays. A KMS that is away is asked again
// after growing pauses.
func (k *Keys) Run(ctx context.Context, interval time.Duration, log *slog.Logger) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	pause := interval
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		changed, err := k.reload(ctx)
		k.stale.Store(err != nil)
		switch _, away := errors.AsType[*keyring.KeeperError](err); {
		case away:
			pause = min(2*pause, keeperRest)
		default:
			pause = interval
		}
		switch {
		case err != nil && k.Ring() == nil:
			log.ErrorContext(ctx, "no key ring yet, so nothing is served", "error", err, "nextAttempt", pause)
		case err != nil:
			log.ErrorContext(ctx, "key ring not reloaded, the last good one stays", "error", err, "nextAttempt", pause)
		case changed:
			log.InfoContext(ctx, "key ring loaded", "keyIDs", k.Ring().IDs())
			if k.OnChange != nil {
				k.OnChange(k.Ring().IDs())
			}
		}
		timer.Reset(pause)
	}
}

func (k *Keys) reload(ctx context.Context) (bool, error) {
	b, err := os.ReadFile(k.path)
	if err != nil {
		return false, fmt.Errorf("reading key ring: %w", err)
	}
	sum := sha256.Sum256(b)
	if bytes.Equal(sum[:], k.sum) {
		return false, nil
	}
	parsed, err := k.codec.Decode(ctx, b)
	if err != nil {
		return false, err
	}
	ring, err := NewRing(parsed, k.now)
	if err != nil {
		return false, err
	}
	k.use(ring)
	k.sum = sum[:]
	return true, nil
}
