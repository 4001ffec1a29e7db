// SPDX-License-Identifier: Apache-2.0

package client

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/go-jose/go-jose/v4"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// Metadata is the client metadata that the broker understands (RFC 7591 section
// 2). Other members are ignored.
type Metadata struct {
	ClientName      string   `json:"client_name,omitempty"`
	RedirectURIs    []string `json:"redirect_uris"`
	AuthMethod      string   `json:"token_endpoint_auth_method"`
	GrantTypes      []string `json:"grant_types"`
	ResponseTypes   []string `json:"response_types"`
	ApplicationType string   `json:"application_type"`
	// JWKS is the key set of private_key_jwt.
	JWKS json.RawMessage `json:"jwks,omitempty"`
}

// Registration error codes (RFC 7591 section 3.2.2).
const (
	InvalidRedirectURI      = "invalid_redirect_uri"
	InvalidClientMetadata   = "invalid_client_metadata"
	InvalidSoftwareStmt     = "invalid_software_statement"
	maxRedirectURIs         = 10
	maxRedirectURI          = 512
	maxClientName           = 64
	applicationWeb          = "web"
	applicationNative       = "native"
	authNone                = "none"
	authBasic               = "client_secret_basic"
	authPost                = "client_secret_post"
	authPrivateKeyJWT       = "private_key_jwt"
	grantAuthorizationCode  = "authorization_code"
	grantRefreshToken       = "refresh_token"
	responseTypeCode        = "code"
	maxRegistrationMetadata = 32 << 10
)

// ParseMetadata reads and validates client metadata, and fills in the defaults
// of RFC 7591 section 2. Errors are *oauth.Error that name the member and never
// repeat its value.
func ParseMetadata(b []byte) (*Metadata, error) {
	members, err := membersOf(b)
	if err != nil {
		return nil, oauth.Errorf(InvalidClientMetadata, "the body must be a JSON object: %s", err.Error())
	}
	for _, name := range []string{"jwks_uri", "sector_identifier_uri"} {
		if _, ok := members[name]; ok {
			return nil, oauth.Errorf(InvalidClientMetadata, "%s is not supported; it is never fetched", name)
		}
	}
	if _, ok := members["software_statement"]; ok {
		return nil, oauth.Errorf(InvalidSoftwareStmt, "software statements are not supported")
	}
	for _, name := range []string{"client_uri", "logo_uri", "policy_uri", "tos_uri"} {
		if v, ok := members[name]; ok && !webPage(v) {
			return nil, oauth.Errorf(InvalidClientMetadata, "%s must be an https URL", name)
		}
	}
	m := &Metadata{}
	if err := decodeExactly(members, m); err != nil {
		return nil, oauth.Errorf(InvalidClientMetadata, "a member has the wrong type")
	}
	return m, m.complete()
}

// membersOf reads the members of a document. Those that are null count as absent
// (RFC 7592 section 2.2): many libraries write all that they know.
func membersOf(b []byte) (map[string]json.RawMessage, error) {
	members, err := oauth.DecodeObject(b)
	maps.DeleteFunc(members, func(_ string, v json.RawMessage) bool { return string(v) == "null" })
	return members, err
}

// decodeExactly fills in m from the members that are spelled as they should be.
// encoding/json alone would take REDIRECT_URIS for redirect_uris.
func decodeExactly(members map[string]json.RawMessage, m *Metadata) error {
	known := map[string]json.RawMessage{}
	for _, name := range []string{
		"client_name", "redirect_uris", "token_endpoint_auth_method", "grant_types", "response_types", "application_type", "jwks",
	} {
		if v, ok := members[name]; ok {
			known[name] = v
		}
	}
	b, err := json.Marshal(known)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, m)
}

func webPage(v json.RawMessage) bool {
	var s string
	if json.Unmarshal(v, &s) != nil {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil && clean(s)
}

func clean(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) })
}

// complete fills in defaults and judges every member.
func (m *Metadata) complete() error {
	if m.AuthMethod == "" {
		m.AuthMethod = authBasic
	}
	if len(m.GrantTypes) == 0 {
		m.GrantTypes = []string{grantAuthorizationCode}
	}
	if len(m.ResponseTypes) == 0 {
		m.ResponseTypes = []string{responseTypeCode}
	}
	switch {
	case len(m.ClientName) > maxClientName || !clean(m.ClientName):
		return oauth.Errorf(InvalidClientMetadata, "client_name must be at most %d bytes without control or formatting characters", maxClientName)
	case !slices.Contains([]string{authNone, authBasic, authPost, authPrivateKeyJWT}, m.AuthMethod):
		return oauth.Errorf(InvalidClientMetadata, "token_endpoint_auth_method must be none, client_secret_basic, client_secret_post or private_key_jwt")
	case oauth.Beyond(m.GrantTypes, []string{grantAuthorizationCode, grantRefreshToken}) != "" || !slices.Contains(m.GrantTypes, grantAuthorizationCode):
		return oauth.Errorf(InvalidClientMetadata, "grant_types must hold authorization_code, and may hold refresh_token")
	case !slices.Equal(m.ResponseTypes, []string{responseTypeCode}):
		return oauth.Errorf(InvalidClientMetadata, "response_types must be code")
	case m.ApplicationType != "" && m.ApplicationType != applicationWeb && m.ApplicationType != applicationNative:
		return oauth.Errorf(InvalidClientMetadata, "application_type must be web or native")
	case (m.AuthMethod == authPrivateKeyJWT) != (m.JWKS != nil):
		return oauth.Errorf(InvalidClientMetadata, "jwks goes with token_endpoint_auth_method private_key_jwt, and that method needs it")
	}
	if err := m.checkKeys(); err != nil {
		return err
	}
	return m.checkRedirectURIs()
}

