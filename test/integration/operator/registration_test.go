// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers"
	"github.com/oauthbroker/oauth-broker/internal/vendorapps"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// registry is an install and a vendor that registers apps.
type registry struct {
	*install
	fake *fakevendor.Server
	// object is the OAuthVendor, app the credential that asks for a registration.
	object *oauthv1alpha1.OAuthVendor
	app    *oauthv1alpha1.BYOCCredential
}

func newRegistry(t *testing.T, o fakevendor.Options) *registry {
	t.Helper()
	r := &registry{install: newInstall(t)}
	o.Now = r.clock.Now
	r.fake = fakevendor.New(o).Start(t)
	r.object = r.vendor()
	r.object.Spec.Endpoints = &oauthv1alpha1.Endpoints{
		Authorization: oauthv1alpha1.EndpointURL(r.fake.URL(fakevendor.Authorize)), Token: oauthv1alpha1.EndpointURL(r.fake.URL(fakevendor.Token)),
		Registration: oauthv1alpha1.EndpointURL(r.fake.URL(fakevendor.Registration)),
	}
	r.object.Spec.Transport = &oauthv1alpha1.Transport{CABundle: string(r.fake.CAPEM())}
	r.object.Spec.Registration = &oauthv1alpha1.Registration{Mode: "Open"}
	if o.InitialAccessToken != "" {
		r.object.Spec.Registration = &oauthv1alpha1.Registration{Mode: "InitialAccessToken", InitialAccessTokenRef: &oauthv1alpha1.SecretReference{Name: "initial"}}
		r.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: r.system, Name: "initial"}, StringData: map[string]string{"initialAccessToken": o.InitialAccessToken}})
	}
	r.app = r.credential("app")
	r.app.Spec.SecretRef, r.app.Spec.DynamicRegistration = nil, &oauthv1alpha1.DynamicRegistration{ClientName: "Team A", Scopes: []oauthv1alpha1.ScopeToken{"read"}}
	return r
}

// registers lets an operator of start make registrations.
func (r *registry) registers(o *controllers.Options, _ *rest.Config) {
	o.Registrations = vendorapps.New(o.Now)
	o.PublicURL = harness.PublicURL
}

// status is status.registration as it is now.
func (r *registry) status() (oauthv1alpha1.RegistrationStatus, error) {
	if err := plane.Client.Get(r.t.Context(), client.ObjectKeyFromObject(r.app), r.app); err != nil {
		return oauthv1alpha1.RegistrationStatus{}, err
	}
	if r.app.Status.Registration == nil {
		return oauthv1alpha1.RegistrationStatus{}, nil
	}
	return *r.app.Status.Registration, nil
}

// registered checks that one app is registered, known to status and the Secret,
// and that nothing is under way.
func (r *registry) registered() error {
	s, err := r.status()
	if err != nil {
		return err
	}
	object, err := r.stored()
	if err != nil {
		return err
	}
	switch {
	case s.Attempt != "" || s.ClientID == "" || s.Failure != nil:
		return fmt.Errorf("status.registration is %+v", s)
	case string(object.Data["clientID"]) != s.ClientID:
		return fmt.Errorf("the Secret is of client %s, status of %s", object.Data["clientID"], s.ClientID)
	case !slices.ContainsFunc(r.fake.RegisteredApps(), func(c fakevendor.Client) bool { return c.ID == s.ClientID }):
		return fmt.Errorf("the vendor has no client %s", s.ClientID)
	}
	return nil
}

// accounted checks that status tells of every app at the vendor.
func (r *registry) accounted() error {
	s, err := r.status()
	if err != nil {
		return err
	}
	for _, app := range r.fake.RegisteredApps() {
		known := app.ID == s.ClientID || slices.ContainsFunc(s.Orphans, func(o oauthv1alpha1.OrphanedRegistration) bool { return o.SoftwareID == app.SoftwareID })
		if !known {
			return fmt.Errorf("status does not tell of the app %s (software_id %s): %+v", app.ID, app.SoftwareID, s)
		}
	}
	return nil
}

