// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/oauthbroker/oauth-broker/broker/body"
	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// keySet is a vendor's key set (RFC 7517 section 5). It is read with the first
// token, again for a token that none of the keys signed, which is how keys rotate
// (OpenID Connect Core section 10.1.1), and when it has become old, which is how
// keys are withdrawn.
type keySet struct {
	client *http.Client
	url    string
	limit  int64
	now    func() time.Time

	keys atomic.Pointer[publicKeys]
	look atomic.Int64 // when a token of a known key looks for newer ones, as Unix seconds
	// One read is under way at a time. What follows is touched by it alone.
	reads singleflight.Group
	pace  *rate.Limiter
	err   error
}

// publicKeys are the keys as they were read, and until when nobody needs to look
// for newer ones.
type publicKeys struct {
	list  []publicKey
	fresh time.Time
}

// usable tells whether the keys count. Those that are not fresh any more still do
// for a day, where no newer ones can be read.
func (k *publicKeys) usable(now time.Time) bool {
	const longest = 24 * time.Hour
	return k != nil && now.Before(k.fresh.Add(longest))
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

// newPace bounds the reads, good or failed, that tokens can cause: a rotated key
// and a vendor that stumbles find one at once, and made-up key ids or a vendor
// that is away make no more than one in ten seconds. No outsider makes key ids up:
// ID tokens come from the vendor's token endpoint alone, and claims are judged first.
func newPace() *rate.Limiter { return rate.NewLimiter(rate.Every(10*time.Second), 3) }

// patience is how long a token of a known key waits for newer keys, one token in
// every lookPause: where they do not come, the others use what is there.
const (
	patience  = 2 * time.Second
	lookPause = time.Minute
)

// verify tells whether one of the keys signed t.
func (s *keySet) verify(ctx context.Context, t *idToken) error {
	keys, now := s.keys.Load(), s.now()
	known := keys.usable(now) && t.signedBy(keys.list)
	if known && (now.Before(keys.fresh) || !s.looks(now)) {
		return nil
	}
	if known {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	err := s.readAgain(ctx)
	switch keys = s.keys.Load(); {
	case keys.usable(now) && t.signedBy(keys.list):
		return nil
	case err != nil:
		return fmt.Errorf("the vendor's keys for its id_token cannot be read: %w", err)
	}
	return errBadSignature
}

// looks tells one caller in every lookPause that it is the one to look.
func (s *keySet) looks(now time.Time) bool {
	next := s.look.Load()
	return now.Unix() >= next && s.look.CompareAndSwap(next, now.Add(lookPause).Unix())
}

// readAgain waits for a read. Who gives up does not end it for the others.
func (s *keySet) readAgain(ctx context.Context) error {
	read := s.reads.DoChan("", func() (any, error) { return nil, s.read(context.WithoutCancel(ctx)) })
	select {
	case r := <-read:
		return r.Err
	case <-ctx.Done():
		return errors.New(transportReason(ctx.Err()))
	}
}

// read gets the keys from the vendor, unless the last reads were a moment ago:
// then what came of the last counts. A failure leaves the keys as they were.
func (s *keySet) read(ctx context.Context) error {
	if now := s.now(); s.pace.AllowN(now, 1) {
		var keys *publicKeys
		if keys, s.err = s.fetch(ctx, now); s.err == nil {
			s.keys.Store(keys)
		}
	}
	return s.err
}

// keyAges bound how long keys are used without another look, whatever the vendor
// says in Cache-Control: some say seconds, and some months.
func keyAges() oauth.CacheAges {
	return oauth.CacheAges{Least: 5 * time.Minute, Usual: 15 * time.Minute, Most: 24 * time.Hour}
}

// fetch gets the keys. Its errors are fixed texts.
func (s *keySet) fetch(ctx context.Context, now time.Time) (*publicKeys, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, http.NoBody)
	if err != nil {
		return nil, failed(OutcomeMalformed, "the jwks URL is not valid")
	}
	req.Header.Set("Cache-Control", "no-cache")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, failed(OutcomeUnavailable, transportReason(err))
	}
	text, err := readBody(resp, &body.Buffers{}, s.limit)
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode != http.StatusOK:
		return nil, failed(OutcomeUnavailable, "the vendor answered "+strconv.Itoa(resp.StatusCode))
	}
	keys, err := parseKeys([]byte(text))
	if err != nil {
		return nil, err
	}
	return &publicKeys{keys, now.Add(keyAges().Of(resp.Header.Get("Cache-Control")))}, nil
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
		if json.Unmarshal(plainKey(raw), &k) == nil && k.IsPublic() && k.Valid() && k.Use != "enc" {
			keys = append(keys, publicKey{k.KeyID, k.Algorithm, k.Key})
		}
	}
	if len(keys) == 0 {
		return nil, failed(OutcomeMalformed, "no key of the answer can be used")
	}
	return keys, nil
}

// plainKey takes out of a key what go-jose stumbles over and nobody here needs: the
// certificates and their hashes, which are wrong in some vendors' sets, and the
// padding of numbers.
func plainKey(raw json.RawMessage) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return raw
	}
	for _, name := range []string{"x5c", "x5t", "x5t#S256", "x5u"} {
		delete(members, name)
	}
	for _, name := range []string{"n", "e", "x", "y"} {
		if v := string(members[name]); strings.HasSuffix(v, `="`) {
			members[name] = quoted(strings.TrimRight(oauth.Unquote(v), "="))
		}
	}
	return encoded(members)
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
	return &keySet{client: client, url: at.url, limit: int64(at.transport.MaxResponseBytes), now: c.Now, pace: newPace()}, nil
}
