// SPDX-License-Identifier: Apache-2.0

package fakevendor

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"
)

// IDToken is an ID token before it is signed.
type IDToken struct {
	Header map[string]any
	Claims map[string]any
	// Sign makes the signature over the signing input. The default signs with the
	// server's key for Options.IDTokenAlgorithm.
	Sign func(input []byte) ([]byte, error)
	// Raw replaces the whole token when it is not empty.
	Raw string
	// Keys of the server, and the Secret of the client that the token is for.
	Keys   *Keys
	Secret string
}

// tokenBinding ties an ID token to its access token and authorization request.
type tokenBinding struct{ access, nonce string }

// idToken makes the ID token of a grant (OpenID Connect Core section 2).
func (s *Server) idToken(x *exchange, g *grant, bound tokenBinding) (string, error) {
	now := s.options.Now()
	client, _ := s.client(g.clientID)
	t := &IDToken{
		Header: map[string]any{"alg": s.options.IDTokenAlgorithm, "kid": kidRSA, "typ": "JWT"},
		Claims: map[string]any{
			"iss": s.origin(x.r) + s.options.IssuerPath, "sub": g.subject, "aud": g.clientID, "exp": now.Add(10 * time.Minute).Unix(),
			"iat": now.Unix(), "auth_time": g.authTime.Unix(), "at_hash": halfHash(bound.access),
		},
		Sign: s.options.Keys.signRS256, Keys: s.options.Keys, Secret: client.Secret,
	}
	if s.options.IDTokenAlgorithm == "ES256" {
		t.Header["kid"], t.Sign = kidEC, s.options.Keys.signES256
	}
	maps.Copy(t.Claims, s.options.Manners.Claims)
	if bound.nonce != "" {
		t.Claims["nonce"] = bound.nonce
	}
	if x.behaviour.IDToken != nil {
		x.behaviour.IDToken(t)
	}
	return t.encode()
}

func (t *IDToken) encode() (string, error) {
	if t.Raw != "" {
		return t.Raw, nil
	}
	header, err := json.Marshal(t.Header)
	if err != nil {
		return "", fmt.Errorf("encoding the header: %w", err)
	}
	claims, err := json.Marshal(t.Claims)
	if err != nil {
		return "", fmt.Errorf("encoding the claims: %w", err)
	}
	input := encode64(header) + "." + encode64(claims)
	signature, err := t.Sign([]byte(input))
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	return input + "." + encode64(signature), nil
}

// halfHash is at_hash for the SHA-256 family (OpenID Connect Core section 3.1.3.6).
func halfHash(v string) string {
	sum := sha256.Sum256([]byte(v))
	return encode64(sum[:len(sum)/2])
}

func encode64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (k *Keys) signRS256(input []byte) ([]byte, error) {
	sum := sha256.Sum256(input)
	return rsa.SignPKCS1v15(rand.Reader, k.rsaKey(), crypto.SHA256, sum[:])
}

func (k *Keys) signES256(input []byte) ([]byte, error) {
	sum := sha256.Sum256(input)
	r, s, err := ecdsa.Sign(rand.Reader, k.ecKey(), sum[:])
	if err != nil {
		return nil, err
	}
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return out, nil
}

func signHS256(key []byte) func([]byte) ([]byte, error) {
	return func(input []byte) ([]byte, error) {
		if len(key) == 0 {
			return nil, errors.New("no key for HS256: the client has no secret")
		}
		h := hmac.New(sha256.New, key)
		h.Write(input)
		return h.Sum(nil), nil
	}
}
