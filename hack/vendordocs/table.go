// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
)

// table has a row for each vendor.
func table(vendors []*oauthv1alpha1.OAuthVendor) string {
	var b strings.Builder
	b.WriteString("| vendor | set up | BYOC | DCR | PKCE | refresh | revocation | callback path |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, v := range vendors {
		cells := []string{
			fmt.Sprintf("[%s](%s.md)", v.Spec.Display.Name, v.Name),
			setUp(v), byoc(v), registration(v), pkce(v), refresh(v), revocation(v), "`" + callback(v) + "`",
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	return b.String()
}

// perTenant: some variable has no default, so only a tenant's own credential
// can be used.
func perTenant(v *oauthv1alpha1.OAuthVendor) bool {
	return slices.ContainsFunc(v.Spec.Variables, func(x oauthv1alpha1.Variable) bool { return x.Default == "" })
}

func open(v *oauthv1alpha1.OAuthVendor) bool {
	return v.Spec.Registration != nil && v.Spec.Registration.Mode == "Open"
}

func setUp(v *oauthv1alpha1.OAuthVendor) string {
	public := v.Spec.ClientAuthentication != nil && v.Spec.ClientAuthentication.Method == oauthv1alpha1.AuthNone
	switch {
	case perTenant(v):
		return "app, each tenant"
	case open(v) && public:
		return "register"
	case open(v):
		return "app, or register"
	}
	return "app"
}

func byoc(v *oauthv1alpha1.OAuthVendor) string {
	switch {
	case v.Spec.BYOC != nil && v.Spec.BYOC.AllowedNamespaces != nil && v.Spec.BYOC.AllowedNamespaces.From == oauthv1alpha1.NamespacesNone:
		return "no"
	case v.Spec.Credentials == nil:
		return "only"
	}
	return "yes"
}

func registration(v *oauthv1alpha1.OAuthVendor) string {
	if r := v.Spec.Registration; r != nil && r.Mode == "InitialAccessToken" {
		return "with a token"
	}
	if open(v) {
		return "open"
	}
	return "no"
}

func pkce(v *oauthv1alpha1.OAuthVendor) string {
	if v.Spec.PKCE == oauthv1alpha1.PKCENone {
		return "no"
	}
	return "S256"
}

func refresh(v *oauthv1alpha1.OAuthVendor) string {
	r := v.Spec.Refresh
	switch {
	case r == nil:
		return "rotating"
	case r.Mode == oauthv1alpha1.RefreshUnsupported:
		return "none"
	case r.Rotation == oauthv1alpha1.RotationStatic:
		return "static"
	case r.Rotation == oauthv1alpha1.RotationSingleUse:
		return "single use"
	}
	return "rotating"
}

func revocation(v *oauthv1alpha1.OAuthVendor) string {
	r := v.Spec.Revocation
	var text string
	switch {
	case r == nil && v.Spec.Discovery != nil:
		return "discovered"
	case r == nil || r.Style == oauthv1alpha1.RevocationNone:
		return "none"
	case r.Style == oauthv1alpha1.RevocationRFC7009 || r.Style == oauthv1alpha1.RevocationRFC7009Unauthenticated:
		text = "standard"
	default:
		text = "own way"
	}
	switch r.Tokens {
	case "Access":
		text += ", access tokens"
	case "Refresh":
		text += ", refresh tokens"
	}
	if r.Effect == "Grant" {
		text += ", whole grant"
	}
	return text
}

func callback(v *oauthv1alpha1.OAuthVendor) string {
	if v.Spec.Callback != nil {
		switch v.Spec.Callback.Path {
		case oauthv1alpha1.CallbackVendor:
			return "/v1/callback/" + v.Name
		case oauthv1alpha1.CallbackCredential:
			return "/v1/callback/" + v.Name + "/NAMESPACE.CREDENTIAL"
		case oauthv1alpha1.CallbackShared:
		}
	}
	return "/v1/callback"
}
