// SPDX-License-Identifier: Apache-2.0

package translate

import (
	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// or is v, or fallback where v is the zero value.
func or[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

// deref is *p, or the zero value.
func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func plain[T ~string](in []T) []string {
	var out []string
	for _, s := range in {
		out = append(out, string(s))
	}
	return out
}

// convertVendor writes the vendor with every default applied. The defaults
// repeat the schema's, since an object, or an optional part of it, may never
// have met it. What depends on variables and Secrets is left out.
func convertVendor(v *oauthv1alpha1.OAuthVendor) *runtimeconfig.Vendor {
	spec := &v.Spec
	path, iss := callbackOf(spec)
	callback := deref(spec.Callback)
	transport := deref(spec.Transport)
	out := &runtimeconfig.Vendor{
		Name: v.Name, UID: string(v.UID),
		DisplayName: or(deref(spec.Display).Name, v.Name),
		Authorize:   convertAuthorize(deref(spec.Authorize), spec.Discovery),
		Callback: runtimeconfig.Callback{
			Path: convertPath(path), IssuerParameter: convertIssuerParameter(iss),
			CodeParameter: or(callback.CodeParameter, "code"), CodeLifetimeSeconds: int(or(callback.CodeLifetimeSeconds, 60)), CaptureParameters: callback.CaptureParameters,
		},
		Scopes:            convertScopes(deref(spec.Scopes)),
		PKCE:              spec.PKCE != oauthv1alpha1.PKCENone,
		ClientAuth:        convertClientAuth(spec.ClientAuthentication),
		TokenRequest:      convertTokenRequest(deref(spec.TokenRequest)),
		TokenResponse:     convertTokenResponse(deref(spec.TokenResponse)),
		Identity:          convertIdentity(deref(spec.Identity)),
		Refresh:           convertRefresh(deref(spec.Refresh)),
		Revocation:        convertRevocation(spec.Revocation),
		Resource:          convertResource(deref(spec.Resource)),
		Registration:      convertRegistration(deref(spec.Registration)),
		SelfRegisteredUse: deref(spec.Credentials).SelfRegisteredClients == "Allowed",
		Transport: runtimeconfig.Transport{
			TimeoutSeconds:   int(or(transport.TimeoutSeconds, 10)),
			MaxResponseBytes: int(or(transport.MaxResponseBytes, 1<<20)),
			CABundle:         transport.CABundle,
		},
	}
	out.Refresh.Raw = spec.RefreshTokens == oauthv1alpha1.RefreshTokensRaw
	if deref(spec.Credentials).FromEnvironment {
		out.Environment = environmentOf(v.Name)
	}
	return out
}

func convertAuthorize(a oauthv1alpha1.AuthorizeRequest, d *oauthv1alpha1.Discovery) runtimeconfig.Authorize {
	out := runtimeconfig.Authorize{
		OmitResponseType: a.ResponseType == oauthv1alpha1.ResponseTypeOmit,
		FormPost:         a.ResponseMode == oauthv1alpha1.ResponseModeFormPost,
		PassParameters:   plain(a.PassParameters),
		HandleState:      a.State == oauthv1alpha1.StateHandle,
	}
	if a.PassParameters == nil && d != nil && d.Type == oauthv1alpha1.DiscoveryOpenIDConnect {
		out.PassParameters = []string{"prompt", "login_hint", "max_age"}
	}
	for _, r := range a.Renames {
		if out.Renames == nil {
			out.Renames = map[string]string{}
		}
		out.Renames[r.Standard] = r.As
	}
	return out
}

func convertPath(p oauthv1alpha1.CallbackPath) runtimeconfig.CallbackPath {
	switch p {
	case oauthv1alpha1.CallbackVendor:
		return runtimeconfig.CallbackVendor
	case oauthv1alpha1.CallbackCredential:
		return runtimeconfig.CallbackCredential
	case oauthv1alpha1.CallbackShared:
	}
	return runtimeconfig.CallbackShared
}

func convertIssuerParameter(p oauthv1alpha1.IssuerParameter) runtimeconfig.IssuerParameter {
	switch p {
	case oauthv1alpha1.IssuerRequired:
		return runtimeconfig.IssuerRequired
	case oauthv1alpha1.IssuerIgnored:
		return runtimeconfig.IssuerIgnored
	case oauthv1alpha1.IssuerWhenPresent:
	}
	return runtimeconfig.IssuerWhenPresent
}

func convertScopes(s oauthv1alpha1.Scopes) runtimeconfig.Scopes {
	out := runtimeconfig.Scopes{
		Default: plain(s.Default), Allowed: plain(s.Allowed), Always: plain(s.Always),
		Separator: separator(s.Separator), Parameter: or(s.Parameter, "scope"), Omit: s.Sent == "Never",
	}
	for _, d := range s.Descriptions {
		if out.Descriptions == nil {
			out.Descriptions = map[string]string{}
		}
		out.Descriptions[string(d.Scope)] = d.Text
	}
	return out
}

func separator(s oauthv1alpha1.ScopeSeparator) string {
	switch s {
	case oauthv1alpha1.SeparatorComma:
		return ","
	case oauthv1alpha1.SeparatorPlus:
		return "+"
	case oauthv1alpha1.SeparatorSpace:
	}
	return " "
}

func convertClientAuth(a *oauthv1alpha1.ClientAuthentication) runtimeconfig.ClientAuth {
	if a == nil {
		return runtimeconfig.ClientAuth{Method: runtimeconfig.AuthBasic}
	}
	switch a.Method {
	case oauthv1alpha1.AuthClientSecretPost:
		return runtimeconfig.ClientAuth{Method: runtimeconfig.AuthPost}
	case oauthv1alpha1.AuthPrivateKeyJWT:
		as := deref(a.Assertion)
		return runtimeconfig.ClientAuth{
			Method: runtimeconfig.AuthPrivateKeyJWT, Algorithm: or(as.Algorithm, "RS256"),
			KeyID: as.KeyID, TokenEndpointAudience: as.Audience == "TokenEndpoint",
		}
	case oauthv1alpha1.AuthNone:
		return runtimeconfig.ClientAuth{Method: runtimeconfig.AuthNone}
	case oauthv1alpha1.AuthClientSecretBasic:
	}
	return runtimeconfig.ClientAuth{Method: runtimeconfig.AuthBasic, RawBasic: a.BasicEncoding == "Raw"}
}

func convertTokenRequest(t oauthv1alpha1.TokenRequest) runtimeconfig.TokenRequest {
	out := runtimeconfig.TokenRequest{JSON: t.ContentType == "JSON"}
	for _, h := range t.Headers {
		out.Headers = append(out.Headers, runtimeconfig.Parameter{Name: string(h.Name), Value: h.Value})
	}
	for _, o := range t.Omit {
		out.OmitGrantType = out.OmitGrantType || o == "grant_type"
		out.OmitRedirectURI = out.OmitRedirectURI || o == "redirect_uri"
	}
	return out
}

func convertTokenResponse(t oauthv1alpha1.TokenResponse) runtimeconfig.TokenResponse {
	out := runtimeconfig.TokenResponse{
		Format: runtimeconfig.FormatJSON, TokenTypes: t.TokenTypes,
		TokenTypeOptional: t.TokenType == "Optional", Milliseconds: t.ExpiresInUnit == "Milliseconds",
		ScopeSeparator: separator(t.ScopeSeparator),
	}
	switch t.Format {
	case "Form":
		out.Format = runtimeconfig.FormatForm
	case "ByContentType":
		out.Format = runtimeconfig.FormatByContentType
	}
	if e := t.ErrorWhen; e != nil {
		out.ErrorPath, out.ErrorEquals, out.ErrorCodePath = string(e.Path), e.Equals, string(e.ErrorPath)
	}
	p := deref(t.Paths)
	for member, path := range map[string]oauthv1alpha1.ResponsePath{
		"access_token": p.AccessToken, "refresh_token": p.RefreshToken, "expires_in": p.ExpiresIn,
		"scope": p.Scope, "token_type": p.TokenType, "id_token": p.IDToken,
	} {
		if path == "" {
			continue
		}
		if out.Paths == nil {
			out.Paths = map[string]string{}
		}
		out.Paths[member] = string(path)
	}
	return out
}

func convertIdentity(i oauthv1alpha1.Identity) runtimeconfig.Identity {
	out := runtimeconfig.Identity{
		IDToken: runtimeconfig.IDTokenValidated, Algorithms: i.Algorithms,
		Audiences: i.Audiences, OmitNonce: i.Nonce == "Omitted",
	}
	switch i.IDToken {
	case oauthv1alpha1.IDTokenRequired:
		out.IDToken = runtimeconfig.IDTokenRequired
	case oauthv1alpha1.IDTokenUnvalidated:
		out.IDToken = runtimeconfig.IDTokenUnvalidated
	case oauthv1alpha1.IDTokenValidated:
	}
	if len(out.Algorithms) == 0 {
		out.Algorithms = []string{"RS256"}
	}
	return out
}

func convertRefresh(r oauthv1alpha1.Refresh) runtimeconfig.Refresh {
	return runtimeconfig.Refresh{
		Unsupported: r.Mode == oauthv1alpha1.RefreshUnsupported,
		SingleUse:   r.Rotation == oauthv1alpha1.RotationSingleUse, Static: r.Rotation == oauthv1alpha1.RotationStatic,
		OmitScope: r.Scope == "Omitted", SendRedirectURI: r.RedirectURI == "Sent",
	}
}

func convertRevocation(r *oauthv1alpha1.Revocation) runtimeconfig.Revocation {
	if r == nil || r.Style == oauthv1alpha1.RevocationNone {
		return runtimeconfig.Revocation{Style: string(oauthv1alpha1.RevocationNone)}
	}
	grant := r.Effect == "Grant"
	return runtimeconfig.Revocation{
		Style: string(r.Style), Tokens: or(r.Tokens, "Both"), WholeGrant: grant,
		SharedDenied:   r.SharedCredentials == "Denied" || (r.SharedCredentials == "" && grant),
		TokenParameter: or(r.TokenParameter, "token"), ClientCredentials: or(r.ClientCredentials, "Authentication"),
		SuccessStatus: ints(r.SuccessStatus), GoneStatus: ints(r.GoneStatus),
	}
}

func ints(in []int32) []int {
	var out []int
	for _, i := range in {
		out = append(out, int(i))
	}
	return out
}

func convertResource(r oauthv1alpha1.ResourceIndicator) runtimeconfig.Resource {
	out := runtimeconfig.Resource{Mode: runtimeconfig.ResourcePass, Parameter: or(r.Parameter, "resource"), Allowed: r.Allowed}
	switch r.Mode {
	case "Fixed":
		out.Mode = runtimeconfig.ResourceFixed
	case "Omit":
		out.Mode = runtimeconfig.ResourceOmit
	}
	sentOn := r.SentOn
	if len(sentOn) == 0 {
		sentOn = []string{"Authorize", "Token", "Refresh"}
	}
	for _, s := range sentOn {
		out.OnAuthorize = out.OnAuthorize || s == "Authorize"
		out.OnToken = out.OnToken || s == "Token"
		out.OnRefresh = out.OnRefresh || s == "Refresh"
	}
	return out
}

func convertRegistration(r oauthv1alpha1.Registration) runtimeconfig.Registration {
	out := runtimeconfig.Registration{Mode: or(r.Mode, "Disabled"), Anonymous: r.Anonymous == "Allowed" && r.Mode == "Open"}
	if out.Mode == "Disabled" {
		return out
	}
	if out.Mode == "InitialAccessToken" {
		out.Scheme = or(r.AuthorizationScheme, "Bearer")
	}
	for _, m := range r.Metadata {
		out.Metadata = append(out.Metadata, runtimeconfig.Parameter{Name: m.Name, Value: m.Value})
	}
	return out
}
