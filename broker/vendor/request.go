// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// CodeExchange redeems a vendor's authorization code (RFC 6749 section 4.1.3).
type CodeExchange struct {
	Code        secret.Text
	Verifier    secret.Text
	RedirectURI string
	Resource    []string
}

// RefreshExchange redeems a vendor's refresh token (RFC 6749 section 6).
type RefreshExchange struct {
	RefreshToken secret.Text
	RedirectURI  string
	// Scopes to ask for; empty sends no scope.
	Scopes   []string
	Resource []string
}

// usualParams is what a token request has.
const usualParams = 8

func (e Endpoint) codeForm(x CodeExchange) oauth.Query {
	form := make(oauth.Query, 0, usualParams)
	for _, p := range e.Target.TokenParameters {
		form.Set(p.Name, p.Value)
	}
	if !e.Vendor.TokenRequest.OmitGrantType {
		form.Set("grant_type", "authorization_code")
	}
	form.Set("code", x.Code.Reveal())
	if !e.Vendor.TokenRequest.OmitRedirectURI {
		form.Set("redirect_uri", x.RedirectURI)
	}
	if e.Vendor.PKCE {
		form.Set("code_verifier", x.Verifier.Reveal())
	}
	if e.Vendor.Resource.OnToken {
		e.setResource(&form, x.Resource)
	}
	return form
}

func (e Endpoint) refreshForm(x RefreshExchange) oauth.Query {
	form := make(oauth.Query, 0, usualParams)
	for _, p := range e.Target.RefreshParameters {
		form.Set(p.Name, p.Value)
	}
	if !e.Vendor.TokenRequest.OmitGrantType {
		form.Set("grant_type", "refresh_token")
	}
	form.Set("refresh_token", x.RefreshToken.Reveal())
	if e.Vendor.Refresh.SendRedirectURI {
		form.Set("redirect_uri", x.RedirectURI)
	}
	if !e.Vendor.Refresh.OmitScope && len(x.Scopes) > 0 {
		form.Set("scope", strings.Join(x.Scopes, e.Vendor.Scopes.Separator))
	}
	if e.Vendor.Resource.OnRefresh {
		e.setResource(&form, x.Resource)
	}
	return form
}

// request makes the POST to the token endpoint, with exactly one way of client
// authentication (OAuth 2.1 section 2.4).
func (e Endpoint) request(ctx context.Context, endpoint string, form oauth.Query, now time.Time) (*http.Request, error) {
	header := e.headers()
	if err := e.authenticate(&form, header, now); err != nil {
		return nil, err
	}
	body, err := encodeBody(form, header, e.Vendor.TokenRequest.JSON)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, body)
	if err != nil {
		return nil, fmt.Errorf("making token request: %w", withoutURL(err))
	}
	req.Header = header
	return req, nil
}

// headers are those of every call to the vendor: JSON is asked for unless the
// vendor wants otherwise.
func (e Endpoint) headers() http.Header {
	header := http.Header{"Accept": {"application/json"}}
	for _, h := range e.Vendor.TokenRequest.Headers {
		header.Set(h.Name, h.Value)
	}
	return header
}

// encodeBody writes form as a form or as a flat JSON object, and says which in
// header. An empty form has no body.
func encodeBody(form oauth.Query, header http.Header, asJSON bool) (io.Reader, error) {
	if len(form) == 0 {
		return http.NoBody, nil
	}
	if !asJSON {
		header.Set("Content-Type", "application/x-www-form-urlencoded")
		return strings.NewReader(form.Encode()), nil
	}
	b, err := json.Marshal(form.First())
	if err != nil {
		return nil, failed(OutcomeMalformed, "the request cannot be encoded")
	}
	header.Set("Content-Type", "application/json")
	return bytes.NewReader(b), nil
}

func (e Endpoint) authenticate(form *oauth.Query, header http.Header, now time.Time) error {
	id, auth := e.Credential.ClientID, e.Vendor.ClientAuth
	switch auth.Method {
	case runtimeconfig.AuthBasic:
		user, password := url.QueryEscape(id), url.QueryEscape(e.Credential.ClientSecret.Reveal())
		if auth.RawBasic {
			user, password = id, e.Credential.ClientSecret.Reveal()
		}
		r := http.Request{Header: header}
		r.SetBasicAuth(user, password)
	case runtimeconfig.AuthPost:
		form.Set(e.renamed("client_id"), id)
		form.Set("client_secret", e.Credential.ClientSecret.Reveal())
	case runtimeconfig.AuthPrivateKeyJWT:
		assertion, err := e.assertion(now)
		if err != nil {
			return err
		}
		form.Set("client_id", id)
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	case runtimeconfig.AuthNone:
		form.Set(e.renamed("client_id"), id)
	}
	return nil
}

// assertion makes the client assertion of private_key_jwt (RFC 7523 section 3).
func (e Endpoint) assertion(now time.Time) (string, error) {
	audience := e.Target.Issuer
	if audience == "" || e.Vendor.ClientAuth.TokenEndpointAudience {
		audience = e.Target.Endpoints.Token
	}
	method := jwt.GetSigningMethod(e.Vendor.ClientAuth.Algorithm)
	if method == nil {
		return "", fmt.Errorf("algorithm of the client assertion is not supported")
	}
	t := jwt.NewWithClaims(method, jwt.MapClaims{
		"iss": e.Credential.ClientID, "sub": e.Credential.ClientID, "aud": audience, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	})
	if kid := e.Vendor.ClientAuth.KeyID; kid != "" {
		t.Header["kid"] = kid
	}
	key, err := parsePrivateKey(e.Credential.PrivateKey)
	if err != nil {
		return "", err
	}
	signed, err := t.SignedString(key)
	if err != nil {
		return "", fmt.Errorf("signing the client assertion: the private key does not fit the algorithm")
	}
	return signed, nil
}

func parsePrivateKey(pem secret.Text) (any, error) {
	b := []byte(pem.Reveal())
	if k, err := jwt.ParseRSAPrivateKeyFromPEM(b); err == nil {
		return k, nil
	}
	if k, err := jwt.ParseECPrivateKeyFromPEM(b); err == nil {
		return k, nil
	}
	if k, err := jwt.ParseEdPrivateKeyFromPEM(b); err == nil {
		return k, nil
	}
	return nil, fmt.Errorf("private key is not a PEM RSA, EC or Ed25519 key")
}
