// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// limited is a vendor, a credential and a client whose Secrets are all the same.
func limited(method oauthv1alpha1.ClientAuthenticationMethod, data map[string]secret.Text) translate.Inputs {
	in := templated(`^[a-z]+$`, "https://acme.example/token", "one")
	spec := &in.Vendors[0].Spec
	spec.Issuer = "https://acme.example"
	spec.ClientAuthentication = &oauthv1alpha1.ClientAuthentication{Method: method}
	spec.Endpoints.Registration = "https://acme.example/register"
	spec.Registration = &oauthv1alpha1.Registration{Mode: "InitialAccessToken", InitialAccessTokenRef: &oauthv1alpha1.SecretReference{Name: "s"}}
	in.Clients = []*oauthv1alpha1.BrokerClient{{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "app", UID: "a"},
		Spec: oauthv1alpha1.BrokerClientSpec{
			RedirectURIs:   []oauthv1alpha1.RedirectURI{"https://app.example/cb"},
			Authentication: oauthv1alpha1.BrokerClientAuthentication{Method: oauthv1alpha1.ClientAuthSecret, SecretRef: &oauthv1alpha1.SecretReference{Name: "s"}},
		},
	}}
	for _, namespace := range []string{"team-a", "oauth-broker"} {
		in.Secrets[types.NamespacedName{Namespace: namespace, Name: "s"}] = translate.Secret{Data: data}
	}
	return in
}

// TestTranslate_secretValuesAreLimited: a value goes into the published
// document, which has limits, and into requests, which have some too.
func TestTranslate_secretValuesAreLimited(t *testing.T) {
	for _, c := range []struct {
		key    string
		method oauthv1alpha1.ClientAuthenticationMethod
		limit  int
		says   string
		kind   string
	}{
		{"clientID", oauthv1alpha1.AuthClientSecretBasic, 1 << 10, "1 KiB", "BYOCCredential"},
		{"clientSecret", oauthv1alpha1.AuthClientSecretPost, 8 << 10, "8 KiB", "BYOCCredential"},
		{"privateKey", oauthv1alpha1.AuthPrivateKeyJWT, 16 << 10, "16 KiB", "BYOCCredential"},
		{"initialAccessToken", oauthv1alpha1.AuthClientSecretBasic, 8 << 10, "8 KiB", "OAuthVendor"},
		{"clientSecret", oauthv1alpha1.AuthNone, 8 << 10, "8 KiB", "BrokerClient"},
		{"previousClientSecret", oauthv1alpha1.AuthNone, 8 << 10, "8 KiB", "BrokerClient"},
	} {
		for _, size := range []int{c.limit, c.limit + 1} {
			data := map[string]secret.Text{}
			for _, k := range []string{"clientID", "clientSecret", "previousClientSecret", "initialAccessToken"} {
				data[k] = secret.New(strings.Repeat(k[:1], 40))
			}
			data[c.key] = secret.New(strings.Repeat("x", size))
			out := translate.Translate(limited(c.method, data))
			for _, v := range out.Verdicts {
				if v.Ref.Kind != c.kind {
					continue
				}
				refused := strings.Contains(v.ResolvedRefs.Message, "key "+c.key+" of Secret") && strings.Contains(v.ResolvedRefs.Message, c.says) &&
					v.ResolvedRefs.Reason == oauthv1alpha1.ReasonSecretInvalid
				if refused != (size > c.limit) {
					t.Errorf("%s of %d bytes: %+v", c.key, size, v.ResolvedRefs)
				}
			}
			checkPublishedSizes(t, c.key, out, size > c.limit)
		}
	}
}

// checkPublishedSizes holds the document against the limit: what is too long
// is not in it.
func checkPublishedSizes(t *testing.T, key string, out translate.Output, over bool) {
	t.Helper()
	if !over {
		return
	}
	for _, c := range out.Document.Credentials {
		if len(c.ClientID) > 1<<10 || len(c.ClientSecret.Reveal()) > 8<<10 || len(c.PrivateKey.Reveal()) > 16<<10 {
			t.Errorf("%s: the value that is too long is published", key)
		}
		if c.NotReady == "" && (key == "clientID" || key == "privateKey") {
			t.Errorf("%s: the credential is ready", key)
		}
	}
	for _, v := range out.Document.Vendors {
		if len(v.Registration.InitialAccessToken.Reveal()) > 8<<10 {
			t.Errorf("%s: the value that is too long is published", key)
		}
	}
}
