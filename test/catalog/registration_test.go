// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// registered is what an endpoint registers whatever it is asked for.
type registered struct {
	methods []string // one of which the app has
	scopes  []string // all that the app may ask for; nil: no such limit
}

func registrars() map[string]registered {
	return map[string]registered{
		// gitlab-org/gitlab spec/requests/oauth/dynamic_registrations_controller_spec.rb: no secret in the answer, always the scope mcp.
		"https://gitlab.com/oauth/register": {[]string{"none"}, []string{"mcp"}},
		// Their metadata lists no other methods.
		"https://auth.monday.com/oauth_ms/oauth/register":       {[]string{"client_secret_post", "client_secret_basic"}, nil},
		"https://api.supabase.com/platform/oauth/apps/register": {[]string{"client_secret_basic", "client_secret_post"}, nil},
		"https://app.datadoghq.com/api/v2/oauth2/register":      {[]string{"none"}, []string{"mcp_all"}},
		"https://access.stripe.com/mcp/oauth2/register":         {[]string{"none"}, []string{"mcp"}},
	}
}

// TestCatalog_registeredAppsWork lets the operator register an app wherever the
// manifest says that it may, and holds what such an app is to the manifest.
func TestCatalog_registeredAppsWork(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range Vendors(t) {
		in := registering(t, v)
		out := translate.Translate(in)
		i := slices.IndexFunc(out.Document.Vendors, func(x runtimeconfig.Vendor) bool { return x.Name == v.Name })
		vendor := out.Document.Vendors[i]
		if vendor.Registration.Mode != "Open" || vendor.Target == nil {
			continue
		}
		r, known := registrars()[vendor.Target.Endpoints.Registration]
		if !known {
			continue
		}
		seen[vendor.Target.Endpoints.Registration] = true
		if !slices.Contains(r.methods, string(vendor.ClientAuth.Method)) {
			t.Errorf("%s: clientAuthentication.method is %s, the vendor registers %v", v.Name, vendor.ClientAuth.Method, r.methods)
			continue
		}
		for _, s := range slices.Concat(vendor.Scopes.Default, vendor.Scopes.Always) {
			if r.scopes != nil && !slices.Contains(r.scopes, s) {
				t.Errorf("%s: asks for %s, an app that was registered may ask for %v", v.Name, s, r.scopes)
			}
		}
		own := slices.IndexFunc(out.Document.Credentials, func(c runtimeconfig.Credential) bool { return c.Source == runtimeconfig.SourceBYOC })
		if c := out.Document.Credentials[own]; c.NotReady != "" || c.ClientID != "registered" {
			t.Errorf("%s: what was registered is not used: %s", v.Name, c.NotReady)
		}
	}
	for endpoint := range registrars() {
		if !seen[endpoint] {
			t.Errorf("no vendor registers at %s", endpoint)
		}
	}
}

// registering is a tenant's credential that the operator registered.
func registering(t *testing.T, v *oauthv1alpha1.OAuthVendor) translate.Inputs {
	t.Helper()
	in := Inputs([]*oauthv1alpha1.OAuthVendor{v})
	in.Discovered, in.Settings.Registers = Discovered(t), true
	method, values := "none", map[string]secret.Text{oauthv1alpha1.SecretKeyClientID: secret.New("registered")}
	if a := v.Spec.ClientAuthentication; a != nil && a.Method != oauthv1alpha1.AuthNone {
		method = map[oauthv1alpha1.ClientAuthenticationMethod]string{oauthv1alpha1.AuthClientSecretPost: "client_secret_post"}[a.Method]
		if method == "" {
			method = "client_secret_basic"
		}
		values[oauthv1alpha1.SecretKeyClientSecret] = secret.New("secret-of-the-registered-app")
	}
	values[oauthv1alpha1.SecretKeyTokenEndpointAuthMethod] = secret.New(method)
	in.Credentials = []*oauthv1alpha1.BYOCCredential{{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "own", UID: "own"},
		Spec:       oauthv1alpha1.BYOCCredentialSpec{Vendor: v.Name, DynamicRegistration: &oauthv1alpha1.DynamicRegistration{}},
	}}
	in.Secrets[types.NamespacedName{Namespace: OperatorNamespace, Name: oauthv1alpha1.RegistrationSecretName("own")}] = translate.Secret{UID: "uid-own", ResourceVersion: "1", Data: values}
	return in
}
