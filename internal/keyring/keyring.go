// SPDX-License-Identifier: Apache-2.0

// Package keyring is the file format of the broker's sealing keys.
//
// A ring holds two lists of keys: Flow keys seal what lives for minutes (state,
// cookies, codes), Grant keys what lives for months (refresh tokens). Every key
// opens; the newest key whose SealFrom has passed seals. A new key waits before
// it seals, so that no replica meets a key that it does not have yet.
package keyring

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// DataKey is the key of the ring in its Secret, and the name of the mounted file.
const DataKey = "keyring.json"

// DefaultDelay is how long a key that is added to a ring in use waits before it seals.
const DefaultDelay = 10 * time.Minute

const (
	format  = 1
	keySize = 32
)

// Ring is the sealing keys.
type Ring struct {
	Flow  []Key
	Grant []Key
}

// Key is one sealing key.
type Key struct {
	// ID is at most 16 characters of a-z and 0-9, unique in the ring.
	ID string
	// SealFrom is when the key may seal; it opens at once.
	SealFrom time.Time
	// Secret is 32 random bytes.
	Secret secret.Text
}

type ringWire struct {
	Format int       `json:"format"`
	Flow   []keyWire `json:"flow"`
	Grant  []keyWire `json:"grant"`
	// Wrapped holds the keys of a wrapped ring, whose lists have none.
	Wrapped *wrappedWire `json:"wrapped,omitempty"`
}

type keyWire struct {
	ID       string    `json:"id"`
	SealFrom time.Time `json:"sealFrom"`
	Key      []byte    `json:"key,omitempty"`
}

// New makes a ring with one key in each list, which seal at once.
func New(now time.Time) Ring {
	return Ring{Flow: []Key{NewKey(now)}, Grant: []Key{NewKey(now)}}
}

// NewKey makes a key that seals from the given time on.
func NewKey(sealFrom time.Time) Key {
	b := make([]byte, keySize)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	const alphabet = "abcdefghijklmnopqrstuvwxyz234567"
	id := make([]byte, 8)
	_, _ = rand.Read(id)
	for i := range id {
		id[i] = alphabet[int(id[i])%len(alphabet)]
	}
	return Key{ID: string(id), SealFrom: sealFrom.UTC().Truncate(time.Second), Secret: secret.New(string(b))}
}

// Encode writes a ring in the clear.
func Encode(r Ring) ([]byte, error) {
	return json.MarshalIndent(ringWire{Format: format, Flow: toWire(r.Flow), Grant: toWire(r.Grant)}, "", "  ")
}

// Parse strictly reads a ring that is in the clear. Errors never hold key material.
func Parse(b []byte) (Ring, error) {
	r, w, err := parse(b)
	switch {
	case err != nil:
		return Ring{}, err
	case w != nil:
		return Ring{}, ErrWrapped
	}
	return r, nil
}

// ParseOutline reads ids and times of a ring, wrapped or not, and needs no
// keeper. Its keys have no secrets.
func ParseOutline(b []byte) (Ring, error) {
	r, _, err := parse(b)
	return r.Outline(), err
}

func parse(b []byte) (Ring, *wrappedWire, error) {
	var w ringWire
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&w); err != nil {
		return Ring{}, nil, errors.New("key ring is not valid JSON of the expected shape")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Ring{}, nil, errors.New("key ring has trailing bytes")
	}
	if w.Format != format {
		return Ring{}, nil, fmt.Errorf("key ring has format %d, this release reads %d", w.Format, format)
	}
	read := reading{seen: map[string]bool{}, size: keySize}
	if w.Wrapped != nil {
		read.size = 0
	}
	flow, err := read.list(Flow, w.Flow)
	if err != nil {
		return Ring{}, nil, err
	}
	grant, err := read.list(Grant, w.Grant)
	if err != nil {
		return Ring{}, nil, err
	}
	return Ring{Flow: flow, Grant: grant}, w.Wrapped, nil
}

// IDs lists the ids of all keys, flow keys first.
func (r Ring) IDs() []string {
	ids := make([]string, 0, len(r.Flow)+len(r.Grant))
	for _, k := range r.Flow {
		ids = append(ids, k.ID)
	}
	for _, k := range r.Grant {
		ids = append(ids, k.ID)
	}
	return ids
}

func toWire(keys []Key) []keyWire {
	out := make([]keyWire, 0, len(keys))
	for _, k := range keys {
		out = append(out, keyWire{ID: k.ID, SealFrom: k.SealFrom, Key: []byte(k.Secret.Reveal())})
	}
	return out
}

// reading is what is known while the lists of a ring are read.
type reading struct {
	seen map[string]bool // ids
	size int             // of each key
}

func (g reading) list(list List, keys []keyWire) ([]Key, error) {
	if len(keys) == 0 {
		return nil, fmt.Errorf("key ring: %s has no key", list)
	}
	out := make([]Key, 0, len(keys))
	for i, k := range keys {
		switch {
		case !validID(k.ID):
			return nil, fmt.Errorf("key ring: %s[%d].id must be 1 to 16 characters of a-z and 0-9", list, i)
		case g.seen[k.ID]:
			return nil, fmt.Errorf("key ring: %s[%d].id %q is there twice", list, i, k.ID)
		case len(k.Key) != g.size:
			return nil, fmt.Errorf("key ring: %s[%d].key must be %d bytes in base64", list, i, g.size)
		}
		g.seen[k.ID] = true
		out = append(out, Key{ID: k.ID, SealFrom: k.SealFrom, Secret: secret.New(string(k.Key))})
	}
	return out, nil
}

func validID(id string) bool {
	if id == "" || len(id) > 16 {
		return false
	}
	for _, c := range id {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
