// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
	"github.com/oauthbroker/oauth-broker/test/poll"
)

// within is for what the operator owes in a minute.
func within(t *testing.T, check func() error) {
	t.Helper()
	poll.Until(t, time.Minute, check)
}

// status checks a condition of the vendor or of the credential "own"; an empty
// status means that it is not there.
func (c *cluster) status(o client.Object, kind string, status metav1.ConditionStatus) error {
	if err := plane.Client.Get(c.T.Context(), client.ObjectKeyFromObject(o), o); err != nil {
		return err
	}
	found := controlplane.Condition(o, kind)
	switch {
	case found == nil && status == "":
		return nil
	case found == nil:
		return fmt.Errorf("%s has no condition %s", o.GetName(), kind)
	case found.Status != status:
		return fmt.Errorf("%s: %s is %s (%s: %s), want %s", o.GetName(), kind, found.Status, found.Reason, found.Message, status)
	case strings.Contains(found.Message, "canary"):
		return fmt.Errorf("%s: the message holds a secret", o.GetName())
	}
	return nil
}

func (c *cluster) sharedVendor() *oauthv1alpha1.OAuthVendor {
	return &oauthv1alpha1.OAuthVendor{ObjectMeta: metav1.ObjectMeta{Name: c.vendorName()}}
}

// put changes a Secret's client secret.
func (c *cluster) put(namespace, name, value string) {
	c.T.Helper()
	binary.Eventually(c.T, func() error {
		var s corev1.Secret
		if err := plane.Client.Get(c.T.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &s); err != nil {
			return err
		}
		s.Data["clientSecret"] = []byte(value)
		return plane.Client.Update(c.T.Context(), &s)
	})
}

// app makes the vendor know the platform's app by this secret alone.
func (c *cluster) app(secret string) {
	c.vendor.AddClient(fakevendor.Client{ID: "platform-app", Secret: secret, RedirectURIs: []string{c.PublicURL + "/v1/callback"}})
}

// TestCredentials_refusedInTraffic: a secret that was revoked at the vendor is
// met by a login, and shows in status within a minute; it recovers when the
// vendor accepts it again, and when the Secret is changed.
func TestCredentials_refusedInTraffic(t *testing.T) {
	c := newCluster(t)
	c.create(t, c.objects()...)
	b := c.StartWith("--published-namespace", c.published, "--kubeconfig", c.brokerUser(t)).Ready()
	binary.Eventually(t, c.login)
	vendor := c.sharedVendor()
	within(t, func() error { return c.status(vendor, "Ready", metav1.ConditionTrue) })
	if err := c.status(vendor, "CredentialsValid", ""); err != nil {
		t.Errorf("nobody asked: %v", err)
	}
	served := b.Revision()

	const other = "another-app-secret-canary-0123456789"
	c.Plant("the app's other secret", other)
	c.app(other)
	if err := c.login(); err == nil || !strings.Contains(err.Error(), "server_error") || !strings.Contains(err.Error(), c.vendorName()) {
		t.Fatalf("got %v, want server_error that names the credential", err)
	}
	within(t, func() error { return c.status(vendor, "CredentialsValid", metav1.ConditionFalse) })
	if err := c.status(vendor, "Ready", metav1.ConditionFalse); err != nil {
		t.Error(err)
	}
	if err := c.status(vendor, "Programmed", metav1.ConditionTrue); err != nil {
		t.Error(err)
	}
	report, err := b.AdminGet("/credentials")
	if err != nil || !strings.Contains(report, `"id":"shared/`+c.vendorName()+`"`) || strings.Contains(report, "canary") {
		t.Errorf("the admin port says %s (%v)", report, err)
	}

	// The vendor takes it back.
	c.app(appSecret)
	binary.Eventually(t, c.login)
	within(t, func() error { return c.status(vendor, "CredentialsValid", "") })
	within(t, func() error { return c.status(vendor, "Ready", metav1.ConditionTrue) })
	if now := b.Revision(); now.Sequence != served.Sequence {
		t.Errorf("sequence %d after %d: what the vendor said was published", now.Sequence, served.Sequence)
	}

	// Revoked again, and this time the Secret is renewed.
	c.app(other)
	if err := c.login(); err == nil {
		t.Fatal("a revoked secret works")
	}
	within(t, func() error { return c.status(vendor, "CredentialsValid", metav1.ConditionFalse) })
	c.put(c.system, "app", other)
	binary.Eventually(t, c.login)
	within(t, func() error { return c.status(vendor, "CredentialsValid", "") })
	within(t, func() error { return c.status(vendor, "Ready", metav1.ConditionTrue) })
}

