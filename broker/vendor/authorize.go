// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"fmt"
	"strings"

	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// Endpoint is a vendor with the credential that a request uses.
type Endpoint struct {
	Vendor     *runtimeconfig.Vendor
	Credential *runtimeconfig.Credential
	Target     *runtimeconfig.Target
}

// NewEndpoint puts vendor and credential together; ok is false where the
// vendor's variables have no values.
func NewEndpoint(v *runtimeconfig.Vendor, c *runtimeconfig.Credential) (e Endpoint, ok bool) {
	e = Endpoint{Vendor: v, Credential: c, Target: runtimeconfig.TargetOf(v, c)}
	return e, e.Target != nil
}

// AuthorizeRequest is what changes from login to login.
type AuthorizeRequest struct {
	RedirectURI string
	State       string
	Scopes      []string
	Resource    []string
	// Verifier is the PKCE verifier; its challenge is sent where the vendor takes one.
	Verifier string
	// Nonce is sent where it is not empty (OpenID Connect Core section 3.1.2.1).
	Nonce string
	// Passed are parameters of the client's request that the vendor lets through.
	Passed map[string]string
}

// AuthorizeURL makes the authorization request (RFC 6749 section 4.1.1). A
// query in the endpoint is kept; the broker's own parameters always win.
func (e Endpoint) AuthorizeURL(r AuthorizeRequest) (string, error) {
	base, query, _ := strings.Cut(e.Target.Endpoints.Authorization, "?")
	q, err := oauth.ParseQuery(query)
	if err != nil {
		return "", fmt.Errorf("authorization endpoint: %w", err)
	}
	for name, value := range r.Passed {
		q.Set(name, value)
	}
	for _, p := range e.Target.AuthorizeParameters {
		q.Set(p.Name, p.Value)
	}
	v := e.Vendor
	q.Set(e.renamed("client_id"), e.Credential.ClientID)
	q.Set(e.renamed("redirect_uri"), r.RedirectURI)
	q.Set(e.renamed("state"), r.State)
	if !v.Authorize.OmitResponseType {
		q.Set("response_type", "code")
	}
	if v.Authorize.FormPost {
		q.Set("response_mode", "form_post")
	}
	if v.PKCE {
		q.Set("code_challenge", oauth2.S256ChallengeFromVerifier(r.Verifier))
		q.Set("code_challenge_method", oauth.ChallengeS256)
	}
	if r.Nonce != "" {
		q.Set("nonce", r.Nonce)
	}
	if v.Resource.OnAuthorize {
		e.setResource(&q, r.Resource)
	}
	if !v.Scopes.Omit && len(r.Scopes) > 0 {
		q.Set(e.scopeParameter(), strings.Join(r.Scopes, v.Scopes.Separator))
	}
	return oauth.WithQuery(base, q)
}

// renamed gives the vendor's name for a standard parameter.
func (e Endpoint) renamed(standard string) string {
	if as := e.Vendor.Authorize.Renames[standard]; as != "" {
		return as
	}
	return standard
}

func (e Endpoint) scopeParameter() string {
	if as := e.Vendor.Authorize.Renames["scope"]; as != "" {
		return as
	}
	return e.Vendor.Scopes.Parameter
}

// setResource sets the resource indicators (RFC 8707): the vendor's fixed one, or
// what the client asked for.
func (e Endpoint) setResource(q *oauth.Query, asked []string) {
	name := e.Vendor.Resource.Parameter
	switch e.Vendor.Resource.Mode {
	case runtimeconfig.ResourceFixed:
		q.Set(name, e.Target.Resource)
	case runtimeconfig.ResourcePass:
		for i, uri := range asked {
			if i == 0 {
				q.Set(name, uri)
				continue
			}
			q.Add(name, uri)
		}
	case runtimeconfig.ResourceOmit:
	}
}

// ExpectsNonce tells whether a login for these scopes sends a nonce.
func (e Endpoint) ExpectsNonce(scopes []string) bool {
	return !e.Vendor.Identity.OmitNonce && oauth.Beyond([]string{"openid"}, scopes) == ""
}
