// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// Revoke revokes a token at the vendor, in the vendor's own way (RFC 7009 where
// it has no other). A token that the vendor does not know any more counts as
// revoked. hint is access_token or refresh_token. Errors are of type *Error.
func (c *Client) Revoke(ctx context.Context, e Endpoint, token secret.Text, hint string) error {
	_, err := c.observed(ctx, e, "revoke", func() (*Result, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(e.Vendor.Transport.TimeoutSeconds)*time.Second)
		defer cancel()
		req, err := e.revocation(ctx, token, hint, c.Now())
		if err != nil {
			return nil, err
		}
		a, err := c.do(e, req)
		if err != nil {
			return nil, err
		}
		return nil, e.judgeRevocation(a, c.Now())
	})
	// Where no client credentials were shown, it was the token that was refused.
	if ve, ok := errors.AsType[*Error](err); ok && ve.Outcome == OutcomeCredentialRefused && !e.revocationAuthenticates() {
		return failed(OutcomeRefused, "the vendor refused the token")
	}
	return err
}

// revocationAuthenticates tells whether the client's credentials go with the
// request.
func (e Endpoint) revocationAuthenticates() bool {
	v := e.Vendor.Revocation
	return v.Style != "RFC7009Unauthenticated" && v.Style != "BearerSelf" && v.ClientCredentials != "Omitted"
}

// revocation makes the request.
func (e Endpoint) revocation(ctx context.Context, token secret.Text, hint string, now time.Time) (*http.Request, error) {
	v := e.Vendor.Revocation
	header := e.headers()
	var form oauth.Query
	method, asJSON := http.MethodPost, false
	switch v.Style {
	case "BearerSelf":
		header.Set("Authorization", "Bearer "+token.Reveal())
	case "DeletePath":
		method = http.MethodDelete
	case "DeleteJSON":
		method, asJSON = http.MethodDelete, true
		form.Set(v.TokenParameter, token.Reveal())
	case "JSONBody":
		asJSON = true
		form.Set(v.TokenParameter, token.Reveal())
	default: // RFC7009 and RFC7009Unauthenticated
		form.Set(v.TokenParameter, token.Reveal())
		form.Set("token_type_hint", hint)
	}
	if err := e.authenticateRevocation(&form, header, now); err != nil {
		return nil, failed(OutcomeCredentialRefused, err.Error())
	}
	body, err := encodeBody(form, header, asJSON)
	if err != nil {
		return nil, err
	}
	address := e.Target.Endpoints.RevocationFor(e.Credential.ClientID)
	if v.Style == "DeletePath" {
		address = strings.TrimSuffix(address, "/") + "/" + pathSegment(token.Reveal())
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, failed(OutcomeMalformed, "the revocation endpoint is not a valid URL")
	}
	req.Header = header
	return req, nil
}

// pathSegment is s as one segment of a path: "." and ".." would be none.
func pathSegment(s string) string {
	if strings.Trim(s, ".") == "" {
		return strings.ReplaceAll(s, ".", "%2E")
	}
	return url.PathEscape(s)
}

// authenticateRevocation adds the client's credentials where this style has them.
func (e Endpoint) authenticateRevocation(form *oauth.Query, header http.Header, now time.Time) error {
	if !e.revocationAuthenticates() {
		return nil
	}
	switch e.Vendor.Revocation.ClientCredentials {
	case "Basic":
		r := http.Request{Header: header}
		r.SetBasicAuth(e.Credential.ClientID, e.Credential.ClientSecret.Reveal())
		return nil
	case "Body":
		form.Set("client_id", e.Credential.ClientID)
		form.Set("client_secret", e.Credential.ClientSecret.Reveal())
		return nil
	}
	return e.authenticate(form, header, now)
}

// judgeRevocation reads the answer. Some vendors say "no" inside a 200.
func (e Endpoint) judgeRevocation(a answer, now time.Time) error {
	v := e.Vendor.Revocation
	if slices.Contains(v.GoneStatus, a.status) {
		return nil
	}
	members, err := oauth.ParseObject(a.body)
	if err == nil {
		code, isError := e.errorCode(a.status, members)
		if isError && code == "" && a.status < 300 {
			return failed(OutcomeRefused, "the vendor says no, without a reason")
		}
		if isError && code != "" {
			outcome, reason := outcomeOf(code)
			switch {
			case outcome == OutcomeGrantRefused || code == "invalid_token" || code == "token_not_found":
				return nil // it was not valid any more
			case code == "unsupported_token_type" && a.status < 500:
				return &Error{Outcome: OutcomeRefused, Reason: "the vendor does not revoke tokens of this kind", UnsupportedTokenType: true}
			case a.status < 500 && a.status != http.StatusTooManyRequests:
				return failed(outcome, reason)
			}
		}
	}
	if a.status == http.StatusOK || a.status == http.StatusNoContent || slices.Contains(v.SuccessStatus, a.status) {
		return nil
	}
	return statusError(a.status, a.header, now)
}

// Introspect asks the vendor about a token (RFC 7662) and returns its answer as
// it is. Errors are of type *Error.
func (c *Client) Introspect(ctx context.Context, e Endpoint, token secret.Text, hint string) (json.RawMessage, error) {
	var body json.RawMessage
	_, err := c.observed(ctx, e, "introspect", func() (_ *Result, err error) {
		body, err = c.tryIntrospect(ctx, e, token, hint)
		return nil, err
	})
	return body, err
}

func (c *Client) tryIntrospect(ctx context.Context, e Endpoint, token secret.Text, hint string) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(e.Vendor.Transport.TimeoutSeconds)*time.Second)
	defer cancel()
	var form oauth.Query
	form.Set("token", token.Reveal())
	form.Set("token_type_hint", hint)
	req, err := e.request(ctx, e.Target.Endpoints.Introspection, form, c.Now())
	if err != nil {
		return nil, failed(OutcomeCredentialRefused, err.Error())
	}
	a, err := c.do(e, req)
	if err != nil {
		return nil, err
	}
	if _, err := oauth.ParseObject(a.body); err != nil || a.status != http.StatusOK {
		return nil, statusError(a.status, a.header, c.Now())
	}
	return json.RawMessage(a.body), nil
}