// TestCredentials_probe: the manager asks the vendor, and a wrong secret shows
// before anybody logs in.
func TestCredentials_probe(t *testing.T) {
	c := newCluster(t)
	const wrong = "wrong-app-secret-canary-0123456789"
	c.Plant("the wrong secret", wrong)
	objects := c.objects()
	vendor, ok := objects[0].(*oauthv1alpha1.OAuthVendor)
	if !ok {
		t.Fatalf("got %T, want the vendor first", objects[0])
	}
	vendor.Spec.CredentialProbe = &oauthv1alpha1.CredentialProbe{Mode: oauthv1alpha1.CredentialProbeBogusCode}
	c.create(t, objects...)
	c.put(c.system, "app", wrong)
	c.StartWith("--published-namespace", c.published, "--kubeconfig", c.brokerUser(t)).Ready()
	within(t, func() error { return c.status(vendor, "CredentialsValid", metav1.ConditionFalse) })
	c.put(c.system, "app", appSecret)
	within(t, func() error { return c.status(vendor, "CredentialsValid", metav1.ConditionTrue) })
	within(t, func() error { return c.status(vendor, "Ready", metav1.ConditionTrue) })
	for _, r := range c.vendor.Requests(fakevendor.Token) {
		if !strings.HasPrefix(r.Form.Get("code"), "oauth-broker-probe-") {
			t.Error("a probe was sent with another code")
		}
	}
	if got := c.vendor.Stats(); got.CodesIssued != 0 {
		t.Errorf("the vendor issued codes: %+v", got)
	}
	if err := c.login(); err != nil {
		t.Errorf("a login after all that: %v", err)
	}
}

// TestCredentials_changedDuringALogin holds logins to what the architecture page
// says: a credential that is replaced or deleted ends them, and says so; a new
// secret of the same app does not.
func TestCredentials_changedDuringALogin(t *testing.T) {
	c := newCluster(t)
	const own, rotated = "tenants-app-secret-canary-0123456789", "rotated-app-secret-canary-0123456789"
	c.Plant("the tenant's secret", own)
	c.Plant("the tenant's new secret", rotated)
	c.vendor.AddClient(fakevendor.Client{ID: "tenant-app", Secret: own, RedirectURIs: []string{c.PublicURL + "/v1/callback"}})
	byoc := func() *oauthv1alpha1.BYOCCredential {
		return &oauthv1alpha1.BYOCCredential{ObjectMeta: metav1.ObjectMeta{Namespace: c.tenant, Name: "own"}, Spec: oauthv1alpha1.BYOCCredentialSpec{
			BrokerClass: c.tenant, Vendor: c.vendorName(), SecretRef: &oauthv1alpha1.SecretReference{Name: "own"},
		}}
	}
	credential := byoc()
	c.create(t, c.objects()...)
	c.create(t, credential, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.tenant, Name: "own"}, StringData: map[string]string{"clientID": "tenant-app", "clientSecret": own}})
	b := c.StartWith("--published-namespace", c.published, "--kubeconfig", c.brokerUser(t)).Ready()
	within(t, func() error { return c.status(credential, "Ready", metav1.ConditionTrue) })
	binary.Eventually(t, c.login)
	web := c.Client(c.vendorName(), oauth2.Config{ClientID: c.tenant + ".web", ClientSecret: clientSecret, RedirectURL: redirectURI}, c.vendor)
	begin := func() *binary.Login {
		t.Helper()
		l, err := web.Login()
		if err != nil {
			t.Fatal(err)
		}
		return l
	}

	// The secret is rotated between code and token: the same app, so it goes on.
	l, served := begin(), b.Revision()
	c.vendor.AddClient(fakevendor.Client{ID: "tenant-app", Secret: rotated, RedirectURIs: []string{c.PublicURL + "/v1/callback"}})
	c.put(c.tenant, "own", rotated)
	c.follows(t, b, served.Sequence)
	if _, err := web.Token(l); err != nil {
		t.Errorf("after a rotation: %v", err)
	}

	// The object is deleted, and then made anew: neither goes on, and nothing
	// falls back to the platform's app while the login is under way.
	for what, then := range map[string]func(){
		"deleted":   func() {},
		"recreated": func() { c.create(t, byoc()) },
	} {
		l, served = begin(), b.Revision()
		calls := c.vendor.Count(fakevendor.Token)
		if err := plane.Client.Delete(t.Context(), credential); err != nil {
			t.Fatal(err)
		}
		c.follows(t, b, served.Sequence)
		served = b.Revision()
		then()
		if what == "recreated" {
			c.follows(t, b, served.Sequence)
		}
		_, err := web.Token(l)
		if err == nil || !strings.Contains(err.Error(), "invalid_grant") || !strings.Contains(err.Error(), "changed or removed") {
			t.Errorf("%s: got %v, want invalid_grant that says why", what, err)
		}
		if n := c.vendor.Count(fakevendor.Token) - calls; n != 0 {
			t.Errorf("%s: the vendor was called %d times", what, n)
		}
		if what == "deleted" {
			c.create(t, byoc())
		}
		within(t, func() error { return c.status(byoc(), "Ready", metav1.ConditionTrue) })
	}
}
