// SPDX-License-Identifier: Apache-2.0

package fakevendor

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"net/http"
)

// forgedSignatures say the right thing and are not signed by the vendor, or
// not well enough. Some publish a key, as an attacker with a weak one would find it.
func forgedSignatures() []Behaviour {
	unsigned := func(algorithm string) func(*IDToken) {
		return func(t *IDToken) {
			t.Header["alg"] = algorithm
			t.Sign = func([]byte) ([]byte, error) { return nil, nil }
		}
	}
	hs256 := func(key func(*IDToken) []byte) func(*IDToken) {
		return func(t *IDToken) { t.Header["alg"], t.Sign = "HS256", signHS256(key(t)) }
	}
	return []Behaviour{
		named("alg none", unsigned("none")),
		named("alg None", unsigned("None")),
		named("empty alg", unsigned("")),
		named("RS256 without a signature", unsigned("RS256")),
		named("HS256 with the public key in PEM", hs256(func(t *IDToken) []byte { return t.Keys.publicPEM() })),
		named("HS256 with the public modulus", hs256(func(t *IDToken) []byte { return t.Keys.rsaKey().N.Bytes() })),
		named("HS256 with the client secret", hs256(func(t *IDToken) []byte { return []byte(t.Secret) })),
		UnknownKey(),
		named("another key under the good kid", ownKey(func(t *IDToken, _ map[string]any) { t.Header["kid"] = kidRSA })),
		named("RS256 with the kid of the EC key", func(t *IDToken) {
			t.Header["alg"], t.Header["kid"], t.Sign = "RS256", kidEC, t.Keys.signRS256
		}),
		named("ES256 with the kid of the RSA key", func(t *IDToken) {
			t.Header["alg"], t.Header["kid"], t.Sign = "ES256", kidRSA, t.Keys.signES256
		}),
		named("altered signature", func(t *IDToken) {
			sign := t.Sign
			t.Sign = func(input []byte) ([]byte, error) {
				signature, err := sign(input)
				if err == nil {
					signature[0] ^= 1
				}
				return signature, err
			}
		}),
		named("RSA key of 1024 bits", weak1024),
		named("RSA key of 512 bits", weak512),
	}
}

// ownKey signs with a key that the vendor never published.
func ownKey(change func(t *IDToken, jwk map[string]any)) func(*IDToken) {
	return func(t *IDToken) {
		other := &Keys{}
		t.Header["alg"], t.Header["kid"], t.Sign = "RS256", "attacker", other.signRS256
		change(t, rsaJWK("attacker", &other.rsaKey().PublicKey))
	}
}

// weak1024 publishes and uses a key that is too short, and that Go still accepts.
func weak1024(t *IDToken) {
	key, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // weak on purpose
	if err != nil {
		t.Sign = func([]byte) ([]byte, error) { return nil, err }
		return
	}
	t.Keys.publish(rsaJWK("weak-1024", &key.PublicKey))
	t.Header["alg"], t.Header["kid"] = "RS256", "weak-1024"
	t.Sign = func(input []byte) ([]byte, error) {
		sum := sha256.Sum256(input)
		return rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	}
}

// weak512 does the arithmetic itself, since Go refuses to use such a key.
func weak512(t *IDToken) {
	modulus, exponent, err := key512()
	if err != nil {
		t.Sign = func([]byte) ([]byte, error) { return nil, err }
		return
	}
	t.Keys.publish(rsaJWK("weak-512", &rsa.PublicKey{N: modulus, E: 65537}))
	t.Header["alg"], t.Header["kid"] = "RS256", "weak-512"
	t.Sign = func(input []byte) ([]byte, error) {
		sum := sha256.Sum256(input)
		info, err := hex.DecodeString("3031300d060960864801650304020105000420") // DigestInfo of SHA-256, RFC 8017 section 9.2
		if err != nil {
			return nil, err
		}
		block := []byte{0, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0}
		block = append(append(block, info...), sum[:]...)
		out := make([]byte, 64)
		return new(big.Int).Exp(new(big.Int).SetBytes(block), exponent, modulus).FillBytes(out), nil
	}
}

// key512 makes an RSA key of 512 bits.
func key512() (modulus, exponent *big.Int, err error) {
	one := big.NewInt(1)
	for {
		p, err := rand.Prime(rand.Reader, 256)
		if err != nil {
			return nil, nil, err
		}
		q, err := rand.Prime(rand.Reader, 256)
		if err != nil {
			return nil, nil, err
		}
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		exponent = new(big.Int).ModInverse(big.NewInt(65537), phi)
		modulus = new(big.Int).Mul(p, q)
		if exponent != nil && modulus.BitLen() == 512 {
			return modulus, exponent, nil
		}
	}
}

// BadKeySets are answers of the key set endpoint with which no ID token can be
// verified. The ones that take their time (Endless, Drip, Hang) and redirects
// are not among them.
func BadKeySets() []Behaviour {
	keys := func(name string, set func() []any) Behaviour {
		return Behaviour{Name: name, Edit: func(answer map[string]any) { answer["keys"] = set() }}
	}
	return []Behaviour{
		Answer(http.StatusOK, "text/html", "<!doctype html>"),
		JSON(http.StatusOK, ""),
		JSON(http.StatusOK, "null"),
		JSON(http.StatusOK, "[]"),
		JSON(http.StatusOK, `{"keys":null}`),
		JSON(http.StatusInternalServerError, `{}`),
		keys("no keys", func() []any { return []any{} }),
		keys("EC key under the kid of the RSA key", func() []any { return []any{ecJWK(kidRSA, &(&Keys{}).ecKey().PublicKey)} }),
		keys("another RSA key under the kid", func() []any { return []any{rsaJWK(kidRSA, &(&Keys{}).rsaKey().PublicKey)} }),
		keys("symmetric key under the kid", func() []any {
			return []any{map[string]any{"kty": "oct", "kid": kidRSA, "alg": "HS256", "k": "c2VjcmV0"}}
		}),
		keys("numbers", func() []any { return []any{1, "two", nil} }),
	}
}

// HugeKeySet is a key set of many megabytes, the good key last.
func HugeKeySet() Behaviour {
	return Behaviour{Name: "huge key set", Edit: func(answer map[string]any) {
		good, _ := answer["keys"].([]any)
		filler := ecJWK("filler", &(&Keys{}).ecKey().PublicKey)
		many := make([]any, 0, 100_000)
		for range 100_000 {
			many = append(many, filler)
		}
		answer["keys"] = append(many, good...)
	}}
}
