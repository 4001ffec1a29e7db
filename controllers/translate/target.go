// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"regexp"
	"strings"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

var dnsLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// namedURL is a URL and the field that holds it.
type namedURL struct {
	field string
	url   oauthv1alpha1.EndpointURL
	out   *string
}

// urls lists the URLs of a vendor, each with its place in t.
func (r *vendorResult) urls(t *runtimeconfig.Target) []namedURL {
	e, o := &r.endpoints, &t.Endpoints
	prefix := "endpoints."
	if r.object.Spec.Discovery != nil {
		prefix = "the metadata document's "
	}
	return []namedURL{
		{"issuer", r.object.Spec.Issuer, &t.Issuer},
		{prefix + "authorization", e.Authorization, &o.Authorization},
		{prefix + "token", e.Token, &o.Token},
		{prefix + "refresh", e.Refresh, &o.Refresh},
		{prefix + "revocation", e.Revocation, &o.Revocation},
		{prefix + "introspection", e.Introspection, &o.Introspection},
		{prefix + "userinfo", e.Userinfo, &o.Userinfo},
		{prefix + "jwks", e.JWKS, &o.JWKS},
		{prefix + "registration", e.Registration, &o.Registration},
	}
}

// checkEndpoints checks the URLs before variables have values, and that the
// endpoints are there that other fields need.
func (r *vendorResult) checkEndpoints(accepted, resolved *findings) {
	spec := &r.object.Spec
	if (spec.Discovery == nil) == (spec.Endpoints == nil) {
		accepted.fail(oauthv1alpha1.ReasonInvalid, "set exactly one of discovery and endpoints")
		return
	}
	for _, u := range r.urls(&runtimeconfig.Target{}) {
		if u.url == "" {
			continue
		}
		if err := checkTemplate(string(u.url), r.vars); err != nil {
			accepted.fail(oauthv1alpha1.ReasonInvalid, "%s %s", u.field, err)
		}
	}
	if r.endpoints.Authorization == "" || r.endpoints.Token == "" {
		accepted.fail(oauthv1alpha1.ReasonInvalid, "endpoints needs authorization and token")
	}
	if m := deref(spec.Registration).Mode; m != "" && m != "Disabled" && r.endpoints.Registration == "" {
		r.needs("registration", "registration.mode: "+m, accepted, resolved)
	}
	if s := deref(spec.Revocation).Style; s != "" && s != oauthv1alpha1.RevocationNone && r.endpoints.Revocation == "" {
		r.needs("revocation", "revocation.style: "+string(s), accepted, resolved)
	}
	if s := deref(spec.Introspection).Style; s == "RFC7662" && r.endpoints.Introspection == "" {
		r.needs("introspection", "introspection.style: "+s, accepted, resolved)
	}
}

// needs complains about a missing endpoint: the author's mistake where the
// endpoints are written out, the metadata document's where they are discovered.
func (r *vendorResult) needs(endpoint, by string, accepted, resolved *findings) {
	if r.object.Spec.Discovery != nil {
		resolved.fail(oauthv1alpha1.ReasonDiscoveryFailed, "the metadata document names no %s endpoint, which %s needs: remove that, or write the endpoints out under endpoints", endpoint, by)
		return
	}
	accepted.fail(oauthv1alpha1.ReasonInvalid, "%s needs endpoints.%s", by, endpoint)
}

// fitToEndpoints turns off what the vendor has no endpoint for.
func (r *vendorResult) fitToEndpoints(v *runtimeconfig.Vendor) {
	spec := &r.object.Spec
	if spec.Revocation == nil && r.endpoints.Revocation != "" {
		v.Revocation = convertRevocation(&oauthv1alpha1.Revocation{Style: oauthv1alpha1.RevocationRFC7009})
	}
	if r.endpoints.Revocation == "" {
		v.Revocation = convertRevocation(nil)
	}
	v.Introspection = r.endpoints.Introspection != "" && deref(spec.Introspection).Style != "None"
	if r.endpoints.Registration == "" {
		v.Registration = runtimeconfig.Registration{Mode: "Disabled"}
	}
}

