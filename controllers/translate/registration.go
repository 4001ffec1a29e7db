// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// Registration is an app that there should be at a vendor, for a credential with
// dynamicRegistration. It is shared and never changed.
type Registration struct {
	Ref    Ref
	UID    types.UID
	Vendor string
	// Endpoint registers apps (RFC 7591), as Policy says.
	Endpoint  string
	Policy    runtimeconfig.Registration
	Transport runtimeconfig.Transport
	// What the app is registered as.
	RedirectURI string
	ClientName  string
	AuthMethod  string
	GrantTypes  []string
	Scopes      []string
	// Algorithm and KeyID of its key, where AuthMethod is private_key_jwt.
	Algorithm, KeyID string
}

// Registered is what is known of a registration besides its Secret.
type Registered struct {
	// Problem is why the last call to the vendor failed; empty when it did not.
	Problem string
	// Held is why and until when a call to the vendor waits; empty where none does.
	Held string
	// Expired is true where the client secret has ended.
	Expired bool
}

// registrationSecret is the Secret that holds the result, as the operator names it.
func (in Inputs) registrationSecret(c *oauthv1alpha1.BYOCCredential) *secretRef {
	return in.secretOf(in.Settings.OperatorNamespace, &oauthv1alpha1.SecretReference{Name: oauthv1alpha1.RegistrationSecretName(string(c.UID))})
}

// checkRegistration checks that an app can be registered at all. What is
// registered already stays in use whatever the vendor says later.
func (in credentialInputs) checkRegistration(accepted, resolved *findings) {
	v := in.vendor.result.vendor
	switch {
	case !in.settings.Registers:
		accepted.fail(oauthv1alpha1.ReasonUnsupported, "dynamicRegistration needs the operator, which keeps its results in the cluster: without it, make an app at the vendor and name its Secret in secretRef")
	case in.secret.found:
	case v.Registration.Mode == "Disabled":
		accepted.fail(oauthv1alpha1.ReasonRegistrationDisabled, "dynamicRegistration: OAuthVendor %s has no registration: ask the platform team for registration.mode, or make an app at the vendor and name its Secret in secretRef", v.Name)
	case v.Registration.Mode == "InitialAccessToken" && v.Registration.InitialAccessToken.Empty():
		resolved.fail(oauthv1alpha1.ReasonVendorNotResolved, "dynamicRegistration: the initial access token of OAuthVendor %s is missing: see its condition ResolvedRefs", v.Name)
	}
}

// checkTokenHost keeps the vendor's initial access token, which is the platform's,
// from a host that a tenant's values choose. A pattern is written for apps that
// tenants bring, whose secrets are their own. The values of an enum are the
// vendor author's words.
func (in credentialInputs) checkTokenHost(target *runtimeconfig.Target, f *findings) {
	v := in.vendor.result
	if target == nil || v.vendor.Registration.Mode != "InitialAccessToken" {
		return
	}
	template := hostOf(string(v.endpoints.Registration))
	free := slices.ContainsFunc(v.vars, func(x variable) bool { return x.pattern != nil && strings.Contains(template, "{"+x.name+"}") })
	own := v.vendor.Target
	if free && (own == nil || hostOf(own.Endpoints.Registration) != hostOf(target.Endpoints.Registration)) {
		f.fail(oauthv1alpha1.ReasonUnsupported, "dynamicRegistration: OAuthVendor %s has an initial access token, which goes to no host that variables of a credential choose: leave them at the vendor's defaults, or make an app at the vendor and name its Secret in secretRef", v.vendor.Name)
	}
}

// fillRegistered puts what was registered into c, or says in c.NotReady why not.
func (in credentialInputs) fillRegistered(c *runtimeconfig.Credential, auth runtimeconfig.ClientAuth, f *findings) {
	var own findings
	vendor, problem := in.object.Spec.Vendor, in.registered.Problem
	registeredAs := in.secret.authMethod()
	switch {
	case in.registered.Expired:
		own.fail(oauthv1alpha1.ReasonRegistrationExpired, "the client secret that OAuthVendor %s gave has ended, and renewing it failed: %s; it is tried again, and deleting this object and creating it again registers anew", vendor, or(problem, "it was not tried yet"))
	case !in.secret.found && in.registered.Held != "":
		own.fail(oauthv1alpha1.ReasonRegistrationHeld, "no app is registered at OAuthVendor %s yet: %s", vendor, in.registered.Held)
	case !in.secret.found && problem != "":
		own.fail(oauthv1alpha1.ReasonRegistrationFailed, "registering at OAuthVendor %s failed: %s; it is tried again", vendor, problem)
	case !in.secret.found:
		own.fail(oauthv1alpha1.ReasonRegistrationPending, "no app is registered at OAuthVendor %s yet: wait some seconds", vendor)
	case registeredAs != "" && registeredAs != string(auth.Method):
		own.fail(oauthv1alpha1.ReasonRegistrationUnusable, "the vendor registered the app for %s, and OAuthVendor %s says %s in clientAuthentication.method: change that to what the vendor supports", methodName(registeredAs), vendor, auth.Method)
	default:
		in.secret.fillCredential("dynamicRegistration", c, auth, f)
		if problem != "" {
			f.note("the app that was registered is in use; the last call to the vendor failed: %s", problem)
		}
		if in.registered.Held != "" {
			f.note("the app that was registered is in use, without the last change: %s", in.registered.Held)
		}
	}
	if own.failed() {
		c.NotReady = own.reason
		f.fail(own.reason, "%s", own.problems[0])
	}
}

// methodName is a client authentication method in a message, which holds nothing
// of the vendor's: one that the broker has no word for is not named.
func methodName(method string) string {
	switch m := runtimeconfig.ClientAuthMethod(method); m {
	case runtimeconfig.AuthBasic, runtimeconfig.AuthPost, runtimeconfig.AuthPrivateKeyJWT, runtimeconfig.AuthNone:
		return "client authentication " + method
	}
	return "a client authentication that the broker does not have"
}

// registration is what the operator should register; nil where it cannot, or may
// not.
func (in credentialInputs) registration(target *runtimeconfig.Target, redirectURI string) *Registration {
	d, v := in.object.Spec.DynamicRegistration, in.vendor.result.vendor
	if d == nil || !in.settings.Registers || v == nil {
		return nil
	}
	if target == nil {
		target = v.Target
	}
	policy := v.Registration
	if target == nil || target.Endpoints.Registration == "" || policy.Mode == "Disabled" || policy.Mode == "InitialAccessToken" && policy.InitialAccessToken.Empty() {
		return nil
	}
	r := &Registration{
		Ref: credentialRef(in.object), UID: in.object.UID, Vendor: v.Name, Endpoint: target.Endpoints.Registration,
		Policy: policy, Transport: v.Transport, RedirectURI: redirectURI, ClientName: or(d.ClientName, in.object.Name),
		AuthMethod: string(v.ClientAuth.Method), GrantTypes: []string{"authorization_code"}, Scopes: plain(d.Scopes),
	}
	if v.ClientAuth.Method == runtimeconfig.AuthPrivateKeyJWT {
		r.Algorithm, r.KeyID = v.ClientAuth.Algorithm, v.ClientAuth.KeyID
	}
	if !v.Refresh.Unsupported {
		r.GrantTypes = append(r.GrantTypes, "refresh_token")
	}
	return r
}
