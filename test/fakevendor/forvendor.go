// SPDX-License-Identifier: Apache-2.0

package fakevendor

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// EmulatedTenant is the tenant that an emulated Entra ID names in ID tokens.
const EmulatedTenant = "0f8fad5b-d9cb-469f-a165-70867728950e"

// ForVendor is a strict emulator of a vendor, as its manifest describes it: it
// wants what the manifest says that the vendor wants, refuses everything else,
// and answers in the vendor's shape, with one member that no standard knows.
//
// The vendor's hosts become first segments of paths: https://api.acme.example/token
// is /api.acme.example/token here. Emulate maps a target the same way.
//
// Two things of a manifest are not emulated: tokenRequest.omit and
// authorize.responseMode FormPost without a request for it.
func ForVendor(v *runtimeconfig.Vendor, target *runtimeconfig.Target) Options {
	o := Options{
		Shape: shapeOf(v), PKCE: PKCERefused, RawBasic: v.ClientAuth.RawBasic, IssuerParameter: target.IssuerParameter,
		MaxState: 256, CodeLifetime: time.Duration(v.Callback.CodeLifetimeSeconds) * time.Second,
		IssuerPath: place(issuerOf(target)), Refresh: refreshOf(v.Refresh),
		Manners: Manners{
			Paths: pathsOf(target), Required: requiredOf(v, target), Refused: refusedOf(v, target), Headers: map[string]string{},
			Scopes: v.Scopes.Always, RefreshRedirectURI: v.Refresh.SendRedirectURI,
			Revocation: RevocationManner{
				Style: v.Revocation.Style, Tokens: v.Revocation.Tokens, TokenParameter: v.Revocation.TokenParameter,
				ClientCredentials: v.Revocation.ClientCredentials, WholeGrant: v.Revocation.WholeGrant,
			},
		},
	}
	if v.PKCE {
		o.PKCE = PKCERequired
	}
	if v.Authorize.HandleState {
		o.MaxState = 64
	}
	if v.Scopes.Omit {
		o.Manners.Scopes = nil
	}
	if strings.Contains(target.IDTokenIssuer, "{tid}") {
		o.Manners.Claims = map[string]any{"tid": EmulatedTenant}
	}
	for _, h := range v.TokenRequest.Headers {
		o.Manners.Headers[h.Name] = h.Value
	}
	return o
}

// ClientFor is an app at the vendor that authenticates as the manifest says.
func ClientFor(v *runtimeconfig.Vendor, id, secret string, redirectURIs ...string) Client {
	c := Client{ID: id, Secret: secret, Methods: []string{string(v.ClientAuth.Method)}, RedirectURIs: redirectURIs}
	if v.ClientAuth.Method == runtimeconfig.AuthNone {
		c.Secret = ""
	}
	return c
}

// Emulate is target with every URL on this server.
func (s *Server) Emulate(target *runtimeconfig.Target) *runtimeconfig.Target {
	out := *target
	for _, u := range []*string{
		&out.Issuer, &out.IDTokenIssuer, &out.Endpoints.Authorization, &out.Endpoints.Token, &out.Endpoints.Refresh, &out.Endpoints.Revocation,
		&out.Endpoints.Introspection, &out.Endpoints.Userinfo, &out.Endpoints.JWKS, &out.Endpoints.Registration,
	} {
		if *u != "" {
			*u = s.origin(nil) + "/" + strings.TrimPrefix(*u, "https://")
		}
	}
	return &out
}

// place is where a URL of the vendor is on the emulator, without its query.
func place(address string) string {
	path, _, _ := strings.Cut(strings.TrimPrefix(address, "https://"), "?")
	if path == "" {
		return ""
	}
	return "/" + path
}

func issuerOf(t *runtimeconfig.Target) string {
	if t.IDTokenIssuer != "" {
		return strings.ReplaceAll(t.IDTokenIssuer, "{tid}", EmulatedTenant)
	}
	return t.Issuer
}

func pathsOf(t *runtimeconfig.Target) map[Endpoint]string {
	paths := map[Endpoint]string{}
	for e, address := range map[Endpoint]string{
		Authorize: t.Endpoints.Authorization, Token: t.Endpoints.Token, Revocation: t.Endpoints.Revocation, Introspection: t.Endpoints.Introspection,
		Userinfo: t.Endpoints.Userinfo, JWKS: t.Endpoints.JWKS, Registration: t.Endpoints.Registration,
	} {
		if address != "" {
			paths[e] = place(address)
		}
	}
	if t.Endpoints.Refresh != t.Endpoints.Token {
		paths[Refresh] = place(t.Endpoints.Refresh)
	}
	return paths
}

