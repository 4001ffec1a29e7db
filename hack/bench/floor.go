// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
)

// primitive is one cryptographic operation and how often a login needs it.
type primitive struct {
	Name     string  `json:"name"`
	PerLogin int     `json:"perLogin"`
	Micros   float64 `json:"micros"`
	// Product is true for a function of the broker, with its encoding and the
	// look-up of the key; these do not count for the floor.
	Product bool `json:"product,omitempty"`

	do func() error
}

// floor measures what a login cannot do without: the signature of the ID token,
// the state's and the five seals. Beside them, what the broker's functions around
// these cost.
func (b *bench) floor(ctx context.Context) error {
	all, err := primitives()
	if err != nil {
		return err
	}
	more, err := products()
	if err != nil {
		return err
	}
	for _, p := range append(all, more...) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if p.Micros, err = threadTime(p.do); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		b.addPrimitive(p)
	}
	return nil
}

func primitives() ([]primitive, error) {
	private, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte("an ID token"))
	signature, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, sum[:])
	if err != nil {
		return nil, err
	}
	key, text := make([]byte, 32), make([]byte, 600)
	_, _ = rand.Read(key) // never fails
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	sealed := aead.Seal(nil, nil, text, nil)
	return []primitive{
		{Name: "RS256 verification, 2048 bits (ID token)", PerLogin: 1, do: func() error { return rsa.VerifyPKCS1v15(&private.PublicKey, crypto.SHA256, sum[:], signature) }},
		{Name: "HMAC-SHA256 (state: sign, verify)", PerLogin: 2, do: func() error {
			h := hmac.New(sha256.New, key)
			h.Write(text[:150])
			h.Sum(nil)
			return nil
		}},
		{Name: "AES-256-GCM, 600 bytes, random nonce (seal: login, code, refresh token)", PerLogin: 3, do: func() error {
			aead.Seal(nil, nil, text, nil)
			return nil
		}},
		{Name: "AES-256-GCM, 600 bytes (open: login, code)", PerLogin: 2, do: func() error {
			_, err := aead.Open(nil, nil, sealed, nil)
			return err
		}},
		{Name: "SHA-256, 100 bytes (PKCE twice, client secret, at_hash)", PerLogin: 4, do: func() error {
			sha256.Sum256(text[:100])
			return nil
		}},
	}, nil
}

// content is much like what the broker seals.
type content struct {
	id, client, redirectURI, challenge, verifier, code string
	scopes                                             []string
	expires                                            time.Time
}

// Fields implements seal.Content.
func (c *content) Fields(f *seal.Fields) {
	f.Text("id", &c.id)
	f.Text("cl", &c.client)
	f.Text("ru", &c.redirectURI)
	f.Text("ch", &c.challenge)
	f.Text("ve", &c.verifier)
	f.Text("co", &c.code)
	f.Texts("sc", &c.scopes)
	f.Time("ex", &c.expires)
}

// products are the broker's own functions around them.
func products() ([]primitive, error) {
	ring, err := seal.NewRing(keyring.New(time.Now()), time.Now)
	if err != nil {
		return nil, err
	}
	in := &content{rand.Text(), clientID(1), redirectURI, challenge, verifier, "4/0AeaYSHDqVb3k2JmX9n1uTg7pQ5cR8wZyLfKe", []string{"openid", "profile"}, time.Now()}
	expires := time.Now().Add(time.Hour)
	sealed, err := ring.Seal(seal.Code, expires, "", in)
	if err != nil {
		return nil, err
	}
	state := seal.State{ID: rand.Text(), Vendor: vendorName, Expires: expires}
	signed := ring.SignState(state)
	return []primitive{
		{Name: "seal.Ring.Seal", PerLogin: 3, Product: true, do: func() error { _, err := ring.Seal(seal.Code, expires, "", in); return err }},
		{Name: "seal.Ring.Open", PerLogin: 2, Product: true, do: func() error { var out content; return ring.Open(seal.Code, sealed, "", &out) }},
		{Name: "seal.Ring.SignState", PerLogin: 1, Product: true, do: func() error { ring.SignState(state); return nil }},
		{Name: "seal.Ring.VerifyState", PerLogin: 1, Product: true, do: func() error { _, err := ring.VerifyState(signed); return err }},
	}, nil
}

// threadTime is the CPU time of one call in microseconds, by the clock of this
// thread: other processes' work does not count.
func threadTime(do func() error) (float64, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const enough = 50 * time.Millisecond
	for n := 64; n < 1<<30; n *= 2 {
		start, err := threadClock()
		for range n {
			err = errors.Join(err, do())
		}
		end, err2 := threadClock()
		if err := errors.Join(err, err2); err != nil {
			return 0, err
		}
		if took := end - start; took > enough {
			return float64(took.Nanoseconds()) / float64(n) / 1e3, nil
		}
	}
	return 0, errors.New("the clock does not go on")
}

func threadClock() (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return time.Duration(t.Nano()), err
}
