// SPDX-License-Identifier: Apache-2.0

package fakevendor

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// ClientIDInPath stands for the client id in a revocation path (GitHub).
const ClientIDInPath = "{client_id}"

// Manners are what one vendor insists on beyond the standards. What it does not
// expect it refuses, where a real vendor may take no notice: a test is to see
// that nothing needless is sent. The zero value insists on nothing.
type Manners struct {
	// Paths of the endpoints that the vendor has, on the server's host. When empty,
	// the server has all of them at paths of its own.
	Paths map[Endpoint]string
	// Required parameters, with their values, of Authorize, Token and Refresh.
	Required map[Endpoint]url.Values
	// Refused are parameters that must not be there.
	Refused map[Endpoint][]string
	// Headers of token requests.
	Headers map[string]string
	// Scopes that every authorization request must ask for.
	Scopes []string
	// RefreshRedirectURI wants the redirect URI of the login with each refresh.
	RefreshRedirectURI bool
	// Revocation is how tokens are revoked.
	Revocation RevocationManner
	// Claims are added to ID tokens.
	Claims map[string]any
}

// RevocationManner is how a vendor revokes. The values are those of the API.
type RevocationManner struct {
	// Style is "" for the standard (RFC 7009).
	Style             string
	Tokens            string
	TokenParameter    string
	ClientCredentials string
	// WholeGrant ends everything that the user granted.
	WholeGrant bool
}

// find is the endpoint at a path; ok is false where this vendor has standard
// paths, or nothing there.
func (m Manners) find(r *http.Request, form url.Values) (e Endpoint, ok bool) {
	var there []Endpoint
	for _, e := range []Endpoint{Authorize, Token, Refresh, JWKS, Userinfo, Introspection, Revocation, Registration} {
		if p, has := m.Paths[e]; has && matches(p, r.URL.Path) {
			there = append(there, e)
		}
	}
	switch {
	case len(there) == 0:
		return Other, false
	case slices.Contains(there, Revocation) && !form.Has("grant_type") && form.Has("token"):
		return Revocation, true // some vendors revoke at the token endpoint
	case slices.Contains(there, Token) && form.Get("grant_type") == "refresh_token":
		return Refresh, true
	}
	return there[0], true
}

// has tells whether the vendor has an endpoint.
func (m Manners) has(e Endpoint) bool {
	_, ok := m.Paths[e]
	return ok || len(m.Paths) == 0
}

// Has tells whether a request is for one of this vendor's places.
func (s *Server) Has(r *http.Request) bool {
	_, ok := s.options.Manners.find(r, url.Values{})
	return ok
}

// matches compares a path with one that may hold ClientIDInPath.
func matches(pattern, path string) bool {
	before, after, named := strings.Cut(pattern, ClientIDInPath)
	if !named {
		return pattern == path
	}
	middle, ok := strings.CutPrefix(path, before)
	if !ok {
		return false
	}
	middle, ok = strings.CutSuffix(middle, after)
	return ok && middle != "" && !strings.Contains(middle, "/")
}

// clientInPath is what stands for ClientIDInPath in a request's path.
func (m Manners) clientInPath(path string) (id string, named bool) {
	before, after, named := strings.Cut(m.Paths[Revocation], ClientIDInPath)
	return strings.TrimSuffix(strings.TrimPrefix(path, before), after), named
}

// check tells what is wrong with a request's parameters.
func (m Manners) check(e Endpoint, params url.Values) string {
	for name, want := range m.Required[e] {
		if !slices.Equal(params[name], want) {
			return "parameter " + name + " must be " + strings.Join(want, ", ")
		}
	}
	for _, name := range m.Refused[e] {
		if params.Has(name) {
			return "parameter " + name + " is not expected"
		}
	}
	return ""
}

// checkToken is check with what concerns token requests alone.
func (m Manners) checkToken(x *exchange) string {
	for name, want := range m.Headers {
		if got := x.r.Header.Get(name); got != want {
			return "header " + name + " must be " + want
		}
	}
	return m.check(x.endpoint, x.form)
}
