// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// The initial access token is the platform's: a tenant's values must not choose
// the host that gets it.
func TestTranslate_initialAccessTokenStaysAtItsHost(t *testing.T) {
	for name, c := range map[string]struct {
		endpoint, standard, value, mode string
		registered, planned             bool
	}{
		"tenant's host":               {"https://{t}/register", "", "evil.example", "InitialAccessToken", false, false},
		"tenant's label":              {"https://{t}.acme.example/register", "", "evil", "InitialAccessToken", false, false},
		"another host than its own":   {"https://{t}/register", "acme.example", "evil.example", "InitialAccessToken", false, false},
		"its own host":                {"https://{t}/register", "acme.example", "acme.example", "InitialAccessToken", false, true},
		"moved after it was there":    {"https://{t}/register", "acme.example", "evil.example", "InitialAccessToken", true, false},
		"tenant's path":               {"https://acme.example/{t}/register", "", "team", "InitialAccessToken", false, true},
		"no token that could be lost": {"https://{t}.acme.example/register", "", "team", "Open", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			in := templated(`^[a-z.]+$`, "https://acme.example/token", c.value)
			in.Settings.Registers = true
			v, b := &in.Vendors[0].Spec, &in.Credentials[0].Spec
			v.Variables[0].Default = c.standard
			v.Endpoints.Registration = oauthv1alpha1.EndpointURL(c.endpoint)
			v.Registration = &oauthv1alpha1.Registration{Mode: c.mode}
			b.SecretRef, b.DynamicRegistration = nil, &oauthv1alpha1.DynamicRegistration{}
			if c.mode == "InitialAccessToken" {
				v.Registration.InitialAccessTokenRef = &oauthv1alpha1.SecretReference{Name: "token"}
				in.Secrets[types.NamespacedName{Namespace: "oauth-broker", Name: "token"}] = translate.Secret{Data: map[string]secret.Text{"initialAccessToken": secret.New("CANARY-token")}}
			}
			if c.registered {
				name := types.NamespacedName{Namespace: "oauth-broker", Name: oauthv1alpha1.RegistrationSecretName("c")}
				in.Secrets[name] = translate.Secret{Data: map[string]secret.Text{"clientID": secret.New("id"), "clientSecret": secret.New("CANARY-secret")}}
			}
			out := translate.Translate(in)
			accepted := out.Verdicts[0].Accepted
			if len(out.Registrations) > 0 != c.planned || accepted.OK != c.planned || !c.planned && accepted.Reason != oauthv1alpha1.ReasonUnsupported {
				t.Errorf("registers %d apps, Accepted %+v", len(out.Registrations), accepted)
			}
		})
	}
}
