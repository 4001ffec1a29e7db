// SPDX-License-Identifier: Apache-2.0

// Package once takes one-time things: codes, states, client assertions. The
// profile without Redis takes nothing and relies on expiry, cookie, PKCE and
// the vendor's own single use; what that promises is written in
// docs/architecture.md.
package once

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"time"
)

// ErrTaken means that the thing was taken before.
var ErrTaken = errors.New("already taken")

// Store takes things once.
type Store interface {
	// Take takes key until it would have expired anyway. It returns ErrTaken for
	// a key that was taken before, and another error when it cannot know.
	Take(ctx context.Context, key Key, ttl time.Duration) (Receipt, error)
	// Release gives a taken key back, for an attempt that provably had no effect.
	// It does nothing where the key is not, or no more, taken by this receipt.
	Release(ctx context.Context, r Receipt) error
}

// Receipt is what Release wants: only who took a key gives it back.
type Receipt struct{ key, owner string }

// Key names a one-time thing.
type Key struct {
	kind  string
	parts []string
}

// NewKey makes a key. Different parts never make the same.
func NewKey(kind string, parts ...string) Key { return Key{kind, parts} }

// String is the key as it is written down: it does not tell what the parts are.
func (k Key) String() string {
	b := append(make([]byte, 0, 128), '[')
	for i, part := range k.parts {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendQuote(b, part)
	}
	sum := sha256.Sum256(append(b, ']'))
	return k.kind + ":" + hex.EncodeToString(sum[:])
}

// Stateless is the profile without Redis: everything can be taken.
type Stateless struct{}

// Take implements Store.
func (Stateless) Take(context.Context, Key, time.Duration) (Receipt, error) {
	return Receipt{}, nil
}

// Release implements Store.
func (Stateless) Release(context.Context, Receipt) error { return nil }
