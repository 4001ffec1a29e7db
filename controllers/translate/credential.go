// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"slices"
	"strings"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// vendorView is a vendor as other objects see it.
type vendorView struct {
	// result is nil where the vendor does not exist.
	result *vendorResult
	// refused is true where the cross-object pass refused the vendor.
	refused bool
}

func (v vendorView) accepted() bool {
	return v.result != nil && !v.refused && v.result.verdict.Accepted.OK
}
func (v vendorView) published() bool { return v.accepted() && v.result.vendor != nil }

// credentialInputs is all that the outcome for one credential depends on.
type credentialInputs struct {
	settings Settings
	object   *oauthv1alpha1.BYOCCredential
	vendor   vendorView
	// secret is the one that secretRef names, or that holds the registration.
	secret     *secretRef
	registered Registered
	// allowed tells whether the vendor lets this namespace bring credentials.
	allowed bool
}

// credentialResult is the outcome for one credential. It is shared and never
// changed.
type credentialResult struct {
	object *oauthv1alpha1.BYOCCredential
	// credential is nil where nothing is published.
	credential *runtimeconfig.Credential
	// registration is nil where nothing is to be registered.
	registration *Registration
	verdict      Verdict
}

func (in Inputs) credentialInputs(c *oauthv1alpha1.BYOCCredential, vendor vendorView) credentialInputs {
	ci := credentialInputs{
		settings: in.Settings, object: c, vendor: vendor, secret: in.secretOf(c.Namespace, c.Spec.SecretRef),
		allowed: vendor.result != nil && vendor.result.byoc.allows(c.Namespace, in.Namespaces),
	}
	if c.Spec.DynamicRegistration != nil {
		ci.secret, ci.registered = in.registrationSecret(c), in.Registered[c.UID]
	}
	return ci
}

// translateCredential decides on one credential.
func translateCredential(in credentialInputs) *credentialResult {
	c := in.object
	r := &credentialResult{object: c, verdict: Verdict{
		Ref: credentialRef(c), UID: c.UID, Generation: c.Generation, ObservedSecret: in.secret.observed(),
	}}
	var accepted, resolved findings
	publish := checkCredential(in, &accepted, &resolved)
	out := &runtimeconfig.Credential{
		Source: runtimeconfig.SourceBYOC, Namespace: c.Namespace, Name: c.Name, UID: string(c.UID), Vendor: c.Spec.Vendor,
		Default: c.Spec.Selection != oauthv1alpha1.SelectionByName,
	}
	if v := in.vendor.result; v != nil {
		out.Target = v.credentialTarget(c.Spec.Variables, &accepted)
		auth := convertClientAuth(v.object.Spec.ClientAuthentication)
		switch {
		case c.Spec.DynamicRegistration != nil:
			in.checkTokenHost(out.Target, &accepted)
			in.fillRegistered(out, auth, &resolved)
		case in.secret != nil:
			in.secret.fillCredential("secretRef", out, auth, &resolved)
		}
		r.verdict.RedirectURI = redirectURI(in.settings, v.object, c.Namespace+"."+c.Name)
	}
	r.verdict.Accepted, r.verdict.ResolvedRefs = accepted.accepted(), resolved.resolved()
	if !publish {
		return r
	}
	if accepted.failed() {
		// Publish it as unusable, so that the namespace's logins fail instead of
		// falling back to the shared credentials.
		out = &runtimeconfig.Credential{
			Source: out.Source, Namespace: out.Namespace, Name: out.Name, UID: out.UID, Vendor: out.Vendor,
			Default: out.Default, NotReady: accepted.reason,
		}
	} else {
		r.registration = in.registration(out.Target, r.verdict.RedirectURI)
	}
	r.credential = out
	r.verdict.Items = []string{runtimeconfig.BYOCID(c.Namespace, c.Name), runtimeconfig.VendorID(c.Spec.Vendor)}
	return r
}

