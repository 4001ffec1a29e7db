// SPDX-License-Identifier: Apache-2.0

package vendorcheck

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/discovery"
)

// compare reads the metadata document of a vendor and holds the manifest to it.
func (c *Checker) compare(ctx context.Context, v *checked) {
	spec := &v.object.Spec
	switch {
	case spec.Discovery != nil:
		body, err := c.Discovery.Fetch(ctx, spec)
		if err != nil {
			v.discovered = &translate.Discovered{Problem: err.Error()}
			return
		}
		d := discovery.Judge(body, spec)
		v.discovered = &d
		if d.Problem == "" {
			showEndpoints(v, d.Endpoints)
		}
		capabilities(v, body)
	case spec.Issuer == "":
		v.add(Finding{Field: "metadata", Result: Note, Message: "the manifest names no issuer, so there is no metadata document to compare with"})
	case strings.Contains(string(spec.Issuer), "{"):
		v.add(Finding{Field: "metadata", Result: Note, Message: "the issuer depends on the tenant, so there is no one metadata document to compare with"})
	default:
		c.compareWritten(ctx, v)
	}
}

// compareWritten holds endpoints that are written out to a document that the
// vendor may have.
func (c *Checker) compareWritten(ctx context.Context, v *checked) {
	var body []byte
	var problems []string
	for _, kind := range []oauthv1alpha1.DiscoveryType{oauthv1alpha1.DiscoveryOAuth, oauthv1alpha1.DiscoveryOpenIDConnect} {
		spec := v.object.Spec.DeepCopy()
		spec.Discovery = &oauthv1alpha1.Discovery{Type: kind}
		b, err := c.Discovery.Fetch(ctx, spec)
		if err == nil {
			body = b
			break
		}
		problems = append(problems, fmt.Sprintf("%s: %s", kind, err))
	}
	if body == nil {
		v.add(Finding{Field: "metadata", Result: Note, Message: "no metadata document can be read (" + strings.Join(problems, "; ") + "); the manifest needs none"})
		return
	}
	m, err := members(body)
	if err != nil {
		v.add(Finding{Field: "metadata", Result: Note, Message: "the metadata document is not a JSON object; the manifest needs none"})
		return
	}
	v.add(same("issuer", string(v.object.Spec.Issuer), text(m, "issuer")))
	e := v.object.Spec.Endpoints
	for _, pair := range []struct{ field, written, member string }{
		{"authorization", string(e.Authorization), "authorization_endpoint"},
		{"token", string(e.Token), "token_endpoint"},
		{"revocation", string(e.Revocation), "revocation_endpoint"},
		{"introspection", string(e.Introspection), "introspection_endpoint"},
		{"userinfo", string(e.Userinfo), "userinfo_endpoint"},
		{"jwks", string(e.JWKS), "jwks_uri"},
		{"registration", string(e.Registration), "registration_endpoint"},
	} {
		if pair.written != "" || text(m, pair.member) != "" {
			v.add(same("endpoints."+pair.field, pair.written, text(m, pair.member)))
		}
	}
	capabilities(v, body)
}

// same compares; what only one side has is worth a note and no more, since a
// vendor may do more than its document says, and the manifest need not use all.
func same(field, written, found string) Finding {
	f := Finding{Field: field, Manifest: written, Metadata: found, Result: OK}
	switch {
	case written == found:
	case written == "":
		f.Result, f.Message = Note, "only in the metadata document"
	case found == "":
		f.Result, f.Message = Note, "only in the manifest"
	default:
		f.Result, f.Message = Drift, "the metadata document says otherwise"
	}
	return f
}

// showEndpoints lists what a discovered vendor would be served with.
func showEndpoints(v *checked, e *oauthv1alpha1.Endpoints) {
	for _, pair := range []struct {
		field string
		url   oauthv1alpha1.EndpointURL
	}{
		{"authorization", e.Authorization}, {"token", e.Token}, {"revocation", e.Revocation}, {"introspection", e.Introspection},
		{"userinfo", e.Userinfo}, {"jwks", e.JWKS}, {"registration", e.Registration},
	} {
		if pair.url != "" {
			v.add(Finding{Field: "endpoints." + pair.field, Result: OK, Metadata: string(pair.url)})
		}
	}
}

// capabilities compares what the document says that the server can do with what
// the manifest asks of it. A list that is not there says nothing: Entra knows
// PKCE and does not say so.
func capabilities(v *checked, body []byte) {
	m, err := members(body)
	if err != nil {
		return
	}
	spec := &v.object.Spec
	if spec.PKCE != oauthv1alpha1.PKCENone {
		v.supports("pkce", "S256", list(m, "code_challenge_methods_supported"))
	} else if slices.Contains(list(m, "code_challenge_methods_supported"), "S256") {
		v.add(Finding{Field: "pkce", Result: Note, Manifest: "None", Metadata: "S256", Message: "the vendor says that it knows PKCE: try pkce: S256"})
	}
	v.supports("clientAuthentication.method", methodName(spec.ClientAuthentication), list(m, "token_endpoint_auth_methods_supported"))
	if s := spec.Scopes; s != nil && s.Sent != "Never" {
		for _, scope := range slices.Concat(s.Default, s.Always) {
			v.supports("scopes", string(scope), list(m, "scopes_supported"))
		}
	}
	if r := spec.Registration; (r == nil || r.Mode == "Disabled") && text(m, "registration_endpoint") != "" {
		v.add(Finding{Field: "registration.mode", Result: Note, Manifest: "Disabled", Metadata: text(m, "registration_endpoint"), Message: "the vendor has a registration endpoint"})
	}
}

// supports tells whether a list of the document has what the manifest uses.
func (v *checked) supports(field, used string, supported []string) {
	switch {
	case len(supported) == 0:
	case slices.Contains(supported, used):
		v.add(Finding{Field: field, Result: OK, Manifest: used})
	case field == "scopes":
		// scopes_supported need not be complete (RFC 8414 section 2).
		v.add(Finding{Field: field, Result: Note, Manifest: used, Message: "the metadata document does not list this scope"})
	default:
		v.add(Finding{Field: field, Result: Drift, Manifest: used, Metadata: strings.Join(supported, " "), Message: "the metadata document does not list it"})
	}
}

func methodName(a *oauthv1alpha1.ClientAuthentication) string {
	if a == nil {
		return "client_secret_basic"
	}
	switch a.Method {
	case oauthv1alpha1.AuthClientSecretPost:
		return "client_secret_post"
	case oauthv1alpha1.AuthPrivateKeyJWT:
		return "private_key_jwt"
	case oauthv1alpha1.AuthNone:
		return "none"
	case oauthv1alpha1.AuthClientSecretBasic:
	}
	return "client_secret_basic"
}

func members(body []byte) (map[string]json.RawMessage, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, fmt.Errorf("reading metadata document: %w", err)
	}
	return m, nil
}

func text(m map[string]json.RawMessage, name string) string {
	var s string
	_ = json.Unmarshal(m[name], &s) // anything but a string counts as absent
	return printable(s)
}

func list(m map[string]json.RawMessage, name string) []string {
	var l []string
	_ = json.Unmarshal(m[name], &l) // anything but a list of strings counts as absent
	for i := range l {
		l[i] = printable(l[i])
	}
	return l
}
