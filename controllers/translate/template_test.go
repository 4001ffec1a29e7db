// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"net/url"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// templated makes the inputs of one tenant that gives value to the variable of
// a vendor with the given pattern and token endpoint.
func templated(pattern, token, value string) translate.Inputs {
	vendor := &oauthv1alpha1.OAuthVendor{
		ObjectMeta: metav1.ObjectMeta{Name: "acme", UID: "v"},
		Spec: oauthv1alpha1.OAuthVendorSpec{
			Variables: []oauthv1alpha1.Variable{{Name: "t", Pattern: pattern}},
			Endpoints: &oauthv1alpha1.Endpoints{Authorization: "https://acme.example/a", Token: oauthv1alpha1.EndpointURL(token)},
			Callback:  &oauthv1alpha1.Callback{Path: oauthv1alpha1.CallbackCredential},
		},
	}
	credential := &oauthv1alpha1.BYOCCredential{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "acme", UID: "c"},
		Spec: oauthv1alpha1.BYOCCredentialSpec{
			Vendor: "acme", SecretRef: &oauthv1alpha1.SecretReference{Name: "s"},
			Variables: []oauthv1alpha1.VariableValue{{Name: "t", Value: value}},
		},
	}
	return translate.Inputs{
		Settings:    translate.Settings{PublicURL: "https://broker.example", OperatorNamespace: "oauth-broker"},
		Vendors:     []*oauthv1alpha1.OAuthVendor{vendor},
		Credentials: []*oauthv1alpha1.BYOCCredential{credential},
		Secrets: map[types.NamespacedName]translate.Secret{{Namespace: "team-a", Name: "s"}: {
			Data: map[string]secret.Text{"clientID": secret.New("id"), "clientSecret": secret.New("CANARY-secret")},
		}},
	}
}

