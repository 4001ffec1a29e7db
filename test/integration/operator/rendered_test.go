// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/capture"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	chart "github.com/oauthbroker/oauth-broker/test/install"
)

// grantRendered creates the rights that the chart renders for this install, and
// returns the configuration of the manager's service account.
func (in *install) grantRendered(values ...string) *rest.Config {
	in.t.Helper()
	x, err := chart.Find(in.t.Context())
	if err != nil {
		in.t.Fatal(err)
	}
	args := []string{"--namespace", in.system, "--set", "publicURL=" + chart.PublicURL, "--set", "fullnameOverride=" + in.class, "--set", "publishedNamespace.name=" + in.published}
	for _, v := range values {
		args = append(args, "--set", v)
	}
	objects, err := chart.Objects(x.Template(in.t.Context(), "oauth-broker", args...))
	if err != nil {
		in.t.Fatal(err)
	}
	for _, o := range objects {
		if group := o.GroupVersionKind().Group; group == rbacv1.GroupName || group == admissionv1.GroupName {
			in.create(o)
		}
	}
	config := rest.CopyConfig(plane.Config)
	config.Impersonate.UserName = "system:serviceaccount:" + in.system + ":" + in.class + "-manager"
	return config
}

// TestRendered_rights: the operator, under exactly the rights that the chart
// gives it, is never refused anything: not for its work, not for its events, not
// when something is broken.
func TestRendered_rights(t *testing.T) {
	for name, namespaced := range map[string]bool{"cluster": false, "namespaced": true} {
		t.Run(name, func(t *testing.T) {
			in := newInstall(t)
			var values []string
			if namespaced {
				values = []string{"watchNamespaces={" + in.tenant + "}"}
			}
			config := in.grantRendered(values...)
			refused := &capture.Buffer{}
			in.startBroker()
			op := in.start(func(o *controllers.Options, c *rest.Config) {
				*c = *rest.CopyConfig(config)
				c.Wrap(recordForbidden(refused))
				if namespaced {
					o.WatchNamespaces = []string{in.tenant}
				}
			})
			vendor, credential := in.vendor(), in.credential("acme")
			bad := &oauthv1alpha1.BrokerClient{}
			bad.Namespace, bad.Name, bad.Spec.BrokerClass = in.tenant, "portal", in.class
			bad.Spec.RedirectURIs = []oauthv1alpha1.RedirectURI{"https://portal.example/cb"}
			bad.Spec.Authentication.Method, bad.Spec.Vendors = oauthv1alpha1.ClientAuthNone, []oauthv1alpha1.AllowedVendor{{Name: "nobody"}}
			in.create(vendor, credential, in.secret("acme", "one"), bad)
			for _, o := range []client.Object{vendor, credential} {
				eventually(t, func() error { return condition(o, "Ready", "True", "Ready") })
			}
			eventually(t, func() error { return condition(bad, "ResolvedRefs", "False", "VendorNotFound") })
			in.breakAll(op)
			if namespaced {
				update(in, vendor, func(v *oauthv1alpha1.OAuthVendor) {
					v.Spec.TrustedNamespaces = &oauthv1alpha1.NamespacePolicy{From: oauthv1alpha1.NamespacesBySelector, Selector: &metav1.LabelSelector{}}
				})
				eventually(t, func() error { return condition(vendor, "Accepted", "False", "SelectorUnsupported") })
			}
			for _, what := range []struct{ namespace, name, reason string }{
				{metav1.NamespaceDefault, vendor.Name, "Ready"}, {in.tenant, "acme", "Ready"}, {in.tenant, "portal", "VendorNotFound"},
				{in.published, runtimeconfig.IndexName, "MalformedIndex"}, {in.system, "oauth-broker-keyring", "KeyRingMissing"},
			} {
				eventually(t, func() error { return in.eventOn(what.namespace, what.name, what.reason) })
			}
			if s := refused.String(); s != "" {
				t.Errorf("the operator was refused:\n%s", s)
			}
		})
	}
}

// TestRendered_registration: under the same rights an app is registered, changed
// and deleted; one whose object went without the operator is swept, and told of in
// the vendor's status.
func TestRendered_registration(t *testing.T) {
	for name, namespaced := range map[string]bool{"cluster": false, "namespaced": true} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t, fakevendor.Options{Manageable: true, InitialAccessToken: "initial-access-token-of-the-platform"})
			var values []string
			if namespaced {
				values = []string{"watchNamespaces={" + r.tenant + "}"}
			}
			config, refused := r.grantRendered(values...), &capture.Buffer{}
			start := func() *operator {
				return r.start(r.registers, func(o *controllers.Options, c *rest.Config) {
					*c = *rest.CopyConfig(config)
					c.Wrap(recordForbidden(refused))
					if namespaced {
						o.WatchNamespaces = []string{r.tenant}
					}
				})
			}
			r.startBroker()
			op := start()
			second := r.app.DeepCopy()
			r.create(r.object, r.app)
			eventually(t, r.registered)
			eventually(t, func() error { return condition(r.app, "Ready", "True", "Ready") })
			r.rename("Another name")
			eventually(t, func() error { return r.asked(2) })
			eventually(t, r.registered)
			r.remove()
			eventually(t, r.deleted)
			for _, reason := range []string{"Registered", "RegistrationUpdated", "Unregistered"} {
				eventually(t, func() error { return r.eventOn(r.tenant, "app", reason) })
			}

			r.app = second
			r.create(r.app)
			eventually(t, r.registered)
			op.stop()
			r.abandon()
			op = start()
			r.marked()
			r.fake.Set(fakevendor.Management, fakevendor.RetryLater(http.StatusServiceUnavailable, "1"))
			for _, done := range []func() error{func() error { return r.holds(`"removing"`) }, r.deleted} {
				op.stop()
				r.clock.Advance(11 * time.Minute)
				op = start()
				eventually(t, done)
			}
			if list, err := r.orphans(); err != nil || len(list) != 1 {
				t.Errorf("orphans %+v (%v)", list, err)
			}
			eventually(t, func() error { return r.eventOn(metav1.NamespaceDefault, r.object.Name, "RegistrationOrphaned") })
			if s := refused.String(); s != "" {
				t.Errorf("the operator was refused:\n%s", s)
			}
		})
	}
}