// requiredOf are the parameters that the vendor wants to see.
func requiredOf(v *runtimeconfig.Vendor, t *runtimeconfig.Target) map[Endpoint]url.Values {
	out := map[Endpoint]url.Values{Authorize: {}, Token: {}, Refresh: {}}
	if u, err := url.Parse(t.Endpoints.Authorization); err == nil {
		maps.Copy(out[Authorize], u.Query())
	}
	for e, parameters := range map[Endpoint][]runtimeconfig.Parameter{
		Authorize: t.AuthorizeParameters, Token: t.TokenParameters, Refresh: t.RefreshParameters,
	} {
		for _, p := range parameters {
			out[e].Set(p.Name, p.Value)
		}
	}
	if v.Resource.Mode == runtimeconfig.ResourceFixed {
		for e, sent := range resourceLegs(v) {
			if sent {
				out[e].Set(v.Resource.Parameter, t.Resource)
			}
		}
	}
	return out
}

func resourceLegs(v *runtimeconfig.Vendor) map[Endpoint]bool {
	return map[Endpoint]bool{Authorize: v.Resource.OnAuthorize, Token: v.Resource.OnToken, Refresh: v.Resource.OnRefresh}
}

// refusedOf are the parameters that the vendor has no use for.
func refusedOf(v *runtimeconfig.Vendor, t *runtimeconfig.Target) map[Endpoint][]string {
	out := map[Endpoint][]string{Token: {"scope"}, Refresh: {"code", "code_verifier"}}
	if v.Scopes.Omit {
		out[Authorize] = append(out[Authorize], "scope", v.Scopes.Parameter)
	}
	if v.Scopes.Parameter != "scope" {
		out[Authorize] = append(out[Authorize], "scope")
	}
	if v.Refresh.OmitScope {
		out[Refresh] = append(out[Refresh], "scope")
	}
	if !v.Refresh.SendRedirectURI {
		out[Refresh] = append(out[Refresh], "redirect_uri")
	}
	required := requiredOf(v, t)
	for e, sent := range resourceLegs(v) {
		for _, name := range []string{"resource", "audience"} {
			own := sent && v.Resource.Mode != runtimeconfig.ResourceOmit && name == v.Resource.Parameter
			if !own && !required[e].Has(name) {
				out[e] = append(out[e], name)
			}
		}
	}
	return out
}

func refreshOf(r runtimeconfig.Refresh) RefreshMode {
	switch {
	case r.Unsupported:
		return RefreshNone
	case r.SingleUse:
		return RefreshSingleUse
	case r.Static:
		return RefreshOmitted // as those vendors do: the first one stays good
	}
	return RefreshRotating
}

// shapeOf is how the vendor spells things.
func shapeOf(v *runtimeconfig.Vendor) Shape {
	r := v.TokenResponse
	s := Shape{
		ScopeSeparator: v.Scopes.Separator, AnswerScopeSeparator: r.ScopeSeparator, ScopeParameter: v.Scopes.Parameter, OmitScope: v.Scopes.Omit,
		Paths: r.Paths, JSONRequests: v.TokenRequest.JSON, Renames: v.Authorize.Renames, OmitResponseType: v.Authorize.OmitResponseType,
		CodeParameter: v.Callback.CodeParameter, TokenType: tokenTypeOf(r), CallbackExtra: url.Values{},
		Extra: map[string]any{"vendor_extra": map[string]any{"list": []any{1, "two", nil}, "text": "kept as it is"}},
	}
	switch {
	case v.Refresh.Unsupported:
		s.Expiry = ExpiryAbsent
	case r.Milliseconds:
		s.Expiry = ExpiryMilliseconds
	}
	switch r.Format {
	case runtimeconfig.FormatForm:
		s.Format = FormatForm
	case runtimeconfig.FormatByContentType: // GitHub, which hides errors in a 200
		s.Format, s.ErrorStatus, s.Extra = FormatByAccept, http.StatusOK, map[string]any{"vendor_extra": "kept as it is"}
	case runtimeconfig.FormatJSON:
	}
	if r.ErrorPath == "ok" {
		s.OKMember, s.ErrorStatus = true, http.StatusOK
	}
	for _, name := range v.Callback.CaptureParameters {
		s.CallbackExtra.Set(name, "captured-"+name)
	}
	return s
}

func tokenTypeOf(r runtimeconfig.TokenResponse) string {
	switch {
	case len(r.TokenTypes) > 0:
		return r.TokenTypes[0]
	case r.TokenTypeOptional:
		return Omitted
	}
	return "bearer"
}

// At tells a server that somebody else serves where it is reached, for example
// http://127.0.0.1:9000.
func (s *Server) At(base string) *Server {
	s.note(func() { s.base = base })
	return s
}
