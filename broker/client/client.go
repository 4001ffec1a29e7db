// SPDX-License-Identifier: Apache-2.0

// Package client decides who calls the broker's token endpoint: it authenticates
// registered clients by none, client_secret_basic, client_secret_post or
// private_key_jwt (OAuth 2.1 section 2.4, RFC 7523).
package client

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/broker/once"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Authenticator authenticates clients.
type Authenticator struct {
	// Once takes the jti of client assertions.
	Once once.Store
	// Now is the clock.
	Now func() time.Time
}

// presented is what a request shows; exactly one way is used.
type presented struct {
	id        string
	secret    secret.Text
	assertion secret.Text
	// basic is true where the Authorization header was used.
	basic bool
}

// Authenticate finds and authenticates the client of a token request. issuer is
// the issuer that was called, which client assertions must name. Errors are
// *oauth.Error.
func (a Authenticator) Authenticate(r *http.Request, d Directory, p oauth.Params, issuer string) (*runtimeconfig.Client, error) {
	shown, err := read(r, p)
	if err != nil {
		return nil, err
	}
	c, err := d.Find(r.Context(), shown.id)
	if err != nil {
		// The same work as for a known client, so that time tells nothing.
		checkSecret([]string{strings.Repeat("0", 64)}, shown.secret)
		if errors.Is(err, ErrAway) { // clients that are told to be unknown forget their tokens
			away := oauth.Errorf(oauth.TemporarilyUnavailable, "the metadata document of this client cannot be read at the moment; try again")
			away.RetryAfter = failureAge
			return nil, away.Because(err)
		}
		return nil, refuse(shown, err)
	}
	if c.NotReady != "" {
		return c, oauth.Errorf(oauth.TemporarilyUnavailable, "this client's registration is not ready; see the status of its BrokerClient").Because(errors.New(c.NotReady))
	}
	return c, a.check(r.Context(), c, shown, issuer)
}

func (a Authenticator) check(ctx context.Context, c *runtimeconfig.Client, shown presented, issuer string) error {
	switch c.Auth {
	case runtimeconfig.ClientNone:
		if !shown.secret.Empty() || !shown.assertion.Empty() {
			return refuse(shown, errors.New("a public client sent credentials"))
		}
		return nil
	case runtimeconfig.ClientSecret:
		if !checkSecret(c.SecretSHA256, shown.secret) {
			return refuse(shown, errors.New("wrong or missing client secret"))
		}
		return nil
	case runtimeconfig.ClientPrivateKeyJWT:
		if err := a.checkAssertion(ctx, c, shown.assertion, issuer); err != nil {
			if e, ok := errors.AsType[*oauth.Error](err); ok {
				return e
			}
			return refuse(shown, err)
		}
		return nil
	}
	return refuse(shown, errors.New("unknown authentication method"))
}

// read takes the client's credentials out of a request.
func read(r *http.Request, p oauth.Params) (presented, error) {
	shown := presented{id: p.Get("client_id"), secret: secret.New(p.Get("client_secret")), assertion: secret.New(p.Get("client_assertion"))}
	ways := 0
	if len(r.Header.Values("Authorization")) > 0 {
		id, password, err := basic(r)
		if err != nil {
			return shown, refuse(presented{basic: true}, err)
		}
		if shown.id != "" && shown.id != id {
			return shown, oauth.Errorf(oauth.InvalidRequest, "client_id differs from the Authorization header")
		}
		ways++
		if !shown.secret.Empty() {
			ways++
		}
		shown.id, shown.secret, shown.basic = id, password, true
	} else if !shown.secret.Empty() {
		ways++
	}
	if !shown.assertion.Empty() || p.Has("client_assertion_type") {
		ways++
		if p.Get("client_assertion_type") != assertionType || shown.assertion.Empty() {
			return shown, oauth.Errorf(oauth.InvalidRequest, "client_assertion needs client_assertion_type %s", assertionType)
		}
		shown.id = assertedID(shown)
	}
	switch {
	case ways > 1:
		return shown, oauth.Errorf(oauth.InvalidRequest, "use exactly one way of client authentication")
	case shown.id == "":
		return shown, refuse(shown, errors.New("no client_id"))
	}
	return shown, nil
}

// basic reads the Authorization header; both parts are form-urlencoded (RFC
// 6749 section 2.3.1).
func basic(r *http.Request) (id string, password secret.Text, err error) {
	if len(r.Header.Values("Authorization")) > 1 {
		return "", secret.Text{}, errors.New("several Authorization headers")
	}
	user, pass, ok := r.BasicAuth()
	if !ok {
		return "", secret.Text{}, errors.New("malformed Authorization header")
	}
	id, err1 := url.QueryUnescape(user)
	plain, err2 := url.QueryUnescape(pass)
	if err1 != nil || err2 != nil || id == "" || plain == "" {
		return "", secret.Text{}, errors.New("malformed Authorization header")
	}
	return id, secret.New(plain), nil
}

// checkSecret compares with every accepted secret, always all of them.
func checkSecret(sums []string, shown secret.Text) bool {
	sum := sha256.Sum256([]byte(shown.Reveal()))
	got, match := []byte(hex.EncodeToString(sum[:])), 0
	for _, want := range sums {
		match |= subtle.ConstantTimeCompare(got, []byte(want))
	}
	return match == 1 && !shown.Empty()
}

func refuse(shown presented, cause error) *oauth.Error {
	return &oauth.Error{
		Code: oauth.InvalidClient, Description: "client authentication failed: unknown client, or wrong or missing credentials",
		Challenge: shown.basic, Cause: cause,
	}
}
