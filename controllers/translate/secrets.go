// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"slices"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

const (
	// MaxKeyNames bounds how many key names of a Secret a message lists.
	MaxKeyNames = 10
	// MaxValue is the longest value that any key of a Secret may have.
	MaxValue = maxPrivateKey

	maxClientID   = 1 << 10
	maxPrivateKey = 16 << 10
	maxOtherValue = 8 << 10
)

// secretRef is a named Secret as it is now; found is false where it does not
// exist.
type secretRef struct {
	name   types.NamespacedName
	found  bool
	secret Secret
}

func (in Inputs) secretOf(namespace string, r *oauthv1alpha1.SecretReference) *secretRef {
	if r == nil {
		return nil
	}
	name := types.NamespacedName{Namespace: namespace, Name: r.Name}
	s, found := in.Secrets[name]
	return &secretRef{name: name, found: found, secret: s}
}

func (r *secretRef) observed() *oauthv1alpha1.ObservedSecret {
	if r == nil || !r.found || r.secret.Unreadable {
		return nil
	}
	return &oauthv1alpha1.ObservedSecret{Name: r.name.Name, UID: r.secret.UID, ResourceVersion: r.secret.ResourceVersion}
}

// GoodSecretName tells whether a Secret can have this name. Objects may be
// older than the schema's rule, and a client refuses to ask for some names.
func GoodSecretName(name string) bool { return len(validation.IsDNS1123Subdomain(name)) == 0 }

// usable checks that the Secret can be read and holds keys, and tells what is
// wrong otherwise.
func (r *secretRef) usable(field string, keys []string, f *findings) bool {
	switch {
	case !GoodSecretName(r.name.Name):
		f.fail(oauthv1alpha1.ReasonInvalid, "%s.name is not a name that a Secret can have: it is a DNS subdomain of lower-case letters, digits, - and dots, without the namespace", field)
		return false
	case !r.found:
		f.fail(oauthv1alpha1.ReasonSecretNotFound, "Secret %s, which %s names, does not exist: create it with the keys %s", r.name, field, strings.Join(keys, ", "))
		return false
	case r.secret.Unreadable:
		f.fail(oauthv1alpha1.ReasonSecretUnreadable, "Secret %s, which %s names, cannot be read by the operator, which goes on trying: allow it to get Secrets in namespace %s", r.name, field, r.name.Namespace)
		return false
	}
	var missing []string
	for _, k := range keys {
		if r.secret.Data[k].Empty() {
			missing = append(missing, k)
		}
	}
	if len(missing) > 0 {
		f.fail(oauthv1alpha1.ReasonSecretInvalid, "Secret %s, which %s names, lacks the keys %s (or they are empty); it has %s", r.name, field, strings.Join(missing, ", "), r.keyNames())
		return false
	}
	return true
}

func (r *secretRef) keyNames() string {
	names := slices.AppendSeq(slices.Clone(r.secret.OtherKeys), maps.Keys(r.secret.Data))
	slices.Sort(names)
	if len(names) == 0 {
		return "no keys"
	}
	if len(names) > MaxKeyNames {
		names = append(names[:MaxKeyNames], "more")
	}
	return strings.Join(names, ", ")
}

// vendorKeys are the keys that an app at the vendor needs.
func vendorKeys(method runtimeconfig.ClientAuthMethod) []string {
	switch method {
	case runtimeconfig.AuthPrivateKeyJWT:
		return []string{oauthv1alpha1.SecretKeyClientID, oauthv1alpha1.SecretKeyPrivateKey}
	case runtimeconfig.AuthNone:
		return []string{oauthv1alpha1.SecretKeyClientID}
	default:
		return []string{oauthv1alpha1.SecretKeyClientID, oauthv1alpha1.SecretKeyClientSecret}
	}
}

// fillCredential puts the Secret's values into c, or says in c.NotReady why
// not. The credential is published either way, so that it fails closed.
func (r *secretRef) fillCredential(field string, c *runtimeconfig.Credential, auth runtimeconfig.ClientAuth, f *findings) {
	var own findings
	if keys := vendorKeys(auth.Method); r.usable(field, keys, &own) {
		for _, k := range keys[:1] {
			r.checkText(k, &own)
		}
		switch auth.Method {
		case runtimeconfig.AuthPrivateKeyJWT:
			r.checkPrivateKey(auth.Algorithm, &own)
		case runtimeconfig.AuthBasic, runtimeconfig.AuthPost:
			r.checkText(oauthv1alpha1.SecretKeyClientSecret, &own)
		case runtimeconfig.AuthNone:
		}
	}
	if own.failed() {
		c.NotReady = own.reason
		for _, p := range own.problems {
			f.fail(own.reason, "%s", p)
		}
		return
	}
	c.ClientID = r.secret.Data[oauthv1alpha1.SecretKeyClientID].Reveal()
	switch auth.Method {
	case runtimeconfig.AuthPrivateKeyJWT:
		c.PrivateKey = r.secret.Data[oauthv1alpha1.SecretKeyPrivateKey]
	case runtimeconfig.AuthBasic, runtimeconfig.AuthPost:
		c.ClientSecret = r.secret.Data[oauthv1alpha1.SecretKeyClientSecret]
	case runtimeconfig.AuthNone:
	}
}