// defaultTarget is the target without any credential's values; nil where a
// variable has no default.
func (r *vendorResult) defaultTarget(f *findings) *runtimeconfig.Target {
	if f.failed() {
		return nil
	}
	values, missing := r.vars.defaults()
	if len(missing) > 0 {
		return nil
	}
	return r.target(values, f)
}

// target expands everything that may hold variable references.
func (r *vendorResult) target(values map[string]string, f *findings) *runtimeconfig.Target {
	t := &runtimeconfig.Target{IssuerParameter: r.issuerParameter}
	for _, u := range r.urls(t) {
		if u.url == "" {
			continue
		}
		expand := expandURL
		if u.out == &t.Endpoints.Revocation {
			expand = expandRevocation
		}
		expanded, err := expand(string(u.url), values)
		if err != nil {
			f.fail(oauthv1alpha1.ReasonInvalid, "%s %s", u.field, err)
			continue
		}
		*u.out = expanded
	}
	if t.Endpoints.Refresh == "" {
		t.Endpoints.Refresh = t.Endpoints.Token
	}
	spec := &r.object.Spec
	t.IDTokenIssuer = idTokenIssuer(spec, t.Issuer, values, f)
	for _, p := range deref(spec.Authorize).Parameters {
		t.AuthorizeParameters = append(t.AuthorizeParameters, parameter("authorize.parameters", runtimeconfig.Parameter{Name: string(p.Name), Value: p.Value}, values, f))
	}
	t.TokenParameters = tokenParameters("tokenRequest.parameters", deref(spec.TokenRequest).Parameters, values, f)
	t.RefreshParameters = tokenParameters("refresh.parameters", deref(spec.Refresh).Parameters, values, f)
	if res := deref(spec.Resource); res.Mode == "Fixed" {
		t.Resource = parameter("resource", runtimeconfig.Parameter{Name: "value", Value: res.Value}, values, f).Value
	}
	if f.failed() {
		return nil
	}
	return t
}

// idTokenIssuer is the expected iss of ID tokens; {tid} stays for the broker,
// which takes it from the token.
func idTokenIssuer(spec *oauthv1alpha1.OAuthVendorSpec, issuer string, values map[string]string, f *findings) string {
	own := deref(spec.Identity).Issuer
	if own == "" {
		return issuer
	}
	expanded, unknown := expand(own, values)
	for _, u := range unknown {
		if u != "{tid}" {
			f.fail(oauthv1alpha1.ReasonInvalid, "identity.issuer refers to %s, which is neither declared under variables nor {tid}", u)
		}
	}
	if err := CheckURL(strings.ReplaceAll(expanded, "{tid}", "tid")); err != nil {
		f.fail(oauthv1alpha1.ReasonInvalid, "identity.issuer %s", err)
	}
	return expanded
}

func tokenParameters(field string, ps []oauthv1alpha1.TokenParameter, values map[string]string, f *findings) []runtimeconfig.Parameter {
	var out []runtimeconfig.Parameter
	for _, p := range ps {
		out = append(out, parameter(field, runtimeconfig.Parameter{Name: string(p.Name), Value: p.Value}, values, f))
	}
	return out
}

// parameter expands a value. Braces that are no reference stay: a claims
// parameter is JSON.
func parameter(field string, p runtimeconfig.Parameter, values map[string]string, f *findings) runtimeconfig.Parameter {
	expanded, unknown := expand(p.Value, values)
	if len(unknown) > 0 {
		f.fail(oauthv1alpha1.ReasonInvalid, "%s[%s] refers to %s, which is not declared under variables", field, p.Name, unknown[0])
	}
	return runtimeconfig.Parameter{Name: p.Name, Value: expanded}
}