func (r *registry) stored() (*corev1.Secret, error) {
	var object corev1.Secret
	key := types.NamespacedName{Namespace: r.system, Name: oauthv1alpha1.RegistrationSecretName(string(r.app.UID))}
	return &object, plane.Client.Get(r.t.Context(), key, &object)
}

// deleted checks that object and Secret are gone.
func (r *registry) deleted() error {
	if err := plane.Client.Get(r.t.Context(), client.ObjectKeyFromObject(r.app), r.app.DeepCopy()); !apierrors.IsNotFound(err) {
		return fmt.Errorf("the credential is still there (%w)", errOr(err))
	}
	if _, err := r.stored(); !apierrors.IsNotFound(err) {
		return fmt.Errorf("the Secret is still there (%w)", errOr(err))
	}
	return nil
}

func errOr(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}

func (r *registry) orphans() ([]oauthv1alpha1.OrphanedRegistration, error) {
	err := plane.Client.Get(r.t.Context(), client.ObjectKeyFromObject(r.object), r.object)
	return r.object.Status.OrphanedRegistrations, err
}

func (r *registry) remove() {
	r.t.Helper()
	if err := plane.Client.Delete(r.t.Context(), r.app.DeepCopy()); err != nil {
		r.t.Fatal(err)
	}
}

// TestRegistration: from one manifest to a login with the app that the operator
// registered; nothing is written twice; deleting the object deletes the app.
func TestRegistration(t *testing.T) {
	r := newRegistry(t, fakevendor.Options{Manageable: true, InitialAccessToken: "initial-access-token-of-the-platform"})
	b := r.startBroker()
	op := r.start(r.registers)
	web := &oauthv1alpha1.BrokerClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.tenant, Name: "web"},
		Spec: oauthv1alpha1.BrokerClientSpec{
			BrokerClass: r.class, RedirectURIs: []oauthv1alpha1.RedirectURI{harness.RedirectURI}, Authentication: oauthv1alpha1.BrokerClientAuthentication{Method: "None"},
			Vendors: []oauthv1alpha1.AllowedVendor{{Name: r.object.Name}},
		},
	}
	r.create(r.object, r.app, web)
	eventually(t, r.registered)
	eventually(t, func() error { return condition(r.app, "Ready", "True", "Ready") })
	sent := string(r.fake.Last(fakevendor.Registration).Body)
	for _, want := range []string{`"redirect_uris":["` + harness.PublicURL + `/v1/callback"]`, `"client_name":"Team A"`, `"scope":"read"`, `"software_id":"oauth-broker-`, `"token_endpoint_auth_method":"client_secret_basic"`} {
		if !strings.Contains(sent, want) {
			t.Errorf("the vendor was asked for %s, want %s in it", sent, want)
		}
	}
	r.login(b, web)

	object, err := r.stored()
	if err != nil {
		t.Fatal(err)
	}
	if object.Labels[oauthv1alpha1.RegistrationLabel] != string(r.app.UID) || len(object.OwnerReferences) > 0 {
		t.Errorf("labels %v, owners %v", object.Labels, object.OwnerReferences)
	}
	eventually(t, func() error { return condition(r.object, "Ready", "True", "Ready") })
	eventually(t, func() error { return condition(web, "Ready", "True", "Ready") })
	op.writes.Reset()
	op.Touch()
	update(r.install, r.app, func(c *oauthv1alpha1.BYOCCredential) { c.Labels = map[string]string{"x": "y"} })
	stays(t, func() error {
		if op.writes.in("") > 0 || r.fake.Count(fakevendor.Registration) != 1 {
			return fmt.Errorf("nothing changed, and there was written:\n%s", op.writes.String())
		}
		return nil
	})
	r.checkNoSecret(op, object)

	r.remove()
	eventually(t, r.deleted)
	if apps := r.fake.RegisteredApps(); len(apps) > 0 || r.fake.Stats().Registrations != 1 || r.fake.Stats().Unregistrations != 1 {
		t.Errorf("the vendor has %v; %+v", apps, r.fake.Stats())
	}
	for _, reason := range []string{"Registered", "Unregistered"} {
		eventually(t, func() error { return r.event(reason) })
	}
	if orphans, err := r.orphans(); err != nil || len(orphans) > 0 {
		t.Errorf("orphans %v (%v)", orphans, err)
	}
}

