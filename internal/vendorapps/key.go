// SPDX-License-Identifier: Apache-2.0

package vendorapps

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"

	"github.com/oauthbroker/oauth-broker/controllers/registration"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

const rsaBits = 2048

// keyFor is the key of an app: the one that it has, where that fits, else a new
// one; empty where the app needs none. The vendor gets the public part only.
func keyFor(r *translate.Registration, has secret.Text) (secret.Text, error) {
	if r.Algorithm == "" {
		return secret.Text{}, nil
	}
	if translate.PublicJWKS(has, r.Algorithm, r.KeyID) != "" {
		return has, nil
	}
	key, err := makeKey(r.Algorithm)
	if err != nil {
		return secret.Text{}, &registration.Error{Message: "making a key for the app failed", Unsent: true}
	}
	return key, nil
}

// makeKey makes a key as tenants bring theirs: PKCS #8 in PEM.
func makeKey(algorithm string) (secret.Text, error) {
	var key crypto.PrivateKey
	var err error
	switch algorithm {
	case "RS256", "PS256":
		key, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case "ES256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = errors.New("unknown algorithm")
	}
	if err != nil {
		return secret.Text{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return secret.Text{}, err
	}
	return secret.New(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))), nil
}
