// SPDX-License-Identifier: Apache-2.0

package fakevendor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"sync"
)

// Key ids in the key set.
const (
	kidRSA = "rsa-1"
	kidEC  = "ec-1"
)

// Keys sign ID tokens. Its zero value makes them when they are first needed;
// share one between servers, since an RSA key takes a while.
type Keys struct {
	mu   sync.Mutex
	rsa  *rsa.PrivateKey
	ec   *ecdsa.PrivateKey
	more []map[string]any
}

func (k *Keys) rsaKey() *rsa.PrivateKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.rsa == nil {
		k.rsa, _ = rsa.GenerateKey(rand.Reader, 2048) // never fails for this size (crypto/rand)
	}
	return k.rsa
}

func (k *Keys) ecKey() *ecdsa.PrivateKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ec == nil {
		k.ec, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // never fails (crypto/rand)
	}
	return k.ec
}

// publish adds a key to the set, for forged tokens that need one there.
func (k *Keys) publish(jwk map[string]any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.more = append(k.more, jwk)
}

// publicPEM is the RSA key as a forger of HS256 tokens would use it.
func (k *Keys) publicPEM() []byte {
	der, _ := x509.MarshalPKIXPublicKey(&k.rsaKey().PublicKey) // never fails for an RSA key
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// jwks is the public key set (RFC 7517).
func (k *Keys) jwks() map[string]any {
	keys := []any{rsaJWK(kidRSA, &k.rsaKey().PublicKey), ecJWK(kidEC, &k.ecKey().PublicKey)}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, jwk := range k.more {
		keys = append(keys, jwk)
	}
	return map[string]any{"keys": keys}
}

func rsaJWK(kid string, key *rsa.PublicKey) map[string]any {
	return map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
		"n": encode64(key.N.Bytes()), "e": encode64(big.NewInt(int64(key.E)).Bytes()),
	}
}

func ecJWK(kid string, key *ecdsa.PublicKey) map[string]any {
	point, _ := key.Bytes() // never fails for a key that was generated
	return map[string]any{
		"kty": "EC", "use": "sig", "alg": "ES256", "crv": "P-256", "kid": kid,
		"x": encode64(point[1:33]), "y": encode64(point[33:]),
	}
}