// login walks a whole login with what the operator published.
func (r *registry) login(b *broker, web *oauthv1alpha1.BrokerClient) {
	r.t.Helper()
	h := harness.Start(r.t, harness.Options{})
	h.Reach(r.fake)
	eventually(r.t, func() error { return condition(web, "Programmed", "True", "Programmed") })
	h.Serve(b.snapshot.Load())
	l := h.NewLogin(r.tenant + ".web")
	base := harness.PublicURL + "/v1/vendors/" + r.object.Name
	l.Authorization, l.TokenURL = base+"/authorize", base+"/token"
	l.Walk()
	answer := h.Token(l.TokenURL, l.Form(), harness.None(l.Client))
	if answer.Status != http.StatusOK || !r.fake.AccessTokenWorks(answer.Text("access_token")) {
		r.t.Errorf("the login ended with %d %s", answer.Status, answer.Body)
	}
	if used := r.fake.Last(fakevendor.Token); used.ClientID != r.app.Status.Registration.ClientID {
		r.t.Errorf("the code was redeemed by %q", used.ClientID)
	}
}

// checkNoSecret looks for what is secret where it must not be.
func (r *registry) checkNoSecret(op *operator, object *corev1.Secret) {
	r.t.Helper()
	app := r.fake.RegisteredApps()[0]
	if string(object.Data["clientSecret"]) != app.Secret {
		r.t.Error("the Secret holds another client secret")
	}
	var events corev1.EventList
	if err := plane.Client.List(r.t.Context(), &events); err != nil {
		r.t.Fatal(err)
	}
	seen := op.log.String() + fmt.Sprint(r.app) + fmt.Sprint(events) + libraryLog.String()
	for _, secret := range []string{app.Secret, app.ManagementToken, "initial-access-token-of-the-platform"} {
		if strings.Contains(seen, secret) {
			r.t.Errorf("a secret is in status, event or log: %s...", secret[:12])
		}
	}
}

// TestRegistration_refused: a vendor that says no is not asked again and again;
// what it says is in the condition, by code.
func TestRegistration_refused(t *testing.T) {
	r := newRegistry(t, fakevendor.Options{})
	r.startBroker()
	r.fake.Set(fakevendor.Registration, fakevendor.JSON(http.StatusBadRequest, `{"error":"invalid_client_metadata","error_description":"a-text-of-the-vendor"}`))
	op := r.start(r.registers)
	r.create(r.object, r.app)
	eventually(t, func() error { return condition(r.app, "ResolvedRefs", "False", "RegistrationFailed") })
	s, err := r.status()
	if err != nil || s.Failure == nil || s.Attempt != "" || len(s.Orphans) > 0 {
		t.Fatalf("status.registration is %+v (%v)", s, err)
	}
	if !strings.Contains(s.Failure.Message, "invalid_client_metadata") || strings.Contains(fmt.Sprint(r.app)+op.log.String(), "a-text-of-the-vendor") {
		t.Errorf("the message is %q", s.Failure.Message)
	}
	if wait := s.Failure.NextTime.Sub(s.Failure.Time.Time); wait < 5*time.Minute {
		t.Errorf("the next try is after %s", wait)
	}
	stays(t, func() error {
		if n := r.fake.Count(fakevendor.Registration); n != 1 {
			return fmt.Errorf("the vendor was asked %d times", n)
		}
		return nil
	})
	// A change of the object is tried at once, and all is well again.
	r.fake.Behave()
	update(r.install, r.app, func(c *oauthv1alpha1.BYOCCredential) { c.Spec.DynamicRegistration.ClientName = "Other" })
	eventually(t, r.registered)
	eventually(t, func() error { return condition(r.app, "Ready", "True", "Ready") })
}
