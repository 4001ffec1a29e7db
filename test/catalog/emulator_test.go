// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// mistake is a wrong line in a manifest, and the step at which the emulated
// vendor must notice it.
type mistake struct {
	name, vendor string
	make         func(v *runtimeconfig.Vendor, t *runtimeconfig.Target)
	step         string // sign in, refresh, revoke
}

func mistakes() []mistake {
	return []mistake{
		{"no PKCE", "google", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.PKCE = false }, "sign in"},
		{"PKCE where there is none", "slack", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.PKCE = true }, "sign in"},
		{"secret in the body", "figma", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.ClientAuth.Method = runtimeconfig.AuthPost }, "sign in"},
		{"secret in a header", "github", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.ClientAuth.Method = runtimeconfig.AuthBasic }, "sign in"},
		{"spaces between scopes", "linear", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.Scopes.Separator = " " }, "sign in"},
		{"bot scopes for a user", "slack-user", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.Scopes.Parameter = "scope" }, "sign in"},
		{"scopes where none are sent", "notion", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.Scopes.Omit = false }, "sign in"},
		{"no offline_access", "atlassian", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.Scopes.Always = nil }, "sign in"},
		{"form instead of JSON", "zendesk", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.TokenRequest.JSON = false }, "sign in"},
		{"a header less", "notion", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.TokenRequest.Headers = nil }, "sign in"},
		{"response_type where there is none", "hubspot", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.Authorize.OmitResponseType = false }, "sign in"},
		{"a parameter less", "google", func(_ *runtimeconfig.Vendor, t *runtimeconfig.Target) { t.AuthorizeParameters = nil }, "sign in"},
		{"a token parameter less", "shopify", func(_ *runtimeconfig.Vendor, t *runtimeconfig.Target) { t.TokenParameters = nil }, "sign in"},
		{"the endpoint's query lost", "ramp-mcp", func(_ *runtimeconfig.Vendor, t *runtimeconfig.Target) {
			t.Endpoints.Authorization, _, _ = strings.Cut(t.Endpoints.Authorization, "?")
		}, "sign in"},
		{"no resource", "datadog-mcp", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.Resource.Mode = runtimeconfig.ResourceOmit }, "sign in"},
		{"a resource too many", "microsoft-agent365", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) {
			v.Resource.Mode, v.Resource.OnAuthorize = runtimeconfig.ResourcePass, true
		}, "sign in"},
		{"a slash less", "sentry", func(_ *runtimeconfig.Vendor, t *runtimeconfig.Target) {
			t.Endpoints.Token = strings.TrimSuffix(t.Endpoints.Token, "/")
		}, "sign in"},
		{"long state", "dropbox", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.Authorize.HandleState = false }, "sign in"},
		{"bot is no token type", "slack", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.TokenResponse.TokenTypes = nil }, "sign in"},
		{"nested token not found", "slack-user", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.TokenResponse.Paths = nil }, "sign in"},
		{"token_type wanted", "shopify", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.TokenResponse.TokenTypeOptional = false }, "sign in"},
		{"another issuer of ID tokens", "google", func(_ *runtimeconfig.Vendor, t *runtimeconfig.Target) { t.IDTokenIssuer += "/other" }, "sign in"},
		{"own callback forgotten", "okta", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.Callback.Path = runtimeconfig.CallbackVendor }, "sign in"},
		{"refresh at the token endpoint", "figma", func(_ *runtimeconfig.Vendor, t *runtimeconfig.Target) {
			t.Endpoints.Refresh = t.Endpoints.Authorization
		}, "refresh"},
		{"no redirect URI at refresh", "gitlab", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.Refresh.SendRedirectURI = false }, "refresh"},
		{"scope at refresh", "google", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.Refresh.OmitScope = false }, "refresh"},
		{"client credentials to revoke", "google", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.Revocation.Style = "RFC7009" }, "revoke"},
		{"form to revoke", "supabase", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.Revocation.Style = "RFC7009" }, "revoke"},
		{"another name for the token", "supabase", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.Revocation.TokenParameter = "token" }, "revoke"},
		{"Basic to revoke", "supabase", func(v *runtimeconfig.Vendor, _ *runtimeconfig.Target) { v.Revocation.ClientCredentials = "Basic" }, "revoke"},
	}
}

// TestEmulator_noticesMistakes is the test of the tests: an emulator that let
// everything pass would prove nothing about the catalog.
func TestEmulator_noticesMistakes(t *testing.T) {
	w := newWorld(t)
	for _, m := range mistakes() {
		t.Run(m.name+"/"+m.vendor, func(t *testing.T) {
			w.h.Apply(spoil(w.document, m))
			if got := w.failsAt(m.vendor); got != m.step {
				t.Errorf("noticed at %q, want %q", got, m.step)
			}
		})
	}
}

func spoil(d runtimeconfig.Document, m mistake) runtimeconfig.Document {
	d.Vendors, d.Credentials = slices.Clone(d.Vendors), slices.Clone(d.Credentials)
	vendor := slices.IndexFunc(d.Vendors, func(v runtimeconfig.Vendor) bool { return v.Name == m.vendor })
	own := slices.IndexFunc(d.Credentials, func(c runtimeconfig.Credential) bool {
		return c.Vendor == m.vendor && c.Source == runtimeconfig.SourceBYOC
	})
	target := *d.Credentials[own].Target
	m.make(&d.Vendors[vendor], &target)
	d.Credentials[own].Target = &target
	return d
}

// failsAt walks with the tenant's own app, and asks for two scopes and a
// resource where the vendor has any.
func (w *world) failsAt(vendor string) string {
	l := w.login(vendor, ownClient)
	i := slices.IndexFunc(w.document.Vendors, func(v runtimeconfig.Vendor) bool { return v.Name == vendor })
	if !slices.Contains(w.document.Vendors[i].Scopes.Allowed, "mcp_all") {
		l.Params.Set("scope", strings.TrimSpace(strings.Join(w.document.Vendors[i].Scopes.Default, " ")+" other"))
	}
	if vendor == "microsoft-agent365" {
		l.Params.Set("resource", "https://agent365.svc.cloud.microsoft/agents")
	}
	to := l.Authorize()
	if to.Location == nil || to.Query("error") != "" {
		return "sign in"
	}
	back := l.Browser.Get(to.Location.String())
	if back.Location == nil {
		return "sign in"
	}
	if l.Code = l.Browser.Get(back.Location.String()).Query("code"); l.Code == "" {
		return "sign in"
	}
	answer := w.token(l, l.Form())
	if answer.Status != http.StatusOK {
		return "sign in"
	}
	refresh := answer.Text("refresh_token")
	if refresh == "" {
		return "refresh"
	}
	answer = w.token(l, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
	if answer.Status != http.StatusOK {
		return "refresh"
	}
	if next := answer.Text("refresh_token"); next != "" {
		refresh = next
	}
	answer = w.h.Token(strings.TrimSuffix(l.TokenURL, "token")+"revoke", url.Values{"token": {refresh}}, harness.Basic(ownClient, brokerSecret))
	if answer.Status != http.StatusOK {
		return "revoke"
	}
	return ""
}
