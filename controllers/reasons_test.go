// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// saying is one case of TestReasons: what leads to a reason, and what its
// message must say: the object, the field, and the fix.
type saying struct {
	inputs func(*translate.Inputs)
	target *target
	served Served
	says   []string
}

// good is a vendor and a credential of team-a with its Secret, all in order.
func good() translate.Inputs {
	return translate.Inputs{
		Settings: translate.Settings{PublicURL: "https://broker.example", OperatorNamespace: "ops"},
		Vendors: []*oauthv1alpha1.OAuthVendor{{
			ObjectMeta: metav1.ObjectMeta{Name: "acme", UID: "v"},
			Spec: oauthv1alpha1.OAuthVendorSpec{
				Issuer:    "https://acme.example",
				Endpoints: &oauthv1alpha1.Endpoints{Authorization: "https://acme.example/a", Token: "https://acme.example/t"},
			},
		}},
		Credentials: []*oauthv1alpha1.BYOCCredential{named("app")},
		Namespaces:  map[string]map[string]string{"team-a": {}},
		Secrets: map[types.NamespacedName]translate.Secret{{Namespace: "team-a", Name: "app"}: {
			UID: "s", ResourceVersion: "1", Data: map[string]secret.Text{"clientID": secret.New("id"), "clientSecret": secret.New("value")},
		}},
	}
}

func named(name string) *oauthv1alpha1.BYOCCredential {
	return &oauthv1alpha1.BYOCCredential{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: name, UID: types.UID(name)},
		Spec:       oauthv1alpha1.BYOCCredentialSpec{Vendor: "acme", SecretRef: &oauthv1alpha1.SecretReference{Name: "app"}},
	}
}

func allGood() *target {
	ok := translate.Check{OK: true, Reason: "Accepted"}
	return &target{verdict: translate.Verdict{Accepted: ok, ResolvedRefs: ok}, sequence: 7, credential: "Secret team-a/app, which secretRef names", remedy: "Store good ones there", probed: true}
}

func told(v CredentialVerdict) *target {
	t := allGood()
	t.told = v
	return t
}

// registering makes the credential one that the operator registers.
func registering(r *translate.Registered) func(*translate.Inputs) {
	return func(in *translate.Inputs) {
		in.Settings.Registers = true
		in.Credentials[0].Spec.SecretRef, in.Credentials[0].Spec.DynamicRegistration = nil, &oauthv1alpha1.DynamicRegistration{}
		in.Vendors[0].Spec.Registration = &oauthv1alpha1.Registration{Mode: "Open"}
		in.Vendors[0].Spec.Endpoints.Registration = "https://acme.example/r"
		if r != nil {
			in.Registered = map[types.UID]translate.Registered{"app": *r}
		}
	}
}

