// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

var errPrivateKey = errors.New("holds private members: publish the public part only, and replace the key, which others may have read")

// maxRSABits bounds private RSA keys: a signature of 20,000 bits takes a broker two
// seconds. go-jose reads public ones of up to 4096 bits.
const maxRSABits = 8192

// parsePublicJWK reads one public asymmetric key. Its errors never hold any
// of the key.
func parsePublicJWK(raw json.RawMessage) (*jose.JSONWebKey, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, errors.New("is not a JSON object")
	}
	// What only private and symmetric keys have (RFC 7518 section 6).
	for _, m := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if _, private := members[m]; private {
			return nil, errPrivateKey
		}
	}
	var k jose.JSONWebKey
	if err := json.Unmarshal(raw, &k); err != nil || !k.Valid() || !k.IsPublic() {
		return nil, errors.New("is not a valid public key of type RSA (of at most 4096 bits), EC or OKP")
	}
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < runtimeconfig.MinRSABits {
			return nil, fmt.Errorf("is an RSA key of less than %d bits", runtimeconfig.MinRSABits)
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return nil, errors.New("is of a type that is not supported: use RSA, EC or Ed25519")
	}
	return &jose.JSONWebKey{Key: k.Key, KeyID: k.KeyID, Algorithm: k.Algorithm, Use: k.Use}, nil
}

// signs tells whether a key can check an assertion that the broker takes.
func signs(k *jose.JSONWebKey) bool {
	var algorithms []string
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	case *ecdsa.PublicKey:
		algorithms = []string{map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[key.Curve.Params().BitSize]}
	case ed25519.PublicKey:
		algorithms = []string{"EdDSA"}
	}
	return (k.Use == "" || k.Use == "sig") && slices.ContainsFunc(runtimeconfig.AssertionAlgorithms(), func(taken string) bool {
		return slices.Contains(algorithms, taken) && (k.Algorithm == "" || k.Algorithm == taken)
	})
}

// parseJWKS reads a client's public keys and writes them anew, with nothing
// but what is needed to check its assertions.
func parseJWKS(text string) (string, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal([]byte(text), &set); err != nil {
		return "", errors.New(`is not a JSON object with the member "keys" (RFC 7517 section 5)`)
	}
	var out jose.JSONWebKeySet
	for i, raw := range set.Keys {
		k, err := parsePublicJWK(raw)
		if err != nil {
			return "", fmt.Errorf("key %d %w", i+1, err)
		}
		if !signs(k) {
			continue
		}
		if slices.ContainsFunc(out.Keys, func(o jose.JSONWebKey) bool { return o.KeyID == k.KeyID }) {
			return "", fmt.Errorf("key %d has the kid of another, or none: several keys need a kid each", i+1)
		}
		out.Keys = append(out.Keys, *k)
	}
	if len(out.Keys) == 0 {
		return "", fmt.Errorf("holds no signing key for an algorithm that the broker takes (%s): add the client's public key", strings.Join(runtimeconfig.AssertionAlgorithms(), ", "))
	}
	if len(out.Keys) > 1 && slices.ContainsFunc(out.Keys, func(o jose.JSONWebKey) bool { return o.KeyID == "" }) {
		return "", errors.New("has a key without kid: several keys need a kid each")
	}
	b, err := json.Marshal(out)
	if err != nil {
		return "", errors.New("cannot be written again")
	}
	return string(b), nil
}

// PublicJWKS is the public part of a PEM private key as a key set, for a vendor
// that checks assertions by it; empty where the key does not fit the algorithm.
func PublicJWKS(key secret.Text, algorithm, keyID string) string {
	private := parsePrivateKey(key)
	if ok, _ := fits(private, algorithm); !ok {
		return ""
	}
	public := (&jose.JSONWebKey{Key: private, KeyID: keyID, Algorithm: algorithm, Use: "sig"}).Public()
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}})
	if err != nil {
		return ""
	}
	return string(b)
}

// parseEncryptionJWK reads the key that token responses are encrypted to.
func parseEncryptionJWK(text, algorithm string) (string, error) {
	k, err := parsePublicJWK(json.RawMessage(text))
	if err != nil {
		return "", err
	}
	ok := false
	switch k.Key.(type) {
	case *rsa.PublicKey:
		ok = algorithm == string(jose.RSA_OAEP_256)
	case *ecdsa.PublicKey:
		ok = algorithm == string(jose.ECDH_ES)
	}
	switch {
	case !ok:
		return "", errors.New("does not fit the algorithm: RSA-OAEP-256 needs an RSA key, ECDH-ES an EC key")
	case k.Use != "" && k.Use != "enc":
		return "", errors.New("is for another use than encryption (use)")
	case k.Algorithm != "" && k.Algorithm != algorithm:
		return "", errors.New("names another algorithm (alg)")
	}
	b, err := json.Marshal(k)
	if err != nil {
		return "", errors.New("cannot be written again")
	}
	return string(b), nil
}