// TestRendered_admissionPolicy: with the policy of the chart the operator cannot
// touch the key ring or Secrets of other kinds, and does its work all the same. It
// holds nobody else back.
func TestRendered_admissionPolicy(t *testing.T) {
	r := newRegistry(t, fakevendor.Options{Manageable: true, InitialAccessToken: "initial-access-token-of-the-platform"})
	config := r.grantRendered("manager.admissionPolicy.enabled=true")
	own, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	initial := &corev1.Secret{}
	eventually(t, func() error { // the API server takes a moment to see a new policy
		if err := plane.Client.Get(t.Context(), client.ObjectKey{Namespace: r.system, Name: "initial"}, initial); err != nil {
			return err
		}
		if initial.Annotations == nil {
			initial.Annotations = map[string]string{}
		}
		initial.Annotations["by"] = "the operator"
		return isDenied(own.Update(t.Context(), initial), "changes and deletes Secrets of registrations")
	})
	refused := &capture.Buffer{}
	r.startBroker()
	r.start(r.registers, func(_ *controllers.Options, c *rest.Config) {
		*c = *rest.CopyConfig(config)
		c.Wrap(recordForbidden(refused))
		c.Wrap(recordInvalid(refused))
	})
	r.create(r.object, r.app)
	eventually(t, r.registered)
	r.rename("Another name")
	eventually(t, func() error { return r.asked(2) })
	eventually(t, r.registered)
	ring := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: r.system, Name: "oauth-broker-keyring"}}
	if err := plane.Client.Get(t.Context(), client.ObjectKeyFromObject(ring), ring); err != nil {
		t.Fatal(err)
	}
	token := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: r.system, Name: "token", Annotations: map[string]string{corev1.ServiceAccountNameKey: "default"}}, Type: corev1.SecretTypeServiceAccountToken}
	for what, err := range map[string]error{
		"changes and deletes Secrets of registrations": own.Delete(t.Context(), ring.DeepCopy()),
		"creates Secrets of registrations":             own.Create(t.Context(), token),
	} {
		if err := isDenied(err, what); err != nil {
			t.Error(err)
		}
	}
	r.remove()
	eventually(t, r.deleted)
	if err := plane.Client.Delete(t.Context(), ring); err != nil {
		t.Errorf("a person may not delete the key ring: %v", err)
	}
	if s := refused.String(); s != "" {
		t.Errorf("the operator was refused:\n%s", s)
	}
}

// isDenied checks that an admission policy refused a request.
func isDenied(err error, why string) error {
	if !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), why) {
		return fmt.Errorf("got %w, want it denied: %s", errOr(err), why)
	}
	return nil
}

// recordInvalid writes a line for each answer of status 422, with which admission
// policies refuse.
func recordInvalid(to *capture.Buffer) func(http.RoundTripper) http.RoundTripper {
	return recordStatus(to, http.StatusUnprocessableEntity)
}

// breakAll damages the index and takes the key ring away, so that the operator
// has something to tell.
func (in *install) breakAll(op *operator) {
	in.t.Helper()
	_, object, err := in.index()
	if err != nil {
		in.t.Fatal(err)
	}
	ring := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: in.system, Name: "oauth-broker-keyring"}}
	if err := plane.Client.Delete(in.t.Context(), ring); err != nil {
		in.t.Fatal(err)
	}
	eventually(in.t, func() error {
		if op.KeyRing.Check(nil) == nil {
			return errors.New("the missing key ring was not noticed")
		}
		return nil
	})
	object.Data[runtimeconfig.IndexDataKey] = []byte("{")
	object.ResourceVersion = ""
	if err := plane.Client.Update(in.t.Context(), object); err != nil {
		in.t.Fatal(err)
	}
	eventually(in.t, func() error { _, _, err := in.index(); return err })
}

// recordForbidden writes a line for each answer of status 403.
func recordForbidden(to *capture.Buffer) func(http.RoundTripper) http.RoundTripper {
	return recordStatus(to, http.StatusForbidden)
}

func recordStatus(to *capture.Buffer, status int) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(r)
			if err == nil && response.StatusCode == status {
				_, _ = fmt.Fprintf(to, "%s %s\n", r.Method, r.URL.Path)
			}
			return response, err
		})
	}
}

// eventOn tells whether there is an event about an object.
func (in *install) eventOn(namespace, name, reason string) error {
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("events.k8s.io/v1")
	list.SetKind("EventList")
	if err := plane.Client.List(in.t.Context(), list, client.InNamespace(namespace)); err != nil {
		return err
	}
	for _, item := range list.Items {
		about, _, _ := unstructured.NestedString(item.Object, "regarding", "name")
		if why, _, _ := unstructured.NestedString(item.Object, "reason"); about == name && why == reason {
			return nil
		}
	}
	return fmt.Errorf("no event %s about %s in namespace %s", reason, name, namespace)
}
