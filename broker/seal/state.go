// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"strings"
	"time"
)

// State is what the vendor carries back: which login, at which vendor. It is
// signed, readable, and of no use without the login's cookie.
//
// It is a JWT (RFC 7519, HS256) whose header has one form, known for each key
// beforehand. A header is compared and never read, so there is no algorithm or
// parameter in it that somebody else could choose.
type State struct {
	// ID of the login.
	ID string
	// Vendor that the login went to.
	Vendor string
	// Expires is when the login ends.
	Expires time.Time
}

type stateClaims struct {
	Vendor  string
	Expires int64
	ID      string
}

// Fields implements Content.
func (c *stateClaims) Fields(f *Fields) {
	f.Text("v", &c.Vendor)
	f.Int("exp", &c.Expires)
	f.Text("jti", &c.ID)
}

// maxStateBytes bounds what is looked at; our own have at most 256.
const maxStateBytes = 512

// stateHeader is the first part of a JWT that the key signs.
func stateHeader(keyID string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","kid":"` + keyID + `"}`))
}

// SignState writes s as a JWT (HS256) of at most 256 bytes.
func (r *Ring) SignState(s State) string {
	w := r.borrow()
	defer r.release(w)
	claims := w.fields.write(make([]byte, 0, 128), &stateClaims{Vendor: s.Vendor, Expires: s.Expires.Unix(), ID: s.ID})
	k := sealing(r.flow, r.now())
	b := append(append(w.bytes[:0], k.stateHeader...), '.')
	b = base64.RawURLEncoding.AppendEncode(b, claims)
	var sum [sha256.Size]byte
	return string(base64.RawURLEncoding.AppendEncode(append(b, '.'), k.signature(sum[:0], b)))
}

// signature appends the HMAC of signed to sum.
func (k *key) signature(sum, signed []byte) []byte {
	h, ok := k.macs.Get().(hash.Hash)
	if !ok {
		h = hmac.New(sha256.New, k.state)
	}
	defer k.macs.Put(h)
	h.Reset()
	h.Write(signed)
	return h.Sum(sum)
}

// VerifyState reads what SignState wrote.
func (r *Ring) VerifyState(token string) (State, error) {
	header, rest, _ := strings.Cut(token, ".")
	claims, signature, ok := strings.Cut(rest, ".")
	if !ok || len(token) > maxStateBytes {
		return State{}, ErrMalformed
	}
	encoding := base64.RawURLEncoding.Strict()
	w := r.borrow()
	defer r.release(w)
	shown, err := encoding.AppendDecode(w.bytes[:0], []byte(signature))
	if err != nil {
		return State{}, ErrMalformed
	}
	for i := range r.flow {
		k := &r.flow[i]
		if k.stateHeader != header {
			continue
		}
		var sum [sha256.Size]byte
		if !hmac.Equal(shown, k.signature(sum[:0], []byte(token[:len(header)+1+len(claims)]))) {
			return State{}, ErrMalformed
		}
		return r.readState(w, claims, encoding)
	}
	return State{}, ErrMalformed
}

// readState reads claims whose signature is good.
func (r *Ring) readState(w *scratch, claims string, encoding *base64.Encoding) (State, error) {
	var c stateClaims
	b, err := encoding.AppendDecode(w.bytes[:0], []byte(claims))
	if err != nil || w.fields.read(string(b), &c) != nil || c.ID == "" || c.Vendor == "" || c.Expires == 0 {
		return State{}, ErrMalformed
	}
	s := State{ID: c.ID, Vendor: c.Vendor, Expires: time.Unix(c.Expires, 0)}
	if !r.now().Before(s.Expires) {
		return State{}, ErrExpired
	}
	return s, nil
}
