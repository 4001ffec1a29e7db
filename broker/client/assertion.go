// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/broker/once"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// maxAssertionLife bounds exp: without Redis a client assertion can be replayed
// until then.
const maxAssertionLife = time.Minute

const maxAssertion = 8 << 10

// assertedID reads the client id out of an assertion before anything is
// verified, to find the keys. A client_id parameter, where there is one, must
// say the same.
func assertedID(shown presented) string {
	if len(shown.assertion.Reveal()) > maxAssertion {
		return ""
	}
	var c jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(shown.assertion.Reveal(), &c); err != nil {
		return ""
	}
	if shown.id != "" && shown.id != c.Subject {
		return ""
	}
	return c.Subject
}

// checkAssertion validates a client assertion (RFC 7523 section 3): signature by
// one of the client's keys, iss and sub the client, aud exactly the issuer and
// nothing besides, exp at most a minute away, jti taken once.
func (a Authenticator) checkAssertion(ctx context.Context, c *runtimeconfig.Client, raw secret.Text, issuer string) error {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(c.JWKS), &set); err != nil {
		return errors.New("the client's jwks is unreadable")
	}
	var claims jwt.RegisteredClaims
	parser := jwt.NewParser(jwt.WithValidMethods(runtimeconfig.AssertionAlgorithms()), jwt.WithExpirationRequired(), jwt.WithTimeFunc(a.Now),
		jwt.WithLeeway(5*time.Second), jwt.WithIssuer(c.ID), jwt.WithSubject(c.ID), jwt.WithStrictDecoding())
	_, err := parser.ParseWithClaims(raw.Reveal(), &claims, func(t *jwt.Token) (any, error) { return keysFor(set, t) })
	switch {
	case err != nil:
		return errors.New("the client assertion's signature, iss, sub or times are not valid")
	case len(claims.Audience) != 1 || claims.Audience[0] != issuer:
		return errors.New("the client assertion's aud is not exactly the issuer")
	case claims.ExpiresAt.After(a.Now().Add(maxAssertionLife + 5*time.Second)):
		return errors.New("the client assertion lives longer than a minute")
	case claims.ID == "" || len(claims.ID) > 256:
		return errors.New("the client assertion has no usable jti")
	}
	_, err = a.Once.Take(ctx, once.NewKey("assertion", c.ID, claims.ID), claims.ExpiresAt.Sub(a.Now())+5*time.Second)
	switch {
	case errors.Is(err, once.ErrTaken):
		return errors.New("the client assertion was used before")
	case err != nil:
		return oauth.Errorf(oauth.TemporarilyUnavailable, "the broker cannot check client assertions now; try again").Because(err)
	}
	return nil
}

// keysFor picks the keys of the set that may have signed t.
func keysFor(set jose.JSONWebKeySet, t *jwt.Token) (any, error) {
	if _, has := t.Header["crit"]; has { // RFC 7515 section 4.1.11: nothing of it is understood here
		return nil, errors.New("the header holds crit")
	}
	kid, _ := t.Header["kid"].(string)
	alg, _ := t.Header["alg"].(string)
	var keys jwt.VerificationKeySet
	for _, k := range set.Keys {
		if (kid == "" || k.KeyID == kid) && (k.Algorithm == "" || k.Algorithm == alg) && k.Use != "enc" && k.IsPublic() && strong(k) {
			keys.Keys = append(keys.Keys, k.Key)
		}
	}
	if len(keys.Keys) == 0 {
		return nil, errors.New("no key of the client fits")
	}
	return keys, nil
}

func strong(k jose.JSONWebKey) bool {
	key, isRSA := k.Key.(*rsa.PublicKey)
	return !isRSA || key.N.BitLen() >= runtimeconfig.MinRSABits
}