func sayings() map[string]saying {
	discovered := func(d *translate.Discovered) func(*translate.Inputs) {
		return func(in *translate.Inputs) {
			in.Vendors[0].Spec.Endpoints = nil
			in.Vendors[0].Spec.Discovery = &oauthv1alpha1.Discovery{Type: oauthv1alpha1.DiscoveryOAuth}
			if d != nil {
				in.Discovered = map[string]translate.Discovered{"acme": *d}
			}
		}
	}
	byoc := func(p oauthv1alpha1.NamespacePolicy) func(*translate.Inputs) {
		return func(in *translate.Inputs) {
			in.Vendors[0].Spec.BYOC = &oauthv1alpha1.BringYourOwn{AllowedNamespaces: &p}
		}
	}
	app := types.NamespacedName{Namespace: "team-a", Name: "app"}
	unpublished := allGood()
	unpublished.sequence, unpublished.problem = sequenceOf(&translate.Verdict{Items: []string{"byoc/team-a/app"}}, nil, map[string]int{"byoc/team-a/app": 128 << 10})
	nothing := func(*translate.Inputs) {}
	here := "Secret team-a/app, which secretRef names"
	return map[string]saying{
		"Accepted":     {inputs: nothing, says: []string{"valid"}},
		"ResolvedRefs": {inputs: nothing, says: []string{"resolved"}},
		"Invalid": {inputs: func(in *translate.Inputs) { in.Vendors[0].Spec.Transport = &oauthv1alpha1.Transport{CABundle: "x"} },
			says: []string{"transport.caBundle", "PEM", "BEGIN CERTIFICATE"}},
		"Conflict": {inputs: func(in *translate.Inputs) { in.Credentials = append(in.Credentials, named("zweite")) },
			says: []string{"BYOCCredential app", "selection", "set selection: ByName, or delete one"}},
		"NamespaceNotAllowed": {inputs: byoc(oauthv1alpha1.NamespacePolicy{From: oauthv1alpha1.NamespacesNone}),
			says: []string{"OAuthVendor acme", "namespace team-a", "byoc.allowedNamespaces", "ask the platform team"}},
		"SelectorUnsupported": {inputs: func(in *translate.Inputs) {
			byoc(oauthv1alpha1.NamespacePolicy{From: oauthv1alpha1.NamespacesBySelector, Selector: &metav1.LabelSelector{}})(in)
			in.Settings.Namespaced = true
		}, says: []string{"byoc.allowedNamespaces.from", "use from: Names"}},
		"Unsupported": {inputs: func(in *translate.Inputs) {
			registering(nil)(in)
			in.Settings.Registers = false
		}, says: []string{"dynamicRegistration", "name its Secret in secretRef"}},
		"VendorNotFound": {inputs: func(in *translate.Inputs) { in.Vendors = nil },
			says: []string{"OAuthVendor acme, which vendor names", "create it or correct the name"}},
		"VendorNotAccepted": {inputs: func(in *translate.Inputs) { in.Vendors[0].Spec.Transport = &oauthv1alpha1.Transport{CABundle: "x"} },
			says: []string{"OAuthVendor acme, which vendor names", "see its condition Accepted"}},
		"SecretNotFound": {inputs: func(in *translate.Inputs) { in.Secrets = nil },
			says: []string{here, "create it with the keys clientID, clientSecret"}},
		"SecretInvalid": {inputs: func(in *translate.Inputs) {
			in.Secrets[app] = translate.Secret{Data: map[string]secret.Text{"clientID": secret.New("id")}, OtherKeys: []string{"client_secret"}}
		}, says: []string{here, "lacks the keys clientSecret", "it has clientID, client_secret"}},
		"SecretUnreadable": {inputs: func(in *translate.Inputs) { in.Secrets[app] = translate.Secret{Unreadable: true} },
			says: []string{here, "allow it to get Secrets in namespace team-a"}},
		"RegistrationHeld": {inputs: registering(&translate.Registered{Held: "this object changed too often in a short time, so the vendor is asked at 2026-01-01T00:00:00Z"}),
			says: []string{"OAuthVendor acme", "changed too often", "asked at 2026-01-01T00:00:00Z"}},
		"VendorNotResolved": {inputs: func(in *translate.Inputs) {
			registering(nil)(in)
			in.Vendors[0].Spec.Registration = &oauthv1alpha1.Registration{Mode: "InitialAccessToken", InitialAccessTokenRef: &oauthv1alpha1.SecretReference{Name: "token"}}
		}, says: []string{"dynamicRegistration", "OAuthVendor acme", "see its condition ResolvedRefs"}},
		"RegistrationDisabled": {inputs: func(in *translate.Inputs) {
			registering(nil)(in)
			in.Vendors[0].Spec.Registration = nil
			in.Vendors[0].Spec.Endpoints.Registration = ""
		}, says: []string{"dynamicRegistration", "OAuthVendor acme", "ask the platform team for registration.mode"}},
		"RegistrationPending": {inputs: registering(nil), says: []string{"OAuthVendor acme", "wait"}},
		"RegistrationFailed":  {inputs: registering(&translate.Registered{Problem: "the vendor said no"}), says: []string{"OAuthVendor acme", "the vendor said no", "tried again"}},
		"RegistrationExpired": {inputs: registering(&translate.Registered{Expired: true, Problem: "the vendor said no"}),
			says: []string{"OAuthVendor acme", "the vendor said no", "creating it again registers anew"}},
		"RegistrationUnusable": {inputs: func(in *translate.Inputs) {
			registering(nil)(in)
			in.Secrets[types.NamespacedName{Namespace: "ops", Name: oauthv1alpha1.RegistrationSecretName("app")}] = translate.Secret{
				Data: map[string]secret.Text{"clientID": secret.New("id"), "tokenEndpointAuthMethod": secret.New("none")},
			}
		}, says: []string{"OAuthVendor acme", "clientAuthentication.method", "change that"}},
		"DiscoveryPending": {inputs: discovered(nil), says: []string{"issuer https://acme.example", "wait"}},
		"DiscoveryFailed": {inputs: discovered(&translate.Discovered{Problem: "the server answered with HTTP status 404"}),
			says: []string{"issuer https://acme.example", "404", "discovery", "endpoints"}},

		"Programmed": {target: allGood(), served: Served{Ready: 1, Sequence: 7}, says: []string{"Every ready broker"}},
		"Pending": {target: allGood(), served: Served{Ready: 2, Sequence: 5, Behind: "Pod broker-1 (at sequence 5)"},
			says: []string{"sequence 7", "Pod broker-1 (at sequence 5)", "see their logs"}},
		"NoBrokerReady": {target: allGood(), says: []string{"no ready broker", "look at the pods of the broker's Deployment"}},
		"NotPublished":  {target: unpublished, says: []string{"byoc/team-a/app", "128 KiB", "Shorten"}},

		"CredentialsAccepted": {target: told(CredentialAccepted), says: []string{here, "knows"}},
		"CredentialsRefused":  {target: told(CredentialRefused), says: []string{here, "wrong, expired or revoked", "Store good ones there"}},
		"ProbePending":        {target: told(""), says: []string{here, "will be asked"}},
		"VendorDoesNotTell":   {target: told(CredentialUntold), says: []string{here, "credentialProbe.mode", "Set"}},
		"VendorUnavailable":   {target: told(CredentialUnavailable), says: []string{here, "asked again"}},

		"Ready":    {target: allGood(), served: Served{Ready: 1, Sequence: 7}, says: []string{"No condition is False"}},
		"NotReady": {target: told(CredentialRefused), served: Served{Ready: 1, Sequence: 7}, says: []string{"CredentialsValid", "CredentialsRefused", "see that condition"}},
	}
}