func credentialRef(c *oauthv1alpha1.BYOCCredential) Ref {
	return Ref{Kind: "BYOCCredential", Namespace: c.Namespace, Name: c.Name}
}

// checkCredential checks what does not depend on variables and Secret, and
// tells whether the credential is published at all.
func checkCredential(in credentialInputs, accepted, resolved *findings) bool {
	c := in.object
	publish := true
	if !dnsLabel.MatchString(c.Name) {
		accepted.fail(oauthv1alpha1.ReasonInvalid, "metadata.name must be a DNS label of at most 63 characters: create the credential under another name")
		publish = false
	}
	if (c.Spec.SecretRef == nil) == (c.Spec.DynamicRegistration == nil) {
		accepted.fail(oauthv1alpha1.ReasonInvalid, "set exactly one of secretRef and dynamicRegistration")
		publish = false
	}
	switch v := in.vendor; {
	case v.result == nil:
		resolved.fail(oauthv1alpha1.ReasonVendorNotFound, "OAuthVendor %s, which vendor names, does not exist in this broker class, or is being deleted: create it or correct the name", c.Spec.Vendor)
	case !v.accepted():
		resolved.fail(oauthv1alpha1.ReasonVendorNotAccepted, "OAuthVendor %s, which vendor names, is not accepted itself: see its condition Accepted", c.Spec.Vendor)
	case !v.published():
		resolved.fail(v.result.verdict.ResolvedRefs.Reason, "OAuthVendor %s, which vendor names, is not ready: see its condition ResolvedRefs", c.Spec.Vendor)
	case !in.allowed:
		accepted.fail(oauthv1alpha1.ReasonNotAllowed, "OAuthVendor %s does not let namespace %s bring credentials: ask the platform team to add it to byoc.allowedNamespaces", c.Spec.Vendor, c.Namespace)
	case c.Spec.DynamicRegistration != nil:
		in.checkRegistration(accepted, resolved)
	}
	return publish && in.vendor.published()
}

// credentialTarget is the target with the credential's values; nil where the
// vendor has no variables.
func (r *vendorResult) credentialTarget(given []oauthv1alpha1.VariableValue, f *findings) *runtimeconfig.Target {
	values, missing := r.vars.defaults()
	for _, g := range given {
		v, ok := r.vars.find(g.Name)
		switch {
		case !ok:
			f.fail(oauthv1alpha1.ReasonInvalid, "variables[%s]: OAuthVendor %s declares no such variable; it declares %s", g.Name, r.object.Name, r.vars.names())
			continue
		case !tenantVal.MatchString(g.Value):
			f.fail(oauthv1alpha1.ReasonInvalid, "variables[%s].value must be letters, digits and . _ - only", g.Name)
		case !v.good(g.Value):
			f.fail(oauthv1alpha1.ReasonInvalid, "variables[%s].value is not %s", g.Name, v.wants())
		}
		values[g.Name] = g.Value
		missing = slices.DeleteFunc(missing, func(m string) bool { return m == g.Name })
	}
	for _, m := range missing {
		f.fail(oauthv1alpha1.ReasonInvalid, "variables[%s] is needed: OAuthVendor %s has no default for it", m, r.object.Name)
	}
	if len(r.vars) == 0 || r.vendor == nil || f.failed() {
		return nil
	}
	var own findings
	t := r.target(values, &own)
	for _, p := range own.problems {
		f.fail(own.reason, "with these variables, OAuthVendor %s's %s", r.object.Name, p)
	}
	return t
}

func (vs variables) names() string {
	if len(vs) == 0 {
		return "none"
	}
	var names []string
	for _, v := range vs {
		names = append(names, v.name)
	}
	return strings.Join(names, ", ")
}

// wants says which values are good. The vendor's spec is no secret.
func (v variable) wants() string {
	if v.pattern != nil {
		return "one that the vendor's pattern takes: " + strings.TrimSuffix(strings.TrimPrefix(v.pattern.String(), `\A(?:`), `)\z`)
	}
	return "one of " + strings.Join(v.enum, ", ")
}
