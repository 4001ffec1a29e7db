// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// State is what the vendor carries back: which login, at which vendor. It is
// signed, readable, and of no use without the login's cookie.
type State struct {
	// ID of the login.
	ID string
	// Vendor that the login went to.
	Vendor string
	// Expires is when the login ends.
	Expires time.Time
}

type stateClaims struct {
	Vendor string `json:"v"`
	jwt.RegisteredClaims
}

// SignState writes s as a JWT (HS256) of at most 256 bytes.
func (r *Ring) SignState(s State) (string, error) {
	k := sealing(r.flow, r.now())
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, stateClaims{Vendor: s.Vendor, RegisteredClaims: jwt.RegisteredClaims{ID: s.ID, ExpiresAt: jwt.NewNumericDate(s.Expires)}})
	t.Header = map[string]any{"alg": "HS256", "kid": k.id}
	return t.SignedString(k.state)
}

// VerifyState reads what SignState wrote.
func (r *Ring) VerifyState(token string) (State, error) {
	if len(token) > 512 {
		return State{}, ErrMalformed
	}
	var c stateClaims
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(), jwt.WithTimeFunc(r.now), jwt.WithStrictDecoding())
	_, err := parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		id, _ := t.Header["kid"].(string)
		k, ok := find(r.flow, id)
		if !ok {
			return nil, ErrUnknownKey
		}
		return k.state, nil
	})
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return State{}, ErrExpired
	case err != nil || c.ID == "" || c.Vendor == "":
		return State{}, ErrMalformed
	}
	return State{ID: c.ID, Vendor: c.Vendor, Expires: c.ExpiresAt.Time}, nil
}
