// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// minClientSecret is the least length of a client secret. Its plain SHA-256 is
// published, which is sound for long random secrets only.
const minClientSecret = 32

// grant is what a client's namespace gets from one vendor.
type grant struct {
	vendor string
	// state of the vendor.
	found, accepted bool
	// What label selectors of the vendor give to the namespace.
	sharedUse, trusted bool
	// credential tells whether the namespace brought one, or may use the platform's.
	credential bool
}

// clientInputs is all that the outcome for one client depends on.
type clientInputs struct {
	settings Settings
	object   *oauthv1alpha1.BrokerClient
	secret   *secretRef
	grants   []grant
}

// clientResult is the outcome for one client. It is shared and never changed.
type clientResult struct {
	// client is nil where nothing is published.
	client  *runtimeconfig.Client
	verdict Verdict
}

func (in Inputs) clientInputs(c *oauthv1alpha1.BrokerClient, vendors map[string]vendorView, brought map[claim]bool) clientInputs {
	ci := clientInputs{settings: in.Settings, object: c, secret: in.secretOf(c.Namespace, c.Spec.Authentication.SecretRef)}
	for _, a := range c.Spec.Vendors {
		v := vendors[a.Name]
		g := grant{vendor: a.Name, found: v.result != nil, accepted: v.accepted()}
		g.credential = brought[claim{c.Namespace, a.Name}] || g.found && v.result.sharedUse.allows(c.Namespace, in.Namespaces)
		if v.published() {
			g.sharedUse = v.result.sharedUse.selects(c.Namespace, in.Namespaces)
			g.trusted = v.result.trusted.selects(c.Namespace, in.Namespaces)
		}
		ci.grants = append(ci.grants, g)
	}
	return ci
}

// translateClient decides on one client.
func translateClient(in clientInputs) *clientResult {
	c := in.object
	var accepted, resolved findings
	out := &runtimeconfig.Client{
		ID: c.Namespace + "." + c.Name, Namespace: c.Namespace, UID: string(c.UID),
		DisplayName: or(c.Spec.DisplayName, c.Name), Native: c.Spec.ApplicationType == "Native",
		AlwaysConsent: c.Spec.Consent == "Always", RedirectURIs: plain(c.Spec.RedirectURIs),
	}
	for _, a := range c.Spec.Vendors {
		out.Vendors = append(out.Vendors, runtimeconfig.AllowedVendor{Name: a.Name, Scopes: plain(a.Scopes)})
	}
	if !dnsLabel.MatchString(c.Name) {
		accepted.fail(oauthv1alpha1.ReasonInvalid, "metadata.name must be a DNS label of at most 63 characters: create the client under another name")
	}
	if len(out.RedirectURIs) == 0 {
		accepted.fail(oauthv1alpha1.ReasonInvalid, "redirectURIs needs at least one")
	}
	for i, u := range out.RedirectURIs {
		if problem := checkRedirectURI(u, out.Native); problem != "" {
			accepted.fail(oauthv1alpha1.ReasonInvalid, "redirectURIs[%d] %s", i, problem)
		}
	}
	in.authentication(out, &accepted, &resolved)
	if e := c.Spec.TokenEncryption; e != nil {
		jwk, err := parseEncryptionJWK(e.JWK, e.Algorithm)
		if err != nil {
			accepted.fail(oauthv1alpha1.ReasonInvalid, "tokenEncryption.jwk %s", err)
		}
		out.Encryption = &runtimeconfig.Encryption{Algorithm: e.Algorithm, JWK: jwk}
	}
	in.vendors(out, &resolved)
	r := &clientResult{verdict: Verdict{
		Ref: clientRef(c), UID: c.UID, Generation: c.Generation, ClientID: out.ID,
		Accepted: accepted.accepted(), ResolvedRefs: resolved.resolved(), ObservedSecret: in.secret.observed(),
	}}
	if !accepted.failed() {
		r.client = out
		r.verdict.Items = []string{runtimeconfig.ClientItemID(out.ID)}
	}
	return r
}

func clientRef(c *oauthv1alpha1.BrokerClient) Ref {
	return Ref{Kind: "BrokerClient", Namespace: c.Namespace, Name: c.Name}
}

