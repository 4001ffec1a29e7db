// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"crypto/x509"
	"slices"
	"strings"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// vendorInputs is all that the outcome for one vendor depends on.
type vendorInputs struct {
	settings   Settings
	object     *oauthv1alpha1.OAuthVendor
	shared     *secretRef // nil where no Secret is named
	initial    *secretRef
	discovered Discovered
	answered   bool // discovery has answered
}

// vendorResult is the outcome for one vendor. It is shared and never changed.
type vendorResult struct {
	object *oauthv1alpha1.OAuthVendor
	// vendor is nil where nothing is published.
	vendor *runtimeconfig.Vendor
	// shared is nil where the vendor has no published shared credential.
	shared  *runtimeconfig.Credential
	verdict Verdict

	// What credentials and clients need to know of the vendor.
	vars      variables
	endpoints oauthv1alpha1.Endpoints
	issuerParameter,
	environment bool
	byoc, sharedUse, trusted policy
}

func (in Inputs) vendorInputs(v *oauthv1alpha1.OAuthVendor) vendorInputs {
	vi := vendorInputs{settings: in.Settings, object: v}
	if c := v.Spec.Credentials; c != nil {
		vi.shared = in.secretOf(in.Settings.OperatorNamespace, c.SecretRef)
	}
	if r := v.Spec.Registration; r != nil {
		vi.initial = in.secretOf(in.Settings.OperatorNamespace, r.InitialAccessTokenRef)
	}
	if v.Spec.Discovery != nil {
		vi.discovered, vi.answered = in.Discovered[v.Name]
	}
	return vi
}

// translateVendor decides on one vendor.
func translateVendor(in vendorInputs) *vendorResult {
	v := in.object
	r := &vendorResult{object: v, environment: v.Spec.Credentials != nil && v.Spec.Credentials.FromEnvironment}
	var accepted, resolved findings
	r.checkSpec(in, &accepted)
	known := r.resolveEndpoints(in, &resolved)
	out := convertVendor(v)
	if known {
		r.checkEndpoints(&accepted, &resolved)
		out.Target = r.defaultTarget(&accepted)
		r.fitToEndpoints(out)
	}
	out.SharedUse, out.Trusted = r.sharedUse.set(), r.trusted.set()
	shared := r.sharedCredential(in.shared, out.ClientAuth, &resolved)
	out.Registration.InitialAccessToken = in.initial.initialAccessToken(&resolved)
	if !accepted.failed() {
		r.noteSharedCallback(out, &accepted)
	}
	r.verdict = Verdict{
		Ref: vendorRef(v.Name), UID: v.UID, Generation: v.Generation,
		Accepted: accepted.accepted(), ResolvedRefs: resolved.resolved(),
		RedirectURI: redirectURI(in.settings, v, ""), ObservedSecret: in.shared.observed(),
	}
	if accepted.failed() || !known {
		return r
	}
	r.vendor, r.shared = out, shared
	r.verdict.Items = []string{runtimeconfig.VendorID(v.Name)}
	if shared != nil {
		r.verdict.Items = append(r.verdict.Items, runtimeconfig.SharedID(v.Name))
	}
	return r
}

func vendorRef(name string) Ref { return Ref{Kind: "OAuthVendor", Name: name} }

// checkSpec checks what needs no endpoints, and compiles variables and policies.
func (r *vendorResult) checkSpec(in vendorInputs, f *findings) {
	spec := &in.object.Spec
	if !dnsLabel.MatchString(in.object.Name) {
		f.fail(oauthv1alpha1.ReasonInvalid, "metadata.name must be a DNS label of at most 63 characters: create the vendor under another name")
	}
	r.vars = compileVariables(spec.Variables, f)
	r.byoc, r.sharedUse, r.trusted = policy{all: true}, policy{}, policy{}
	if b := spec.BYOC; b != nil {
		r.byoc = compilePolicy("byoc.allowedNamespaces", b.AllowedNamespaces, r.byoc, f)
		r.byoc.refuseSelector("byoc.allowedNamespaces", in.settings, f)
	}
	if c := spec.Credentials; c != nil {
		r.sharedUse = compilePolicy("credentials.allowedNamespaces", c.AllowedNamespaces, r.sharedUse, f)
		r.sharedUse.refuseSelector("credentials.allowedNamespaces", in.settings, f)
	}
	r.trusted = compilePolicy("trustedNamespaces", spec.TrustedNamespaces, r.trusted, f)
	r.trusted.refuseSelector("trustedNamespaces", in.settings, f)
	r.checkMixUp(f)
	checkStateName(spec, f)
	if t := spec.Transport; t != nil && t.CABundle != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(t.CABundle)) {
		f.fail(oauthv1alpha1.ReasonInvalid, "transport.caBundle holds no PEM certificate: put the CA's there, from -----BEGIN CERTIFICATE----- on")
	}
	checkClientAuthentication(spec, r.environment, f)
}

// checkMixUp repeats the schema's rules on which nothing less than the right
// vendor getting the code depends.
func (r *vendorResult) checkMixUp(f *findings) {
	spec := &r.object.Spec
	path, iss := callbackOf(spec)
	required := iss == oauthv1alpha1.IssuerRequired
	free := false
	for _, v := range r.vars {
		free = free || v.pattern != nil
	}
	switch {
	case required && spec.Issuer == "":
		f.fail(oauthv1alpha1.ReasonInvalid, "callback.issuerParameter: Required needs issuer, the value to compare with")
	case iss == oauthv1alpha1.IssuerIgnored && path == oauthv1alpha1.CallbackShared:
		f.fail(oauthv1alpha1.ReasonInvalid, "callback.issuerParameter: Ignored needs callback.path Vendor or Credential")
	case free && path != oauthv1alpha1.CallbackCredential && !required:
		f.fail(oauthv1alpha1.ReasonInvalid, "a vendor with free-form variables needs callback.path: Credential, or callback.issuerParameter: Required")
	case len(spec.Variables) > 0 && path == oauthv1alpha1.CallbackShared && !required:
		f.fail(oauthv1alpha1.ReasonInvalid, "a vendor with variables needs callback.path Vendor or Credential, or callback.issuerParameter: Required")
	}
}

