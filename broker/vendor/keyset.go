// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sync/singleflight"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// keySet is a vendor's key set (RFC 7517 section 5). It is read with the first
// token and again for a token that none of the keys signed, which is how keys
// rotate (OpenID Connect Core section 10.1.1).
type keySet struct {
	client *http.Client
	url    string
	limit  int64
	now    func() time.Time

	keys atomic.Pointer[[]publicKey]
	// One read is under way at a time. What follows is touched by it alone.
	reads singleflight.Group
	until time.Time
	err   error
}

// publicKey is a key, and the algorithm that it is for where the vendor says so.
type publicKey struct {
	id, algorithm string
	key           crypto.PublicKey
}

// fits tells whether the key may have signed t with method: it is for one
// algorithm (RFC 8725 section 3.1), which has one curve (RFC 7518 section 3.4).
func (k publicKey) fits(t *idToken, method jwt.SigningMethod) bool {
	if t.keyID != "" && t.keyID != k.id || k.algorithm != "" && k.algorithm != t.algorithm {
		return false
	}
	ec, isEC := k.key.(*ecdsa.PublicKey)
	m, ok := method.(*jwt.SigningMethodECDSA)
	return !isEC || ok && ec.Params().BitSize == m.CurveBits
}

// calm is how long the last read, good or failed, answers for the next: neither
// unknown key ids nor a vendor that is away make more requests.
const calm = 10 * time.Second

// verify tells whether one of the keys signed t.
func (s *keySet) verify(ctx context.Context, t *idToken) error {
	if keys := s.keys.Load(); keys != nil && t.signedBy(*keys) {
		return nil
	}
	// Who gives up does not end the read for the others.
	read := s.reads.DoChan("", func() (any, error) { return nil, s.read(context.WithoutCancel(ctx)) })
	select {
	case r := <-read:
		if r.Err != nil {
			return fmt.Errorf("the vendor's keys for its id_token cannot be read: %w", r.Err)
		}
	case <-ctx.Done():
		return fmt.Errorf("the vendor's keys for its id_token cannot be read: %s", transportReason(ctx.Err()))
	}
	if keys := s.keys.Load(); keys == nil || !t.signedBy(*keys) {
		return errBadSignature
	}
	return nil
}

// read gets the keys from the vendor, unless it did a moment ago. A failure
// leaves the keys as they were.
func (s *keySet) read(ctx context.Context) error {
	if s.now().After(s.until) {
		var keys []publicKey
		if keys, s.err = s.fetch(ctx); s.err == nil {
			s.keys.Store(&keys)
		}
		s.until = s.now().Add(calm)
	}
	return s.err
}

// fetch gets the keys. Its errors are fixed texts.
func (s *keySet) fetch(ctx context.Context) ([]publicKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, http.NoBody)
	if err != nil {
		return nil, failed(OutcomeMalformed, "the jwks URL is not valid")
	}
	req.Header.Set("Cache-Control", "no-cache")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, failed(OutcomeUnavailable, transportReason(err))
	}
	body, err := readBody(resp, s.limit)
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode != http.StatusOK:
		return nil, failed(OutcomeUnavailable, "the vendor answered "+strconv.Itoa(resp.StatusCode))
	}
	return parseKeys(body)
}

// maxKeys bounds the keys that may be tried for one token. Vendors have a dozen.
const maxKeys = 128

// parseKeys takes the public keys for signatures out of a key set. Others are
// passed over (RFC 7517 section 5), and by go-jose RSA keys of more than 4096 bits.
func parseKeys(body []byte) ([]publicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, failed(OutcomeMalformed, "the answer is not a key set")
	}
	if len(set.Keys) > maxKeys {
		return nil, failed(OutcomeMalformed, "the answer holds too many keys")
	}
	var keys []publicKey
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if json.Unmarshal(raw, &k) == nil && k.IsPublic() && k.Valid() && k.Use != "enc" {
			keys = append(keys, publicKey{k.KeyID, k.Algorithm, k.Key})
		}
	}
	if len(keys) == 0 {
		return nil, failed(OutcomeMalformed, "no key of the answer can be used")
	}
	return keys, nil
}

// keysAt names a key set: its URL, and how it is called.
type keysAt struct {
	url       string
	transport runtimeconfig.Transport
}

func (c *Client) keySet(e Endpoint) (*keySet, error) {
	at := keysAt{e.Target.Endpoints.JWKS, e.Vendor.Transport}
	return c.keys.get(at, func() (*keySet, error) { return c.newKeySet(at) })
}

func (c *Client) newKeySet(at keysAt) (*keySet, error) {
	if _, err := url.Parse(at.url); err != nil {
		return nil, failed(OutcomeIDToken, "the jwks URL is not valid")
	}
	client, err := c.httpClient(at.transport)
	if err != nil {
		return nil, err
	}
	return &keySet{client: client, url: at.url, limit: int64(at.transport.MaxResponseBytes), now: c.Now}, nil
}
