// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// IDTokenCheck is what an ID token is compared with.
type IDTokenCheck struct {
	// Nonce that was sent; empty where none was.
	Nonce string
	// Subject of the first ID token, on refresh (OpenID Connect Core 12.2).
	Subject string
	// Expected is true where the scopes held openid and this is no refresh.
	Expected bool
}

// verifyIDToken validates an ID token (OpenID Connect Core section 3.1.3.7) and
// returns its subject. An absent token is an error only where it is required.
func (c *Client) verifyIDToken(ctx context.Context, e Endpoint, t *Tokens, check IDTokenCheck) (subject string, err error) {
	mode := e.Vendor.Identity.IDToken
	if mode == runtimeconfig.IDTokenUnvalidated {
		return "", nil
	}
	if t.IDToken.Empty() {
		if mode == runtimeconfig.IDTokenRequired && check.Expected {
			return "", failed(OutcomeIDToken, "the vendor sent no id_token")
		}
		return "", nil
	}
	issuer := cmp.Or(e.Target.IDTokenIssuer, e.Target.Issuer)
	if issuer == "" || e.Target.Endpoints.JWKS == "" {
		return "", failed(OutcomeIDToken, "the vendor sent an id_token, but its issuer and jwks are not configured; configure them, or set identity.idToken: Unvalidated")
	}
	token, err := parseIDToken(t.IDToken.Reveal(), e.Vendor.Identity.Algorithms)
	if err != nil {
		return "", failed(OutcomeIDToken, err.Error())
	}
	want := expected{
		issuer: issuer, clientID: e.Credential.ClientID, audiences: e.Vendor.Identity.Audiences,
		accessToken: t.AccessToken.Reveal(), login: check, now: c.Now(),
	}
	// The claims come first: they say best what is wrong, and no key is read for
	// a token that is of no use. Nothing is used before the signature is good.
	if err := want.judge(token); err != nil {
		return "", failed(OutcomeIDToken, err.Error())
	}
	keys, err := c.keySet(e)
	if err != nil {
		return "", err
	}
	if err := keys.verify(ctx, token); err != nil {
		return "", failed(OutcomeIDToken, err.Error())
	}
	return token.claims.subject, nil
}

// leeway for the clocks of broker and vendor.
const leeway = time.Minute

// Google's ID tokens may name their issuer without the scheme, as Google
// documents.
const (
	issuerGoogle      = "https://accounts.google.com"
	issuerGoogleShort = "accounts.google.com"
)

// expected is what the claims of an ID token are held against.
type expected struct {
	issuer      string
	clientID    string
	audiences   []string // that may stand beside the client id
	accessToken string
	login       IDTokenCheck
	now         time.Time
}

// judge checks the claims (OpenID Connect Core, errata set 2, sections 3.1.3.7 and
// 12.2). Several audiences need no azp there any more, and NetSuite and Oracle send
// none; each must be one that the platform listed.
func (x expected) judge(t *idToken) error {
	c, early, late := t.claims, x.now.Add(-leeway).Unix(), x.now.Add(leeway).Unix()
	issuer, err := expandTenant(x.issuer, c.tenant)
	switch {
	case err != nil:
		return err
	case c.issuer != issuer && (issuer != issuerGoogle || c.issuer != issuerGoogleShort):
		return errors.New("the id_token's iss is not the configured issuer")
	case !slices.Contains(c.audience, x.clientID):
		return errors.New("the id_token's aud does not hold the client id")
	case c.expires < early:
		return errors.New("the id_token has expired")
	case c.subject == "":
		return errors.New("the id_token has no sub")
	case x.login.Subject != "" && c.subject != x.login.Subject:
		return errors.New("the refreshed id_token is of another subject")
	case c.issuedAt == 0:
		return errors.New("the id_token has no iat")
	case c.issuedAt > late:
		return errors.New("the id_token was issued in the future")
	case c.notBefore > late:
		return errors.New("the id_token is not valid yet")
	case c.authorizedParty != "" && c.authorizedParty != x.clientID:
		return errors.New("the id_token's azp is another client")
	case x.login.Nonce != "" && subtle.ConstantTimeCompare([]byte(c.nonce), []byte(x.login.Nonce)) != 1:
		return errors.New("the id_token's nonce is missing or another login's")
	case slices.ContainsFunc(c.audience, func(a string) bool { return a != x.clientID && !slices.Contains(x.audiences, a) }):
		return errors.New("the id_token has an audience that is not in identity.audiences")
	case c.accessTokenHash != "" && c.accessTokenHash != halfHash(t.algorithm, x.accessToken):
		return errors.New("the id_token's at_hash does not fit the access token")
	}
	return nil
}

// expandTenant puts the token's own tid claim into an Entra ID issuer template.
// The signature is checked with the keys of the configured authority, so the
// claim can only name a tenant of that authority.
func expandTenant(issuer, tid string) (string, error) {
	if !strings.Contains(issuer, "{tid}") {
		return issuer, nil
	}
	if !isGUID(tid) {
		return "", errors.New("the id_token's tid is not a GUID")
	}
	return strings.ReplaceAll(issuer, "{tid}", tid), nil
}

func isGUID(s string) bool {
	for i := range len(s) {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (s[i] == '-') || !dash && !strings.ContainsRune("0123456789abcdefABCDEF", rune(s[i])) {
			return false
		}
	}
	return len(s) == 36
}

// halfHash is at_hash (OpenID Connect Core section 3.1.3.6): the left half of
// the hash that the algorithm of the signature has. Ed25519 has SHA-512.
func halfHash(algorithm, token string) string {
	var half []byte
	switch {
	case strings.HasSuffix(algorithm, "256"):
		sum := sha256.Sum256([]byte(token))
		half = sum[:len(sum)/2]
	case strings.HasSuffix(algorithm, "384"):
		sum := sha512.Sum384([]byte(token))
		half = sum[:len(sum)/2]
	default:
		sum := sha512.Sum512([]byte(token))
		half = sum[:len(sum)/2]
	}
	return base64.RawURLEncoding.EncodeToString(half)
}