// TestReasons holds every reason that there is to a message that helps.
func TestReasons(t *testing.T) {
	source, err := os.ReadFile(filepath.Join("..", "api", "v1alpha1", "conditions.go"))
	if err != nil {
		t.Fatal(err)
	}
	cases := sayings()
	constants := regexp.MustCompile(`(?m)^\tReason\w+ = "(\w+)"$`).FindAllSubmatch(source, -1)
	if len(constants) < 20 {
		t.Fatalf("found %d reasons, which is too few", len(constants))
	}
	for _, m := range constants {
		reason := string(m[1])
		c, ok := cases[reason]
		if !ok {
			t.Errorf("no case for reason %s", reason)
			continue
		}
		messages := c.messages(reason)
		if len(messages) == 0 {
			t.Errorf("%s: nothing has this reason", reason)
		}
		for _, message := range messages {
			for _, part := range c.says {
				if !strings.Contains(message, part) {
					t.Errorf("%s: %q lacks %q", reason, message, part)
				}
			}
		}
	}
}

// messages are those that come with the reason.
func (c saying) messages(reason string) []string {
	var found []string
	if c.target != nil {
		for _, condition := range conditions(c.target, c.served, nil) {
			if condition.Reason == reason {
				found = append(found, condition.Message)
			}
		}
		return found
	}
	in := good()
	c.inputs(&in)
	for _, v := range translate.Translate(in).Verdicts {
		for _, check := range []translate.Check{v.Accepted, v.ResolvedRefs} {
			// A credential repeats what keeps its vendor from being ready.
			if check.Reason == reason && !strings.Contains(check.Message, "is not ready: see its condition") {
				found = append(found, check.Message)
			}
		}
	}
	return found
}