// checkStateName refuses another name for state where nothing tells, before the
// state is read, which vendor's answer it is.
func checkStateName(spec *oauthv1alpha1.OAuthVendorSpec, f *findings) {
	path, _ := callbackOf(spec)
	renamed := slices.ContainsFunc(deref(spec.Authorize).Renames, func(r oauthv1alpha1.Rename) bool { return r.Standard == "state" })
	if renamed && path == oauthv1alpha1.CallbackShared {
		f.fail(oauthv1alpha1.ReasonInvalid, "authorize.renames of state needs callback.path Vendor or Credential: at /v1/callback nothing tells by which name the state comes back")
	}
}

func callbackOf(spec *oauthv1alpha1.OAuthVendorSpec) (oauthv1alpha1.CallbackPath, oauthv1alpha1.IssuerParameter) {
	c := deref(spec.Callback)
	return or(c.Path, oauthv1alpha1.CallbackShared), or(c.IssuerParameter, oauthv1alpha1.IssuerWhenPresent)
}

func checkClientAuthentication(spec *oauthv1alpha1.OAuthVendorSpec, environment bool, f *findings) {
	a := convertClientAuth(spec.ClientAuthentication)
	if a.Method != runtimeconfig.AuthPrivateKeyJWT {
		return
	}
	if environment {
		f.fail(oauthv1alpha1.ReasonInvalid, "credentials.fromEnvironment carries a client secret and clientAuthentication.method: PrivateKeyJWT needs a private key: use credentials.secretRef")
	}
	if !a.TokenEndpointAudience && spec.Issuer == "" {
		f.fail(oauthv1alpha1.ReasonInvalid, "clientAuthentication.assertion.audience: Issuer needs issuer: set it, or choose audience: TokenEndpoint")
	}
}

// resolveEndpoints takes the endpoints from the spec or from discovery; it
// returns false while there are none.
func (r *vendorResult) resolveEndpoints(in vendorInputs, f *findings) bool {
	spec := &in.object.Spec
	if spec.Discovery == nil {
		if spec.Endpoints == nil {
			return true // checkEndpoints says what is missing
		}
		r.endpoints = *spec.Endpoints
		return true
	}
	d := in.discovered
	switch {
	case !in.answered:
		f.fail(oauthv1alpha1.ReasonDiscoveryPending, "the metadata document of issuer %s has not been read yet: wait some seconds", spec.Issuer)
		return false
	case d.Endpoints == nil:
		f.fail(oauthv1alpha1.ReasonDiscoveryFailed, "the metadata document of issuer %s cannot be used: %s; correct issuer or discovery, or write the URLs out under endpoints; it is read again by itself", spec.Issuer, or(d.Problem, "it names no endpoints"))
		return false
	case d.Problem != "":
		f.note("the last good metadata document of issuer %s is in use, since the newest cannot be: %s", spec.Issuer, d.Problem)
	}
	r.endpoints, r.issuerParameter = *d.Endpoints, d.IssuerParameter
	return true
}

// sharedCredential decides on the credential that the vendor's Secret holds.
func (r *vendorResult) sharedCredential(ref *secretRef, auth runtimeconfig.ClientAuth, f *findings) *runtimeconfig.Credential {
	switch {
	case ref == nil:
		return nil
	case !ref.found && r.environment && GoodSecretName(ref.name.Name):
		f.note("Secret %s does not exist, so the brokers' environment variables are used", ref.name)
		return nil
	}
	c := &runtimeconfig.Credential{Source: runtimeconfig.SourceShared, UID: string(r.object.UID), Vendor: r.object.Name}
	ref.fillCredential("credentials.secretRef", c, auth, f)
	return c
}

// noteSharedCallback says which vendors are told apart by state alone.
func (r *vendorResult) noteSharedCallback(v *runtimeconfig.Vendor, f *findings) {
	if v.Callback.Path == runtimeconfig.CallbackShared && v.Callback.IssuerParameter != runtimeconfig.IssuerRequired && !r.issuerParameter {
		f.note("answers come to the shared /v1/callback and no iss is required or advertised: set callback.path: Vendor where the vendor's app registration allows it")
	}
}

// redirectURI is what to register at the vendor.
func redirectURI(s Settings, v *oauthv1alpha1.OAuthVendor, credential string) string {
	base := strings.TrimSuffix(s.PublicURL, "/") + "/v1/callback"
	switch path, _ := callbackOf(&v.Spec); path {
	case oauthv1alpha1.CallbackVendor:
		return base + "/" + v.Name
	case oauthv1alpha1.CallbackCredential:
		if credential == "" { // the platform's own credentials have the vendor's path
			return base + "/" + v.Name
		}
		return base + "/" + v.Name + "/" + credential
	case oauthv1alpha1.CallbackShared:
	}
	return base
}

func environmentOf(vendor string) *runtimeconfig.Environment {
	prefix := "OAUTH_BROKER_" + strings.ToUpper(strings.ReplaceAll(vendor, "-", "_"))
	return &runtimeconfig.Environment{ClientIDVariable: prefix + "_CLIENT_ID", ClientSecretVariable: prefix + "_CLIENT_SECRET"}
}
