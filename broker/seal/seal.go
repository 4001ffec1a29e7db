// SPDX-License-Identifier: Apache-2.0

// Package seal keeps what is in flight out of the broker: it seals a value into
// a string that browsers and clients carry, and opens it again.
//
// A sealed string is <prefix>.<key id>.<base64url of nonce and ciphertext>. The
// prefix tells what it is; the same prefix labels the derived key (HKDF-SHA256)
// and the additional data, so that nothing sealed for one purpose opens as
// another. The cipher is AES-256-GCM with a random nonce, from the standard
// library. The expiry is inside.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// Purpose is what a sealed string is for. Its text is the string's prefix.
type Purpose string

// The purposes. The digit is the version of the sealed content.
const (
	// Login is one login, in the browser's cookie.
	Login Purpose = "obl1"
	// Code is an authorization code of the broker.
	Code Purpose = "obc1"
	// RefreshToken is a refresh token of the broker.
	RefreshToken Purpose = "obr1"
	// ClientID is the client id of a client that registered itself.
	ClientID Purpose = "obi1"
	// Consent is a consent page's request, waiting for the user.
	Consent Purpose = "obs1"
	// Remembered is a consent that the user gave before.
	Remembered Purpose = "obm1"
	// PushedRequest is a pushed authorization request (RFC 9126).
	PushedRequest Purpose = "obp1"
	// Answer is a vendor's answer, kept for a moment for whoever asked at the same time.
	Answer Purpose = "obx1"
	// LastGood is the copy of the configuration on disk.
	LastGood Purpose = "obg1"
)

// labels of keys that are no sealing keys.
const (
	stateLabel  = "state1"
	secretLabel = "client-secret1"
)

// Errors of Open. They never hold content.
var (
	ErrMalformed  = errors.New("not a sealed value of this kind")
	ErrUnknownKey = errors.New("sealed with a key that is not in the ring")
	ErrExpired    = errors.New("sealed value has expired")
)

// Ring is the keys at one moment, ready for use.
type Ring struct {
	flow, grant []key
	outline     keyring.Ring // without secrets
	now         func() time.Time
	scratch     sync.Pool
}

type key struct {
	id       string
	sealFrom time.Time
	aead     map[Purpose]cipher.AEAD
	state    []byte
	// macs are HMACs under state, which cost more to make than to use.
	macs *sync.Pool
	// stateHeader begins every state that the key signs.
	stateHeader string
	secret      []byte
}

// NewRing derives the keys of r. now is the clock.
func NewRing(r keyring.Ring, now func() time.Time) (*Ring, error) {
	flow, err := derive(r.Flow, flowPurposes())
	if err != nil {
		return nil, err
	}
	grant, err := derive(r.Grant, grantPurposes())
	if err != nil {
		return nil, err
	}
	return &Ring{flow: flow, grant: grant, outline: r.Outline(), now: now}, nil
}

func derive(keys []keyring.Key, purposes []Purpose) ([]key, error) {
	if len(keys) == 0 {
		return nil, errors.New("key ring has an empty list")
	}
	out := make([]key, 0, len(keys))
	for _, k := range keys {
		if k.Secret.Empty() {
			return nil, keyring.ErrWrapped
		}
		d := key{id: k.ID, sealFrom: k.SealFrom, stateHeader: stateHeader(k.ID), aead: map[Purpose]cipher.AEAD{}, macs: &sync.Pool{}}
		for _, p := range purposes {
			sub, err := hkdf.Key(sha256.New, []byte(k.Secret.Reveal()), nil, "oauth-broker/"+string(p), 32)
			if err != nil {
				return nil, fmt.Errorf("deriving key: %w", err)
			}
			block, err := aes.NewCipher(sub)
			if err != nil {
				return nil, fmt.Errorf("deriving key: %w", err)
			}
			if d.aead[p], err = cipher.NewGCMWithRandomNonce(block); err != nil {
				return nil, fmt.Errorf("deriving key: %w", err)
			}
		}
		var err error
		if d.secret, err = hkdf.Key(sha256.New, []byte(k.Secret.Reveal()), nil, "oauth-broker/"+secretLabel, 32); err != nil {
			return nil, fmt.Errorf("deriving key: %w", err)
		}
		if d.state, err = hkdf.Key(sha256.New, []byte(k.Secret.Reveal()), nil, "oauth-broker/"+stateLabel, 32); err != nil {
			return nil, fmt.Errorf("deriving key: %w", err)
		}
		out = append(out, d)
	}
	return out, nil
}

// IDs lists the ids of the keys; a nil ring has none.
func (r *Ring) IDs() []string {
	if r == nil {
		return []string{}
	}
	return r.outline.IDs()
}

// Status tells what every key does now; a nil ring has none.
func (r *Ring) Status() []keyring.Status {
	if r == nil {
		return nil
	}
	return r.outline.Status(r.now())
}

// flowPurposes are sealed with the flow keys: they live for minutes.
func flowPurposes() []Purpose { return []Purpose{Login, Code, Consent, PushedRequest, Answer} }

// grantPurposes are sealed with the grant keys: they live for months.
func grantPurposes() []Purpose { return []Purpose{RefreshToken, ClientID, Remembered, LastGood} }