// authMethod is how a registered app authenticates; empty where the Secret does
// not say.
func (r *secretRef) authMethod() string {
	return r.secret.Data[oauthv1alpha1.SecretKeyTokenEndpointAuthMethod].Reveal()
}

// initialAccessToken is the vendor's, empty where there is none that is good.
func (r *secretRef) initialAccessToken(f *findings) secret.Text {
	const key = oauthv1alpha1.SecretKeyInitialAccessToken
	var own findings
	if r == nil {
		return secret.Text{}
	}
	if r.usable("registration.initialAccessTokenRef", []string{key}, &own) {
		r.checkText(key, &own)
	}
	for _, p := range own.problems {
		f.fail(own.reason, "%s", p)
	}
	if own.failed() {
		return secret.Text{}
	}
	return r.secret.Data[key]
}

// checkLength refuses what is longer than any vendor's: the value is published
// to every broker and sent with every request.
func (r *secretRef) checkLength(key string, f *findings) bool {
	limit := longest(key)
	if len(r.secret.Data[key].Reveal()) <= limit {
		return true
	}
	f.fail(oauthv1alpha1.ReasonSecretInvalid, "key %s of Secret %s is longer than %d KiB, the limit for this key: store nothing but the value itself", key, r.name, limit>>10)
	return false
}

// longest is how many bytes the value of a key may have.
func longest(key string) int {
	switch key {
	case oauthv1alpha1.SecretKeyClientID:
		return maxClientID
	case oauthv1alpha1.SecretKeyPrivateKey:
		return maxPrivateKey
	}
	return maxOtherValue
}

// checkText refuses what is too long, and control characters: mostly it is the
// line break that echo and editors add, and the vendor would answer invalid_client.
func (r *secretRef) checkText(key string, f *findings) {
	if r.checkLength(key, f) && !cleanText(r.secret.Data[key]) {
		f.fail(oauthv1alpha1.ReasonSecretInvalid, "key %s of Secret %s holds a line break or another control character, or is not UTF-8: store it without (kubectl create secret --from-literal, or printf instead of echo)", key, r.name)
	}
}

func cleanText(t secret.Text) bool {
	return !strings.ContainsFunc(t.Reveal(), func(c rune) bool { return unicode.IsControl(c) || c == unicode.ReplacementChar })
}

func (r *secretRef) checkPrivateKey(algorithm string, f *findings) {
	key := oauthv1alpha1.SecretKeyPrivateKey
	if !r.checkLength(key, f) {
		return
	}
	ok, known := fits(parsePrivateKey(r.secret.Data[key]), algorithm)
	switch {
	case !known:
		f.fail(oauthv1alpha1.ReasonSecretInvalid, "key %s of Secret %s is not a PEM private key without passphrase (PKCS #8, PKCS #1 or SEC 1)", key, r.name)
	case !ok:
		f.fail(oauthv1alpha1.ReasonSecretInvalid, "key %s of Secret %s does not fit clientAuthentication.assertion.algorithm %s: RS256 and PS256 need RSA of 2048 to 8192 bits, ES256 needs P-256, EdDSA needs Ed25519", key, r.name, algorithm)
	}
}

func parsePrivateKey(t secret.Text) any {
	block, rest := pem.Decode([]byte(t.Reveal()))
	if block == nil || len(strings.TrimSpace(string(rest))) > 0 {
		return nil
	}
	if k, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		return k
	}
	if k, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return k
	}
	if k, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return k
	}
	return nil
}

func fits(key any, algorithm string) (ok, known bool) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		bits := k.N.BitLen()
		return (algorithm == "RS256" || algorithm == "PS256") && bits >= runtimeconfig.MinRSABits && bits <= maxRSABits, true
	case *ecdsa.PrivateKey:
		return algorithm == "ES256" && k.Curve == elliptic.P256(), true
	case ed25519.PrivateKey:
		return algorithm == "EdDSA", true
	}
	return false, false
}
