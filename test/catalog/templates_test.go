// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// good are values that each free-form variable takes.
func good() map[string][]string {
	return map[string][]string{
		"microsoft-agent365/tenant":    {"organizations", "contoso.onmicrosoft.com", "0f8fad5b-d9cb-469f-a165-70867728950e"},
		"salesforce-mydomain/mydomain": {"acme", "acme--dev.sandbox"},
		"okta/org":                     {"acme", "dev-123456"},
		"okta-custom/org":              {"acme"},
		"okta-custom/server":           {"default", "aus4a3k2b1"},
		"auth0/tenant":                 {"acme", "acme.eu", "acme-1.us-3"},
		"zendesk/subdomain":            {"acme", "acme-1"},
		"shopify/shop":                 {"acme", "acme-store-2"},
	}
}

// hostile is section J1 of the attack list: values that would lead a client
// secret to another host, or to another path of the right one.
func hostile() []string {
	return []string{
		"evil.com/", "evil.com#", "evil.com?", "a@evil.com", "evil.com:443", `evil.com\`, "evil.com/.acme", "..", ".", "a..b", "../x", "a/b", "%2f", "%2e%2e",
		"a\nb", "a\r\nHost: evil.com", "\x00", " ", "", "a b", "{tenant}", "{host}", "ü", "acme.evil.com.", "-", "-a", "a-.", "127.0.0.1/", "[::1]",
		"evil.com;", "evil.com,", "$(x)", "a&b=c", "acme.", ".acme", strings.Repeat("a", 200),
	}
}

// tenant gives one variable of a vendor a value, and good ones to the others.
func tenant(v *oauthv1alpha1.OAuthVendor, name, value string) translate.Inputs {
	in := Inputs([]*oauthv1alpha1.OAuthVendor{v})
	credential := &oauthv1alpha1.BYOCCredential{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "own", UID: "own"},
		Spec:       oauthv1alpha1.BYOCCredentialSpec{Vendor: v.Name, SecretRef: &oauthv1alpha1.SecretReference{Name: "own"}},
	}
	for _, x := range v.Spec.Variables {
		given := oauthv1alpha1.VariableValue{Name: x.Name, Value: x.Default}
		switch {
		case x.Name == name:
			given.Value = value
		case x.Default == "":
			given.Value = good()[v.Name+"/"+x.Name][0]
		}
		credential.Spec.Variables = append(credential.Spec.Variables, given)
	}
	in.Credentials = []*oauthv1alpha1.BYOCCredential{credential}
	in.Secrets[types.NamespacedName{Namespace: "team-a", Name: "own"}] = App("own-app")
	return in
}

func byoc(t *testing.T, in translate.Inputs) runtimeconfig.Credential {
	t.Helper()
	out := translate.Translate(in)
	i := slices.IndexFunc(out.Document.Credentials, func(c runtimeconfig.Credential) bool { return c.Source == runtimeconfig.SourceBYOC })
	if i < 0 {
		t.Fatalf("no credential is published: %+v", out.Verdicts)
	}
	return out.Document.Credentials[i]
}

func TestTemplates_refuseHostInjection(t *testing.T) {
	for _, v := range Vendors(t) {
		for _, x := range v.Spec.Variables {
			for _, value := range hostile() {
				c := byoc(t, tenant(v, x.Name, value))
				if c.Target != nil || c.NotReady == "" || !c.ClientSecret.Empty() {
					t.Errorf("%s: %s=%q leads to %+v", v.Name, x.Name, value, c.Target)
				}
			}
			if x.Pattern == "" {
				continue
			}
			for _, outside := range []string{"evil.com", "localhost", "169.254.169.254"} {
				if c := byoc(t, tenant(v, x.Name, outside)); c.Target != nil && !atHome(v, hosts(t, c.Target)[0]) {
					t.Errorf("%s: %s=%s leads to %v", v.Name, x.Name, outside, hosts(t, c.Target))
				}
			}
		}
	}
}

func TestTemplates_takeGoodValues(t *testing.T) {
	for _, v := range Vendors(t) {
		for _, x := range v.Spec.Variables {
			values := slices.Concat(x.Enum, good()[v.Name+"/"+x.Name])
			if len(values) == 0 {
				t.Errorf("%s: no good value of %s is tested", v.Name, x.Name)
			}
			for _, value := range values {
				c := byoc(t, tenant(v, x.Name, value))
				if c.Target == nil || c.NotReady != "" {
					t.Errorf("%s: %s=%s is refused: %s", v.Name, x.Name, value, c.NotReady)
					continue
				}
				for _, h := range hosts(t, c.Target) {
					if x.Pattern != "" && !atHome(v, h) {
						t.Errorf("%s: %s=%s leads to %s", v.Name, x.Name, value, h)
					}
				}
			}
		}
	}
}

// atHome tells whether a host belongs to a vendor with free-form variables.
func atHome(v *oauthv1alpha1.OAuthVendor, host string) bool {
	return slices.ContainsFunc(map[string][]string{
		"microsoft-agent365":  {"login.microsoftonline.com"},
		"salesforce-mydomain": {".my.salesforce.com"},
		"okta":                {".okta.com", ".oktapreview.com", ".okta-emea.com"},
		"okta-custom":         {".okta.com", ".oktapreview.com", ".okta-emea.com"},
		"auth0":               {".auth0.com"},
		"zendesk":             {".zendesk.com"},
		"shopify":             {".myshopify.com"},
	}[v.Name], func(domain string) bool { return strings.HasSuffix(host, domain) })
}

// hosts are those that get a client secret or a user.
func hosts(t *testing.T, target *runtimeconfig.Target) []string {
	t.Helper()
	var out []string
	for _, e := range []string{target.Endpoints.Authorization, target.Endpoints.Token, target.Endpoints.Refresh, target.Endpoints.Revocation} {
		if e == "" {
			continue
		}
		u, err := url.Parse(e)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, u.Host)
	}
	return out
}
