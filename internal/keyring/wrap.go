// SPDX-License-Identifier: Apache-2.0

package keyring

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Keeper encrypts a small key: a KMS, Vault, or a key that is kept elsewhere.
type Keeper interface {
	Encrypt(ctx context.Context, plain []byte) ([]byte, error)
	Decrypt(ctx context.Context, cipher []byte) ([]byte, error)
}

// Errors of rings that are wrapped where they should not be, or the reverse.
var (
	ErrWrapped    = errors.New("key ring is wrapped by a KMS: give its URL with --keyring-kms-url")
	ErrNotWrapped = errors.New("key ring is in the clear, but --keyring-kms-url is given: wrap it with: broker keys wrap")
)

// KeeperError is a keeper that did not answer, or said no.
type KeeperError struct{ Cause error }

func (e *KeeperError) Error() string { return "the KMS that wraps the key ring: " + e.Cause.Error() }

// Unwrap returns the cause.
func (e *KeeperError) Unwrap() error { return e.Cause }

// keeperTimeout bounds one call of a keeper.
const keeperTimeout = 10 * time.Second

// wrapLabel tells what is sealed under the data key.
const wrapLabel = "oauth-broker/keyring1"

// wrappedWire is the ring sealed under a data key of its own, which only the
// keeper opens: keepers take few bytes.
type wrappedWire struct {
	Key  []byte `json:"key"`
	Ring []byte `json:"ring"`
}

// Codec reads and writes rings: wrapped by Keeper, or in the clear without one.
// It never takes one for the other, so that whoever can write the file but not
// use the KMS cannot bring keys of his own.
type Codec struct{ Keeper Keeper }

// Encode writes a ring. Ids and times stay readable: they are in every sealed
// value anyway, and whoever only needs them needs no right to decrypt.
func (c Codec) Encode(ctx context.Context, r Ring) ([]byte, error) {
	plain, err := Encode(r)
	if err != nil || c.Keeper == nil {
		return plain, err
	}
	dataKey := make([]byte, keySize)
	_, _ = rand.Read(dataKey) // never fails (crypto/rand)
	aead, err := newAEAD(dataKey)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, keeperTimeout)
	defer cancel()
	wrapped, err := c.Keeper.Encrypt(ctx, dataKey)
	if err != nil {
		return nil, &KeeperError{err}
	}
	outside := r.Outline()
	out := ringWire{Format: format, Flow: toWire(outside.Flow), Grant: toWire(outside.Grant)}
	out.Wrapped = &wrappedWire{Key: wrapped, Ring: aead.Seal(nil, nil, plain, []byte(wrapLabel))}
	return json.MarshalIndent(out, "", "  ")
}

// Outline reads ids and times and does not use the keeper. The ring must be
// wrapped where there is one, and in the clear where there is none.
func (c Codec) Outline(b []byte) (Ring, error) {
	r, w, err := parse(b)
	switch {
	case err != nil:
		return Ring{}, err
	case w != nil && c.Keeper == nil:
		return Ring{}, ErrWrapped
	case w == nil && c.Keeper != nil:
		return Ring{}, ErrNotWrapped
	}
	return r.Outline(), nil
}

// Decode strictly reads a ring. A failure of the keeper is a *KeeperError.
func (c Codec) Decode(ctx context.Context, b []byte) (Ring, error) {
	if c.Keeper == nil {
		return Parse(b)
	}
	outside, w, err := parse(b)
	switch {
	case err != nil:
		return Ring{}, err
	case w == nil:
		return Ring{}, ErrNotWrapped
	}
	ctx, cancel := context.WithTimeout(ctx, keeperTimeout)
	defer cancel()
	dataKey, err := c.Keeper.Decrypt(ctx, w.Key)
	if err != nil {
		return Ring{}, &KeeperError{err}
	}
	aead, err := newAEAD(dataKey)
	if err != nil {
		return Ring{}, err
	}
	plain, err := aead.Open(nil, nil, w.Ring, []byte(wrapLabel))
	if err != nil {
		return Ring{}, errors.New("key ring: what is wrapped was damaged or changed")
	}
	r, err := Parse(plain)
	if err != nil {
		return Ring{}, err
	}
	if !sameOutline(r.Flow, outside.Flow) || !sameOutline(r.Grant, outside.Grant) {
		return Ring{}, errors.New("key ring: ids or times differ from those that are wrapped: somebody edited the file; use: broker keys")
	}
	return r, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != keySize {
		return nil, errors.New("key ring: the KMS opened something that is no data key")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("key ring: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Outline is the ring without its secrets.
func (r Ring) Outline() Ring {
	return Ring{Flow: withoutSecrets(r.Flow), Grant: withoutSecrets(r.Grant)}
}

func withoutSecrets(keys []Key) []Key {
	out := make([]Key, 0, len(keys))
	for _, k := range keys {
		out = append(out, Key{ID: k.ID, SealFrom: k.SealFrom})
	}
	return out
}

func sameOutline(a, b []Key) bool {
	return slices.EqualFunc(a, b, func(a, b Key) bool { return a.ID == b.ID && a.SealFrom.Equal(b.SealFrom) })
}
