// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
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

// leeway for the clocks of broker and vendor.
const leeway = time.Minute

// minRSABytes is the least size of an RSA key (RFC 7518 section 3.3).
const minRSABytes = 256

// extraClaims are the claims that go-oidc leaves to its caller.
type extraClaims struct {
	AuthorizedParty string      `json:"azp"`
	IssuedAt        json.Number `json:"iat"`
	NotBefore       json.Number `json:"nbf"`
	Nonce           string      `json:"nonce"`
	Tenant          string      `json:"tid"`
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
	issuer := e.Target.IDTokenIssuer
	if issuer == "" {
		issuer = e.Target.Issuer
	}
	if issuer == "" || e.Target.Endpoints.JWKS == "" {
		return "", failed(OutcomeIDToken, "the vendor sent an id_token, but its issuer and jwks are not configured; configure them, or set identity.idToken: Unvalidated")
	}
	claims, err := precheck(t.IDToken, e.Vendor.Identity.Algorithms)
	if err != nil {
		return "", failed(OutcomeIDToken, err.Error())
	}
	if issuer, err = expandTenant(issuer, claims.Tenant); err != nil {
		return "", failed(OutcomeIDToken, err.Error())
	}
	keys, err := c.keySet(e) //nolint:contextcheck // the key set outlives the request
	if err != nil {
		return "", err
	}
	verifier := oidc.NewVerifier(issuer, keys, &oidc.Config{
		ClientID: e.Credential.ClientID, SupportedSigningAlgs: e.Vendor.Identity.Algorithms,
		Now: func() time.Time { return c.Now().Add(-leeway) },
	})
	token, err := verifier.Verify(ctx, t.IDToken.Reveal())
	if err != nil {
		return "", failed(OutcomeIDToken, diagnose(err, t.IDToken, issuer, e.Credential.ClientID))
	}
	if err := c.checkClaims(e, verified{token, claims, t}, check); err != nil {
		return "", failed(OutcomeIDToken, err.Error())
	}
	return token.Subject, nil
}

// precheck reads header and claims before any key is fetched, and refuses what
// no vendor has a reason to send.
func precheck(raw secret.Text, algorithms []string) (extraClaims, error) {
	parts := strings.SplitN(raw.Reveal(), ".", 4)
	if len(parts) != 3 {
		return extraClaims{}, errors.New("the id_token is not a signed JWT")
	}
	var header map[string]json.RawMessage
	if err := segment(parts[0], &header); err != nil {
		return extraClaims{}, errors.New("the id_token has no readable header")
	}
	for _, name := range []string{"crit", "jku", "x5u", "jwk", "x5c", "zip"} {
		if _, ok := header[name]; ok {
			return extraClaims{}, errors.New("the id_token's header holds " + name + ", which is not accepted")
		}
	}
	alg := text(header["alg"])
	if !slices.Contains(algorithms, alg) {
		return extraClaims{}, errors.New("the id_token's algorithm is not among identity.algorithms")
	}
	// An RSA signature is as long as its key; Go and go-jose accept 1024 bits.
	if rsa := strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS"); rsa && base64.RawURLEncoding.DecodedLen(len(parts[2])) < minRSABytes {
		return extraClaims{}, errors.New("the id_token is signed with an RSA key of less than 2048 bits, or not at all")
	}
	var claims extraClaims
	if err := segment(parts[1], &claims); err != nil {
		return extraClaims{}, errors.New("the id_token has no readable claims")
	}
	return claims, nil
}

func segment(s string, v any) error {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
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

// diagnose tells, in fixed words, which check of the library failed.
func diagnose(err error, raw secret.Text, issuer, clientID string) string {
	if _, ok := errors.AsType[*oidc.TokenExpiredError](err); ok {
		return "the id_token has expired"
	}
	var c struct {
		Issuer   string   `json:"iss"`
		Audience audience `json:"aud"`
	}
	parts := strings.Split(raw.Reveal(), ".")
	if segment(parts[1], &c) == nil {
		switch {
		case c.Issuer != issuer:
			return "the id_token's iss is not the configured issuer"
		case !slices.Contains(c.Audience, clientID):
			return "the id_token's aud does not hold the client id"
		}
	}
	return "the id_token's signature or times are not valid, or the vendor's keys are away"
}

type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// verified is an ID token whose signature is good, with what came along.
type verified struct {
	token  *oidc.IDToken
	claims extraClaims
	tokens *Tokens
}

// checkClaims does what go-oidc leaves to its caller: nonce, azp, extra
// audiences, missing or future times, subject, at_hash.
func (c *Client) checkClaims(e Endpoint, v verified, check IDTokenCheck) error {
	token, claims := v.token, v.claims
	id, now := e.Credential.ClientID, c.Now()
	switch {
	case token.Subject == "":
		return errors.New("the id_token has no sub")
	case check.Subject != "" && token.Subject != check.Subject:
		return errors.New("the refreshed id_token is of another subject")
	case claims.IssuedAt == "":
		return errors.New("the id_token has no iat")
	case token.IssuedAt.After(now.Add(leeway)):
		return errors.New("the id_token was issued in the future")
	case claims.NotBefore != "" && after(claims.NotBefore, now.Add(leeway)):
		return errors.New("the id_token is not valid yet")
	case claims.AuthorizedParty != "" && claims.AuthorizedParty != id:
		return errors.New("the id_token's azp is another client")
	case len(token.Audience) > 1 && claims.AuthorizedParty == "":
		return errors.New("the id_token has several audiences and no azp")
	case check.Nonce != "" && subtle.ConstantTimeCompare([]byte(claims.Nonce), []byte(check.Nonce)) != 1:
		return errors.New("the id_token's nonce is missing or another login's")
	}
	for _, a := range token.Audience {
		if a != id && !slices.Contains(e.Vendor.Identity.Audiences, a) {
			return errors.New("the id_token has an audience that is not in identity.audiences")
		}
	}
	if token.AccessTokenHash != "" && token.VerifyAccessToken(v.tokens.AccessToken.Reveal()) != nil {
		return errors.New("the id_token's at_hash does not fit the access token")
	}
	return nil
}

func after(n json.Number, limit time.Time) bool {
	f, err := n.Float64()
	return err != nil || f > float64(limit.Unix())
}

// keySet is the vendor's keys. Its client answers from memory for a while, so
// that unknown key ids cannot be used to hammer the vendor.
func (c *Client) keySet(e Endpoint) (oidc.KeySet, error) {
	u, err := url.Parse(e.Target.Endpoints.JWKS)
	if err != nil {
		return nil, failed(OutcomeIDToken, "the jwks URL is not valid")
	}
	return c.keys.get(u.String()+"\x00"+e.Vendor.Transport.CABundle, func() (oidc.KeySet, error) {
		hc, err := c.httpClient(e.Vendor.Transport)
		if err != nil {
			return nil, err
		}
		hc.Transport = &calmed{next: hc.Transport, limit: int64(e.Vendor.Transport.MaxResponseBytes), now: c.Now}
		// The key set outlives the request that made it.
		return oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), hc), u.String()), nil
	})
}
