// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

// required are the vendors that the catalog must never lose.
func required() []string {
	return []string{
		"github", "asana", "asana-mcp", "ramp", "ramp-mcp", "datadog", "microsoft-agent365",
		"google", "atlassian", "atlassian-mcp", "slack", "notion", "notion-mcp", "linear", "linear-mcp", "sentry", "sentry-mcp",
		"gitlab", "hubspot", "salesforce", "stripe", "figma", "cloudflare", "intercom", "paypal", "square", "zoom", "dropbox", "box",
		"airtable", "monday", "canva", "vercel", "supabase", "neon", "okta", "auth0", "zendesk", "shopify", "xero", "quickbooks",
	}
}

func TestCatalog_isValidAndComplete(t *testing.T) {
	vendors := Vendors(t)
	var names []string
	for _, v := range vendors {
		names = append(names, v.Name)
	}
	for _, r := range required() {
		if !slices.Contains(names, r) {
			t.Errorf("vendor %s is missing", r)
		}
	}
	if len(Manifests(t)) != len(vendors) {
		t.Errorf("%d manifests hold %d vendors: one vendor in each file", len(Manifests(t)), len(vendors))
	}
}

func TestCatalog_filesAreNamedAndListed(t *testing.T) {
	listed := Kustomization(t)
	if !slices.IsSorted(listed) {
		t.Error("kustomization.yaml is not sorted")
	}
	var files []string
	for _, f := range Manifests(t) {
		files = append(files, filepath.Base(f))
	}
	slices.Sort(files)
	if !slices.Equal(files, listed) {
		t.Errorf("kustomization.yaml lists %v, the folder holds %v", listed, files)
	}
	for _, v := range Vendors(t) {
		if !slices.Contains(files, v.Name+".yaml") {
			t.Errorf("vendor %s is not in %s.yaml", v.Name, v.Name)
		}
	}
}

func TestCatalog_manifestsAreSourced(t *testing.T) {
	for _, v := range Vendors(t) {
		for source := range strings.FieldsSeq(v.Annotations[AnnotationSource]) {
			if u, err := url.Parse(source); err != nil || u.Scheme != "https" || u.Host == "" {
				t.Errorf("%s: source %q is not an https URL", v.Name, source)
			}
		}
		if v.Annotations[AnnotationSource] == "" {
			t.Errorf("%s: annotation %s is missing", v.Name, AnnotationSource)
		}
		if _, err := time.Parse(time.DateOnly, v.Annotations[AnnotationChecked]); err != nil {
			t.Errorf("%s: annotation %s: %v", v.Name, AnnotationChecked, err)
		}
		if d := v.Spec.Display; d == nil || d.Name == "" || d.Category == "" || d.DocumentationURL == "" {
			t.Errorf("%s: display lacks name, category or documentationURL", v.Name)
		}
	}
}

// Nobody may use the platform's app before the platform team says so, and
// nothing in the catalog trusts a namespace.
func TestCatalog_grantsNothing(t *testing.T) {
	for _, v := range Vendors(t) {
		if c := v.Spec.Credentials; c != nil {
			if c.AllowedNamespaces != nil || c.SelfRegisteredClients == "Allowed" || c.FromEnvironment {
				t.Errorf("%s: credentials grant something", v.Name)
			}
			if c.SecretRef == nil || c.SecretRef.Name != v.Name+"-oauth" {
				t.Errorf("%s: credentials.secretRef is not %s-oauth", v.Name, v.Name)
			}
		} else if !hasFreeVariable(v) {
			t.Errorf("%s: has no credentials", v.Name)
		}
		if v.Spec.TrustedNamespaces != nil || v.Spec.RefreshTokens == oauthv1alpha1.RefreshTokensRaw {
			t.Errorf("%s: trusts namespaces or hands out raw refresh tokens", v.Name)
		}
		if r := v.Spec.Registration; r != nil && r.Anonymous == "Allowed" {
			t.Errorf("%s: registers for anonymous callers", v.Name)
		}
	}
}

// hasFreeVariable: such a vendor works with tenants' own credentials only.
func hasFreeVariable(v *oauthv1alpha1.OAuthVendor) bool {
	return slices.ContainsFunc(v.Spec.Variables, func(x oauthv1alpha1.Variable) bool { return x.Default == "" })
}

func TestCatalog_isAcceptedByTranslate(t *testing.T) {
	vendors := Vendors(t)
	in := Inputs(vendors)
	in.Discovered = Discovered(t)
	out := translate.Translate(in)
	if len(out.Verdicts) != len(vendors) {
		t.Fatalf("%d verdicts for %d vendors", len(out.Verdicts), len(vendors))
	}
	for _, v := range out.Verdicts {
		if !v.Accepted.OK || !v.ResolvedRefs.OK {
			t.Errorf("%s: Accepted %s: %s; ResolvedRefs %s: %s", v.Ref.Name, v.Accepted.Reason, v.Accepted.Message, v.ResolvedRefs.Reason, v.ResolvedRefs.Message)
		}
		if len(v.Items) == 0 {
			t.Errorf("%s: nothing is published", v.Ref.Name)
		}
	}
}

func TestCatalog_missingSecretsAreNamed(t *testing.T) {
	in := Inputs(Vendors(t))
	clear(in.Secrets)
	in.Discovered = Discovered(t)
	for _, v := range translate.Translate(in).Verdicts {
		if i := slices.IndexFunc(in.Vendors, func(o *oauthv1alpha1.OAuthVendor) bool { return o.Name == v.Ref.Name }); in.Vendors[i].Spec.Credentials == nil {
			continue
		}
		m := v.ResolvedRefs.Message
		if v.ResolvedRefs.OK || !strings.Contains(m, OperatorNamespace+"/"+v.Ref.Name+"-oauth") || !strings.Contains(m, "clientID") {
			t.Errorf("%s: ResolvedRefs %s says %q: want the Secret and its keys", v.Ref.Name, v.ResolvedRefs.Reason, m)
		}
	}
}

func TestCatalog_everyVendorHasAGuide(t *testing.T) {
	for _, v := range Vendors(t) {
		guide, err := os.ReadFile(filepath.Join(Root(), "docs", "vendors", v.Name+".md"))
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		text := string(guide)
		for _, heading := range []string{"## Set up", "## Scopes", "## Credentials", "## Tokens", "## Limits", "## Sources"} {
			if !strings.Contains(text, heading+"\n") {
				t.Errorf("%s: the guide has no %q", v.Name, heading)
			}
		}
		if !strings.Contains(text, "/v1/callback/"+v.Name) {
			t.Errorf("%s: the guide does not give the redirect URI", v.Name)
		}
		for source := range strings.FieldsSeq(v.Annotations[AnnotationSource]) {
			if !strings.Contains(text, source) {
				t.Errorf("%s: the guide does not list the source %s", v.Name, source)
			}
		}
		if v.Annotations[AnnotationUnverified] != "" && !strings.Contains(text, "## Unverified\n") {
			t.Errorf("%s: the guide does not carry what is unverified", v.Name)
		}
	}
}