// authentication says how the client proves itself.
func (in clientInputs) authentication(out *runtimeconfig.Client, accepted, resolved *findings) {
	a := in.object.Spec.Authentication
	switch a.Method {
	case oauthv1alpha1.ClientAuthNone:
		out.Auth = runtimeconfig.ClientNone
	case oauthv1alpha1.ClientAuthSecret:
		out.Auth = runtimeconfig.ClientSecret
		if in.secret == nil {
			accepted.fail(oauthv1alpha1.ReasonInvalid, "authentication.method: ClientSecret needs authentication.secretRef")
			return
		}
		in.secretSums(out, resolved)
	case oauthv1alpha1.ClientAuthPrivateKeyJWT:
		out.Auth = runtimeconfig.ClientPrivateKeyJWT
		jwks, err := parseJWKS(a.JWKS)
		if err != nil {
			accepted.fail(oauthv1alpha1.ReasonInvalid, "authentication.jwks %s", err)
		}
		out.JWKS = jwks
	default:
		accepted.fail(oauthv1alpha1.ReasonInvalid, "authentication.method must be None, ClientSecret or PrivateKeyJWT")
	}
}

// secretSums publishes the sums of the accepted secrets.
func (in clientInputs) secretSums(out *runtimeconfig.Client, f *findings) {
	const key, previous = oauthv1alpha1.SecretKeyClientSecret, oauthv1alpha1.SecretKeyPreviousClientSecret
	var own findings
	if in.secret.usable("authentication.secretRef", []string{key}, &own) {
		in.secret.checkClientSecret(key, &own)
	}
	if own.failed() {
		out.NotReady = own.reason
		for _, p := range own.problems {
			f.fail(own.reason, "%s", p)
		}
		return
	}
	out.SecretSHA256 = []string{in.secret.sum(key)}
	if in.secret.secret.Data[previous].Empty() {
		return
	}
	// A bad previous secret is left out; the current one goes on working.
	if in.secret.checkClientSecret(previous, f); f.failed() {
		return
	}
	if s := in.secret.sum(previous); s != out.SecretSHA256[0] {
		out.SecretSHA256 = append(out.SecretSHA256, s)
	}
}

func (r *secretRef) checkClientSecret(key string, f *findings) {
	r.checkText(key, f)
	if utf8.RuneCountInString(r.secret.Data[key].Reveal()) < minClientSecret {
		f.fail(oauthv1alpha1.ReasonSecretInvalid, "key %s of Secret %s must have at least %d characters: make a random one, for example with openssl rand -hex 32", key, r.name, minClientSecret)
	}
}

func (r *secretRef) sum(key string) string {
	s := sha256.Sum256([]byte(r.secret.Data[key].Reveal()))
	return hex.EncodeToString(s[:])
}

// vendors tells which vendors are missing, and publishes what label selectors
// give. The client is served for the other vendors all the same.
func (in clientInputs) vendors(out *runtimeconfig.Client, f *findings) {
	var missing, refused, bare []string
	for _, g := range in.grants {
		switch {
		case !g.found:
			missing = append(missing, g.vendor)
		case !g.accepted:
			refused = append(refused, g.vendor)
		case !g.credential:
			bare = append(bare, g.vendor)
		}
		if g.sharedUse {
			out.SharedUse = append(out.SharedUse, g.vendor)
		}
		if g.trusted {
			out.Trusted = append(out.Trusted, g.vendor)
		}
	}
	if len(missing) > 0 {
		f.fail(oauthv1alpha1.ReasonVendorNotFound, "vendors names OAuthVendors that do not exist in this broker class, or are being deleted: %s; create them or remove the entries", strings.Join(missing, ", "))
	}
	if len(refused) > 0 {
		f.fail(oauthv1alpha1.ReasonVendorNotAccepted, "vendors names OAuthVendors that are not accepted themselves: %s; see their condition Accepted", strings.Join(refused, ", "))
	}
	if len(bare) > 0 {
		f.note("logins are refused at %s: namespace %s has no BYOCCredential for it and may not use the platform's app; bring one, or ask the platform team to add the namespace to credentials.allowedNamespaces", strings.Join(bare, ", "), in.object.Namespace)
	}
}