// TestTranslate_tenantValueKeepsTheHost is case J1 of the attack list. The
// pattern takes anything, as if its author had made the worst mistake.
func TestTranslate_tenantValueKeepsTheHost(t *testing.T) {
	const anything = `^(?s).*$`
	for _, value := range []string{
		"evil.com/", "evil.com#", "a@evil.com", "..", ".", "a.", ".a", "-", "%2f", "a\nb", "evil.com?x=", `evil.com\`, "evil.com:443", "ü", "", " ", "{t}",
		"a..b", strings.Repeat("a", 64), strings.Repeat("a.", 64), "\x00",
	} {
		for _, token := range []string{"https://{t}.acme.example/token", "https://x-{t}.acme.example/token"} {
			out := translate.Translate(templated(anything, token, value))
			c := out.Document.Credentials[0]
			if c.NotReady != oauthv1alpha1.ReasonInvalid || c.Target != nil || !c.ClientSecret.Empty() || c.ClientID != "" {
				t.Errorf("value %q in %s: got target %+v", value, token, c.Target)
			}
		}
	}
	for _, value := range []string{"one", "one.two", "One-1", "evil.com"} {
		out := translate.Translate(templated(anything, "https://{t}.acme.example/token", value))
		if c := out.Document.Credentials[0]; c.Target == nil || c.Target.Endpoints.Token != "https://"+value+".acme.example/token" {
			t.Errorf("value %q: %+v", value, out.Verdicts[0])
		}
	}
}

func TestTranslate_patternIsAnchored(t *testing.T) {
	for pattern, bad := range map[string]string{
		`^(?m)^good$`:     "good-bad",
		`^good$`:          "good.",
		`^(?i)[a-z]+$`:    "a1",
		`^a$|^b$`:         "ab",
		`^[a-z]{2}-prod$`: "xeu-prod",
	} {
		out := translate.Translate(templated(pattern, "https://{t}.acme.example/token", bad))
		if c := out.Document.Credentials[0]; c.NotReady == "" {
			t.Errorf("pattern %s took %q", pattern, bad)
		}
	}
}

func TestTranslate_hostTemplates(t *testing.T) {
	for token, ok := range map[string]bool{
		"https://{t}.acme.example/token":            true,
		"https://{t}-api.acme.example/token":        true,
		"https://{t}.co.uk/token":                   false,
		"https://{t}.CO.UK/token":                   false,
		"https://{t}-app.com.au:8443/token":         false,
		"https://x-{t}.kobe.jp/token":               false, // *.kobe.jp: each is a suffix
		"https://{t}.{t}.co.uk/token":               false,
		"https://{t}.acme.co.uk/token":              true,
		"https://{t}.myshopify.com/token":           true, // one company's, which gives names to its customers
		"https://{t}/token":                         true, // the pattern says which hosts
		"https://acme.example/{t}/token":            true,
		"https://acme.example/token?tenant={t}":     true,
		"https://{t}.acme.example:8443/token":       true,
		"https://{t}acme.example/token":             false,
		"https://{t}.example/token":                 false,
		"https://{t}.com:8443/token":                false,
		"https://{t}-app.com/token":                 false,
		"https://x-{t}.com/token":                   false,
		"https://x-{t}.acme.example/token":          true,
		"https://{t}app.acme.example/token":         false,
		"https://{t}..example/token":                false,
		"https://login.{t}/token":                   false,
		"https://acme.example.{t}/token":            false,
		"https://{t}.{t}/token":                     false,
		"https://{t}.{t}.example/token":             false,
		"https://{t}.{t}.acme.example/token":        true,
		"https://{t}.acme.{t}.example/token":        false,
		"https://{t}{t}.acme.example/token":         false,
		"https://{t}.":                              false,
		"https://acme.example:{t}/token":            false,
		"https://acme.example:44{t}/token":          false,
		"http://{t}.localhost/token":                false,
		"http://{t}/token":                          false,
		"https://acme.example/{other}":              false,
		"https://{t}@acme.example/token":            false,
		"https://acme.example/token#{t}":            false,
		"https://acme.example/{t}/../token":         false,
		"https://acme.example/%2e%2e/{t}":           false,
		"https://acme.example\\{t}.example/token":   false,
		"https://acme.example/{not a name}/{t}":     false,
		"//acme.example/{t}":                        false,
		"https:///{t}":                              false,
		"https://acme.example:0/{t}":                false,
		"https://acme_.example/{t}":                 false,
		"https://{t}.acme.example.:443x/token":      false,
		"https://[fe80::1%25eth0]/{t}":              false,
		"https://acme.example/token\r\nX: y?t={t}":  false,
		"https://acme.example/{t}/.well-known/x":    true,
		"https://acme.example/{t}.example/%7Btoken": true,
		"https://acme.example/{t}?x=100%25":         true,
		"https://acme.example/{t}?x=100%":           false,
		"https://acme.example/{t}?x=1;y=2":          false,
	} {
		out := translate.Translate(templated(`^[a-z.]+$`, token, "one.two"))
		got := len(out.Document.Credentials) == 1 && out.Document.Credentials[0].Target != nil
		if got != ok {
			t.Errorf("%s: accepted %v, want %v: %+v", token, got, ok, out.Verdicts)
		}
	}
}

// TestTranslate_hostTemplatesWithEnum: the values of an enum are the vendor
// author's own words, so their labels count as fixed ones.
func TestTranslate_hostTemplatesWithEnum(t *testing.T) {
	for _, c := range []struct {
		token string
		zones []string
		ok    bool
	}{
		{"https://{t}.{zone}/token", []string{"acme.example", "acme-preview.example"}, true},
		{"https://{t}.{zone}/token", []string{"acme.example", "example"}, false},
		{"https://{t}.{zone}.example/token", []string{"eu", "us"}, true},
		{"https://{t}.acme.{zone}/token", []string{"example", "test"}, true},
		{"https://{t}.{zone}/token", []string{".example", "acme.example"}, false},
		{"https://{t}{zone}/token", []string{".acme.example"}, true},
		{"https://{zone}.{t}.acme.example/token", []string{"eu"}, true},
		{"https://{zone}.{t}/token", []string{"eu"}, false},
		{"https://login.{zone}/token", []string{"example"}, true},
		{"https://{t}.{zone}/token", []string{"acme.example", "co.uk"}, false},
		{"https://{t}.acme.{zone}/token", []string{"example", "co.uk"}, true},
	} {
		in := templated(`^[a-z]+$`, c.token, "one")
		in.Vendors[0].Spec.Variables = append(in.Vendors[0].Spec.Variables, oauthv1alpha1.Variable{Name: "zone", Enum: c.zones, Default: c.zones[0]})
		out := translate.Translate(in)
		if got := len(out.Document.Credentials) == 1; got != c.ok {
			t.Errorf("%s with zone %v: accepted %v, want %v: %+v", c.token, c.zones, got, c.ok, out.Verdicts)
		}
	}
}

func TestTranslate_variableGivesNoIPAddress(t *testing.T) {
	for _, value := range []string{"127.0.0.1", "169.254.169.254", "10.0.0.1"} {
		out := translate.Translate(templated(`^[0-9.]+$`, "https://{t}/token", value))
		if out.Document.Credentials[0].Target != nil {
			t.Errorf("%s became a host", value)
		}
	}
}

// FuzzTranslate_template: whatever a tenant says, a published token endpoint
// keeps scheme, host suffix and path of the vendor's template.
func FuzzTranslate_template(f *testing.F) {
	for _, v := range []string{"one", "evil.com/", "a@b", "..", "%2f", "a:1", "[::1]", "{t}", "a b", "\u2028", "xn--a"} {
		f.Add(v, "https://{t}.acme.example/token")
		f.Add(v, "https://acme.example/{t}/token?x={t}")
	}
	f.Fuzz(func(t *testing.T, value, token string) {
		out := translate.Translate(templated(`^(?s).*$`, token, value))
		for _, c := range out.Document.Credentials {
			if c.Target == nil {
				continue
			}
			got := c.Target.Endpoints.Token
			u, err := url.Parse(got)
			if err != nil || u.User != nil || u.Fragment != "" || strings.Contains(got, "{") {
				t.Fatalf("%q with %q became %q", token, value, got)
			}
			if want := strings.ReplaceAll(token, "{t}", value); got != want {
				t.Fatalf("%q with %q became %q", token, value, got)
			}
			if strings.HasPrefix(token, "https://{t}.acme.example/") && (u.Scheme != "https" || !strings.HasSuffix(u.Host, ".acme.example")) {
				t.Fatalf("%q with %q left the domain: %q", token, value, got)
			}
		}
	})
}

// GitHub names the client in the path of its revocation endpoint.
func TestTranslate_revocationMayNameTheClient(t *testing.T) {
	for revocation, good := range map[string]bool{
		"https://acme.example/applications/{client_id}/token": true,
		"https://acme.example/{client_id}?again={client_id}":  true,
		"https://{client_id}.acme.example/token":              false,
		"https://acme.example:{client_id}/token":              false,
		"https://acme.example/{client_secret}":                false,
		"https://acme.example/{client_id}/{other":             false,
		"https://acme.example/../{client_id}":                 false,
	} {
		in := templated(`^[a-z]+$`, "https://acme.example/token", "a")
		in.Vendors[0].Spec.Endpoints.Revocation = oauthv1alpha1.EndpointURL(revocation)
		out := translate.Translate(in)
		switch target := out.Document.Credentials; {
		case !good && len(target) > 0 && target[0].Target != nil:
			t.Errorf("%s: accepted", revocation)
		case good && (len(target) == 0 || target[0].Target == nil || target[0].Target.Endpoints.Revocation != revocation):
			t.Errorf("%s: %+v", revocation, out.Verdicts)
		}
	}
}