func (m *Metadata) checkKeys() error {
	if m.JWKS == nil {
		return nil
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(m.JWKS, &set); err != nil || len(set.Keys) == 0 {
		return oauth.Errorf(InvalidClientMetadata, "jwks must be a JSON Web Key Set")
	}
	for _, k := range set.Keys {
		if !k.Valid() || !k.IsPublic() {
			return oauth.Errorf(InvalidClientMetadata, "jwks must hold public asymmetric keys only")
		}
		if !strong(k) {
			return oauth.Errorf(InvalidClientMetadata, "jwks must hold RSA keys of at least %d bits", runtimeconfig.MinRSABits)
		}
	}
	return nil
}

func (m *Metadata) checkRedirectURIs() error {
	if len(m.RedirectURIs) == 0 || len(m.RedirectURIs) > maxRedirectURIs {
		return oauth.Errorf(InvalidRedirectURI, "redirect_uris must hold 1 to %d URIs", maxRedirectURIs)
	}
	loopback := 0
	for i, uri := range m.RedirectURIs {
		isLoopback, problem := judgeRedirectURI(uri)
		if problem != "" {
			return oauth.Errorf(InvalidRedirectURI, "redirect_uris[%d] %s", i, problem)
		}
		if isLoopback {
			loopback++
		}
	}
	if loopback > 0 && m.ApplicationType == applicationWeb {
		return oauth.Errorf(InvalidRedirectURI, "loopback redirect URIs go with application_type native")
	}
	if m.ApplicationType == "" {
		// Clients of MCP rarely say it; what they are shows in their URIs.
		m.ApplicationType = applicationWeb
		if loopback == len(m.RedirectURIs) {
			m.ApplicationType = applicationNative
		}
	}
	return nil
}

// judgeRedirectURI tells what is wrong with a redirect URI of a client that
// nobody vouches for: https, or http of a literal loopback host (RFC 8252
// section 7.3), and nothing that parsers may read differently.
func judgeRedirectURI(uri string) (loopback bool, problem string) {
	u, err := url.Parse(uri)
	switch {
	case len(uri) > maxRedirectURI:
		return false, "is too long"
	case err != nil || !ascii(uri) || strings.ContainsAny(uri, " \\*<>\"'`{}|^") || u.Opaque != "" || !strings.HasPrefix(uri, u.Scheme+":"):
		return false, "is not a plain absolute URI"
	case u.Fragment != "" || strings.Contains(uri, "#"):
		return false, "has a fragment"
	case u.User != nil || strings.Contains(u.Host, "@"):
		return false, "holds user information"
	case u.Hostname() == "" || !plainHost(u):
		return false, "has no usable host and port"
	case dotSegments(u):
		return false, "has dot segments"
	}
	switch u.Scheme {
	case "https":
		return false, ""
	case "http":
		if h := u.Hostname(); h == "localhost" || h == "127.0.0.1" || h == "::1" {
			return true, ""
		}
		return false, "must be https; http is for localhost, 127.0.0.1 and [::1] only"
	}
	return false, "must be https, or http of a loopback host"
}

// ascii is what a URI consists of (RFC 3986 section 2). A host in other letters
// is written in its xn-- form, which looks like no other host.
func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= 0x20 || r >= 0x7f })
}

func plainHost(u *url.URL) bool {
	if p := u.Port(); p != "" && !oauth.ValidPort(p) {
		return false
	}
	return strings.ToLower(u.Host) == u.Host && !strings.HasSuffix(u.Host, ":") && !strings.Contains(u.Host, "%")
}

func dotSegments(u *url.URL) bool {
	path := strings.ToLower(u.EscapedPath())
	if strings.Contains(path, "%2e") || strings.Contains(path, "%2f") || strings.Contains(path, "%5c") || strings.Contains(path, "%25") {
		return true
	}
	return slices.ContainsFunc(strings.Split(path, "/"), func(s string) bool { return s == "." || s == ".." })
}
