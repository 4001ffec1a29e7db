// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// newKeyRegistry is a registry whose vendor authenticates apps by key.
func newKeyRegistry(t *testing.T) (*registry, *oauthv1alpha1.BrokerClient) {
	t.Helper()
	r := newRegistry(t, fakevendor.Options{Manageable: true})
	r.object.Spec.ClientAuthentication = &oauthv1alpha1.ClientAuthentication{
		Method: oauthv1alpha1.AuthPrivateKeyJWT, Assertion: &oauthv1alpha1.ClientAssertion{Algorithm: "ES256", KeyID: "broker-key", Audience: "TokenEndpoint"},
	}
	return r, &oauthv1alpha1.BrokerClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.tenant, Name: "web"},
		Spec: oauthv1alpha1.BrokerClientSpec{
			BrokerClass: r.class, RedirectURIs: []oauthv1alpha1.RedirectURI{harness.RedirectURI}, Authentication: oauthv1alpha1.BrokerClientAuthentication{Method: "None"},
			Vendors: []oauthv1alpha1.AllowedVendor{{Name: r.object.Name}},
		},
	}
}

// live checks that every broker serves the registration as it is in its Secret.
func (r *registry) live() error {
	object, err := r.stored()
	if err != nil {
		return err
	}
	if err := condition(r.app, "Programmed", "True", "Programmed"); err != nil {
		return err
	}
	if seen := r.app.Status.ObservedSecret; seen == nil || seen.ResourceVersion != object.ResourceVersion {
		return errors.New("status is of another version of the Secret")
	}
	return condition(r.app, "Ready", "True", "Ready")
}

// TestRegistration_key: the operator makes a key pair and registers the public
// part; the broker logs in with the private one. A key that somebody takes out of
// the Secret is replaced, and the app stays the same.
func TestRegistration_key(t *testing.T) {
	r, web := newKeyRegistry(t)
	b := r.startBroker()
	op := r.start(r.registers)
	r.create(r.object, r.app, web)
	eventually(t, r.registered)
	eventually(t, r.live)
	sent := string(r.fake.Last(fakevendor.Registration).Body)
	for _, want := range []string{`"token_endpoint_auth_method":"private_key_jwt"`, `"token_endpoint_auth_signing_alg":"ES256"`, `"jwks":{"keys":[{"use":"sig","kty":"EC","kid":"broker-key","crv":"P-256","alg":"ES256",`} {
		if !strings.Contains(sent, want) {
			t.Errorf("the vendor was asked for %s, want %s in it", sent, want)
		}
	}
	if strings.Contains(sent, `"d":`) {
		t.Error("the vendor got the private key")
	}
	r.loginByKey(b, web)
	first, err := r.stored()
	if err != nil {
		t.Fatal(err)
	}

	r.guide("oauth-broker-system", r.system, "UID", string(r.app.UID)).run("kubectl -n oauth-broker-system patch secret")
	var second *corev1.Secret
	eventually(t, func() error {
		if second, err = r.stored(); err != nil {
			return err
		}
		if key := second.Data[oauthv1alpha1.SecretKeyPrivateKey]; len(key) == 0 || string(key) == string(first.Data[oauthv1alpha1.SecretKeyPrivateKey]) {
			return errors.New("there is no new key")
		}
		return nil
	})
	eventually(t, r.live)
	if string(second.Data["clientID"]) != string(first.Data["clientID"]) || r.fake.Stats().Registrations != 1 || r.fake.Stats().RegistrationUpdates != 1 {
		t.Errorf("client %s became %s; %+v", first.Data["clientID"], second.Data["clientID"], r.fake.Stats())
	}
	r.loginByKey(b, web)
	seen := op.log.String() + fmt.Sprint(r.app) + libraryLog.String()
	for _, object := range []*corev1.Secret{first, second} {
		lines := strings.Split(string(object.Data[oauthv1alpha1.SecretKeyPrivateKey]), "\n")
		if len(lines) < 3 || strings.Contains(seen, lines[1]) {
			t.Error("the private key is in status or log, or is none")
		}
	}
}

func (r *registry) loginByKey(b *broker, web *oauthv1alpha1.BrokerClient) {
	r.t.Helper()
	r.login(b, web)
	if used := r.fake.Last(fakevendor.Token); used.AuthMethod != fakevendor.MethodPrivateKeyJWT {
		r.t.Errorf("the code was redeemed by %s", used.AuthMethod)
	}
}

// TestRegistration_noKeysAtTheVendor: a vendor that registers another client
// authentication than it was asked for; status says which.
func TestRegistration_noKeysAtTheVendor(t *testing.T) {
	r, _ := newKeyRegistry(t)
	r.startBroker()
	r.fake.Set(fakevendor.Registration, fakevendor.JSON(http.StatusCreated, `{"client_id":"registered-x","client_secret":"s","token_endpoint_auth_method":"client_secret_basic"}`))
	r.start(r.registers)
	r.create(r.object, r.app)
	eventually(t, func() error { return condition(r.app, "ResolvedRefs", "False", "RegistrationUnusable") })
	for _, c := range r.app.Status.Conditions {
		if c.Type == "ResolvedRefs" && (!strings.Contains(c.Message, "registered the app for client authentication client_secret_basic") || !strings.Contains(c.Message, "says private_key_jwt")) {
			t.Errorf("the message is %q", c.Message)
		}
	}
}
