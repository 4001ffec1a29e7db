// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
)

// idToken is an ID token as it came. Nothing of it is true before its signature
// was checked.
type idToken struct {
	algorithm, keyID string
	claims           claims
	signed           string // what the signature is over
	signature        []byte
}

// claims are those that the broker looks at. Absent ones are zero.
type claims struct {
	issuer, subject, nonce, authorizedParty, tenant, accessTokenHash string
	audience                                                         []string
	expires, issuedAt, notBefore                                     int64
}

var errBadSignature = errors.New("the id_token's signature is not by any of the vendor's keys")

// minRSABytes is the least size of an RSA key (RFC 7518 section 3.3).
const minRSABytes = 256

// parseIDToken reads a signed JWT (RFC 7515 section 7.1), and refuses what no
// vendor has a reason to send.
func parseIDToken(raw string, algorithms []string) (*idToken, error) {
	header, rest, _ := strings.Cut(raw, ".")
	payload, signature, ok := strings.Cut(rest, ".")
	if !ok || strings.Contains(signature, ".") {
		return nil, errors.New("the id_token is not a signed JWT")
	}
	t := &idToken{signed: raw[:len(header)+1+len(payload)]}
	if err := t.readHeader(header); err != nil {
		return nil, err
	}
	if !slices.Contains(algorithms, t.algorithm) {
		return nil, errors.New("the id_token's algorithm is not among identity.algorithms")
	}
	var err error
	if t.signature, err = decodeBase64(nil, signature); err != nil {
		return nil, fmt.Errorf("the id_token has no readable signature: %w", err)
	}
	// An RSA signature is as long as its key, and Go accepts 1024 bits.
	if rsa := strings.HasPrefix(t.algorithm, "RS") || strings.HasPrefix(t.algorithm, "PS"); rsa && len(t.signature) < minRSABytes {
		return nil, errors.New("the id_token is signed with an RSA key of less than 2048 bits, or not at all")
	}
	if err := t.claims.read(payload); err != nil {
		return nil, fmt.Errorf("the id_token has no readable claims: %w", err)
	}
	return t, nil
}

func (t *idToken) readHeader(segment string) error {
	header, err := object(segment)
	if err != nil {
		return fmt.Errorf("the id_token has no readable header: %w", err)
	}
	for _, name := range []string{"crit", "jku", "x5u", "jwk", "x5c", "zip"} {
		if header.Get(name) != "" {
			return errors.New("the id_token's header holds " + name + ", which is not accepted")
		}
	}
	t.algorithm = oauth.Unquote(header.Get("alg"))
	if t.keyID, err = stringOf(header, "kid"); err != nil {
		return fmt.Errorf("the id_token has no readable header: %w", err)
	}
	return nil
}

// signedBy tells whether one of the keys made the signature. A token that names
// no key may be signed by any.
func (t *idToken) signedBy(keys []publicKey) bool {
	method := jwt.GetSigningMethod(t.algorithm)
	return method != nil && slices.ContainsFunc(keys, func(k publicKey) bool {
		return k.fits(t, method) && method.Verify(t.signed, t.signature, k.key) == nil
	})
}

func (c *claims) read(segment string) error {
	m, err := object(segment)
	if err != nil {
		return err
	}
	for _, s := range []struct {
		name string
		to   *string
	}{
		{"iss", &c.issuer}, {"sub", &c.subject}, {"nonce", &c.nonce},
		{"azp", &c.authorizedParty}, {"tid", &c.tenant}, {"at_hash", &c.accessTokenHash},
	} {
		if *s.to, err = stringOf(m, s.name); err != nil {
			return err
		}
	}
	for _, s := range []struct {
		name string
		to   *int64
	}{{"exp", &c.expires}, {"iat", &c.issuedAt}, {"nbf", &c.notBefore}} {
		if *s.to, err = timeOf(m, s.name); err != nil {
			return err
		}
	}
	c.audience, err = listOf(m, "aud")
	return err
}

// object reads one segment of a JWT strictly: parsers disagree about repeated
// members.
func object(segment string) (oauth.Object, error) {
	var room [usualSegment]byte
	b, err := decodeBase64(room[:0], segment)
	if err != nil {
		return nil, err
	}
	return oauth.ParseObject(string(b))
}

// usualSegment is what the claims of most ID tokens fit into.
const usualSegment = 1 << 10

// decodeBase64 reads base64url into to, which is empty, as there is one way to
// write it (RFC 7515 section 2, RFC 4648 section 3.5). encoding/base64 passes over
// line breaks, also where it is strict: then the text is longer than its bytes need.
func decodeBase64(to []byte, s string) ([]byte, error) {
	encoding := base64.RawURLEncoding.Strict()
	b, err := encoding.AppendDecode(to, []byte(s))
	if err != nil || encoding.EncodedLen(len(b)) != len(s) {
		return nil, errors.New("not base64url")
	}
	return b, nil
}

func stringOf(m oauth.Object, name string) (string, error) {
	v := m.Get(name)
	switch {
	case len(v) == 0 || isNull(v):
		return "", nil
	case v[0] != '"':
		return "", errors.New(name + " is not a string")
	}
	return oauth.Unquote(v), nil
}

// listOf reads a member that is a string or a list of them.
func listOf(m oauth.Object, name string) (list []string, err error) {
	v := m.Get(name)
	switch {
	case len(v) == 0:
		return nil, nil
	case v[0] == '"':
		return []string{oauth.Unquote(v)}, nil
	case json.Unmarshal([]byte(v), &list) != nil:
		return nil, errors.New(name + " is neither a string nor a list of strings")
	}
	return list, nil
}

// timeOf reads a NumericDate (RFC 7519 section 2), some vendors' in quotes.
func timeOf(m oauth.Object, name string) (int64, error) {
	v := m.Get(name)
	if len(v) == 0 || isNull(v) {
		return 0, nil
	}
	f, err := strconv.ParseFloat(text(v), 64)
	if err != nil || !(math.Abs(f) < 1<<62) { // also NaN
		return 0, errors.New(name + " is not a time")
	}
	return int64(f), nil
}