func (r *Ring) list(p Purpose) []key {
	if slices.Contains(grantPurposes(), p) {
		return r.grant
	}
	return r.flow
}

// sealing picks the key that seals now.
func sealing(keys []key, now time.Time) *key {
	return &keys[keyring.SealingAt(len(keys), func(i int) time.Time { return keys[i].sealFrom }, now)]
}

func find(keys []key, id string) (*key, bool) {
	for i := range keys {
		if keys[i].id == id {
			return &keys[i], true
		}
	}
	return nil, false
}

// expiryBytes is the length of the expiry before the content.
const expiryBytes = 8

// Seal seals v until expires. context is bound to it: Open must give the same.
// What is sealed is v as JSON; a Content is spared reflection.
func (r *Ring) Seal(p Purpose, expires time.Time, context string, v any) (string, error) {
	w := r.borrow()
	defer r.release(w)
	plain := binary.BigEndian.AppendUint64(w.bytes[:0], uint64(max(expires.Unix(), 0)))
	if c, ok := v.(Content); ok {
		plain = w.fields.write(plain, c)
	} else {
		body, err := json.Marshal(v)
		if err != nil {
			return "", fmt.Errorf("sealing: %w", err)
		}
		plain = append(plain, body...)
	}
	k := sealing(r.list(p), r.now())
	aead := k.aead[p]
	sealed := aead.Seal(plain[:0], nil, plain, additional(p, k.id, context))
	w.bytes = sealed
	var out strings.Builder
	out.Grow(len(p) + len(k.id) + 2 + base64.RawURLEncoding.EncodedLen(len(sealed)))
	out.WriteString(string(p))
	out.WriteByte('.')
	out.WriteString(k.id)
	out.WriteByte('.')
	encode(&out, sealed)
	return out.String(), nil
}

// encode writes b as base64url, in pieces: a buffer for the whole would be copied.
func encode(to *strings.Builder, b []byte) {
	var piece [1024]byte
	for part := range slices.Chunk(b, len(piece)/4*3) {
		to.Write(base64.RawURLEncoding.AppendEncode(piece[:0], part))
	}
}

// Open opens a string that Seal made for the same purpose and context into v.
func (r *Ring) Open(p Purpose, sealed, context string, v any) error {
	prefix, rest, ok := strings.Cut(sealed, ".")
	id, text, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 || prefix != string(p) {
		return ErrMalformed
	}
	k, ok := find(r.list(p), id)
	if !ok {
		return ErrUnknownKey
	}
	w := r.borrow()
	defer r.release(w)
	raw, err := base64.RawURLEncoding.Strict().AppendDecode(w.bytes[:0], []byte(text))
	w.bytes = raw
	if err != nil || base64.RawURLEncoding.EncodedLen(len(raw)) != len(text) { // line breaks are passed over
		return ErrMalformed
	}
	plain, err := k.aead[p].Open(raw[:0], nil, raw, additional(p, id, context))
	if err != nil || len(plain) < expiryBytes {
		return ErrMalformed
	}
	expires := binary.BigEndian.Uint64(plain)
	if now := r.now().Unix(); now < 0 || expires <= uint64(now) {
		return ErrExpired
	}
	if c, ok := v.(Content); ok {
		return w.fields.read(string(plain[expiryBytes:]), c)
	}
	if err := json.Unmarshal(plain[expiryBytes:], v); err != nil {
		return ErrMalformed
	}
	return nil
}

// Derive makes a secret that belongs to a sealed client id: the same for the
// same id and use, and known only to who holds the ring. It returns ErrUnknownKey
// when the key that sealed the id is gone.
func (r *Ring) Derive(clientID, use string) (secret.Text, error) {
	sum, err := r.mac(clientID, use+"\x00"+clientID)
	return secret.New(sum), err
}

// Digest tells nothing about text to who does not hold the ring. Its key is the
// one that sealed a value of the grant list, so that all replicas that open the
// value make the same digest, whatever key seals now. It returns ErrUnknownKey
// for what is not sealed by the ring.
func (r *Ring) Digest(sealed, text string) (string, error) {
	return r.mac(sealed, "digest\x00"+text)
}

// mac is an HMAC under the key that sealed a value of the grant list.
func (r *Ring) mac(sealed, text string) (string, error) {
	_, rest, _ := strings.Cut(sealed, ".")
	id, _, _ := strings.Cut(rest, ".")
	k, ok := find(r.grant, id)
	if !ok {
		return "", ErrUnknownKey
	}
	h := hmac.New(sha256.New, k.secret)
	h.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)), nil
}

// Is tells whether s looks like a sealed string of purpose p.
func Is(p Purpose, s string) bool { return strings.HasPrefix(s, string(p)+".") }

// IsSealed tells whether s looks like a sealed string of any purpose, so that
// one is never mistaken for a vendor's token.
func IsSealed(s string) bool {
	return slices.ContainsFunc(slices.Concat(flowPurposes(), grantPurposes()), func(p Purpose) bool { return Is(p, s) })
}

func additional(p Purpose, id, context string) []byte {
	b := make([]byte, 0, len(p)+len(id)+len(context)+2)
	b = append(append(append(append(b, p...), 0), id...), 0)
	return append(b, context...)
}
