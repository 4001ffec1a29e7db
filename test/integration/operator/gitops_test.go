// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// message is that of a condition of a credential.
func message(c *oauthv1alpha1.BYOCCredential, kind string) string {
	if found := meta.FindStatusCondition(c.Status.Conditions, kind); found != nil {
		return found.Message
	}
	return ""
}

// TestGitOps_secretMetadata: Secrets as External Secrets and Sealed Secrets make
// them, with owners, labels, annotations and types, are as good as plain ones,
// and so is one that its maker replaces by another of the same name.
func TestGitOps_secretMetadata(t *testing.T) {
	in := newInstall(t)
	b := in.startBroker()
	in.start()
	in.create(in.vendor())
	owned := func(api, kind string) []metav1.OwnerReference {
		return []metav1.OwnerReference{{APIVersion: api, Kind: kind, Name: "acme", UID: types.UID("0b3ed6a1-" + in.tenant), Controller: new(true), BlockOwnerDeletion: new(true)}}
	}
	for name, shape := range map[string]func(*corev1.Secret){
		"external": func(s *corev1.Secret) {
			s.OwnerReferences = owned("external-secrets.io/v1", "ExternalSecret")
			s.Labels = map[string]string{"reconcile.external-secrets.io/managed": "true", "reconcile.external-secrets.io/created-by": "a1b2"}
			s.Annotations = map[string]string{"reconcile.external-secrets.io/data-hash": "c3d4"}
			s.Type, s.Immutable = corev1.SecretTypeOpaque, new(true)
		},
		"sealed": func(s *corev1.Secret) {
			s.OwnerReferences = owned("bitnami.com/v1alpha1", "SealedSecret")
			s.Annotations = map[string]string{"sealedsecrets.bitnami.com/managed": "true"}
			s.Finalizers = []string{"example.com/keep"}
		},
		"typed": func(s *corev1.Secret) { s.Type = "example.com/oauth-app" },
		"more": func(s *corev1.Secret) {
			s.Data["tls.crt"], s.Data["client_id"] = []byte("x"), []byte("not this one")
		},
	} {
		credential := in.credential(name)
		credential.Spec.Selection = oauthv1alpha1.SelectionByName
		secret := in.secret(name, "value-of-"+name)
		shape(secret)
		in.create(credential, secret)
		eventually(t, func() error { return condition(credential, "Ready", "True", "Ready") })
		eventually(t, func() error { return b.namedSecretIs(in, name, "value-of-"+name) })
	}
}

// namedSecretIs checks a credential that is chosen by name.
func (b *broker) namedSecretIs(in *install, name, want string) error {
	s := b.snapshot.Load()
	v, ok := s.Vendor(in.vendorName())
	if !ok {
		return errors.New("the broker does not have the vendor")
	}
	c, err := s.Choose(namedClient(in.tenant), v, name)
	if err != nil {
		return err
	}
	if c.ClientSecret.Reveal() != want {
		return fmt.Errorf("credential %s has another client secret", name)
	}
	return nil
}

// TestGitOps_rotationByReference: a new Secret under a new name, and the
// reference changed to it, before the new Secret is there and after.
func TestGitOps_rotationByReference(t *testing.T) {
	in, b, _, credential := ready(t)
	point := func(name string) {
		t.Helper()
		update(in, credential, func(c *oauthv1alpha1.BYOCCredential) { c.Spec.SecretRef.Name = name })
	}
	in.create(in.secret("acme-2", "two"))
	point("acme-2")
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "two") })
	eventually(t, func() error { return condition(credential, "Ready", "True", "Ready") })
	if o := credential.Status.ObservedSecret; o == nil || o.Name != "acme-2" {
		t.Errorf("got observed Secret %+v, want acme-2", o)
	}
	// The old one is nobody's any more: its change publishes nothing.
	before, _, err := in.index()
	if err != nil {
		t.Fatal(err)
	}
	in.rotate("old")
	stays(t, func() error {
		after, _, err := in.index()
		if err == nil && after.Sequence != before.Sequence {
			err = fmt.Errorf("sequence %d after %d", after.Sequence, before.Sequence)
		}
		return err
	})

	point("acme-3")
	eventually(t, func() error { return condition(credential, "ResolvedRefs", "False", "SecretNotFound") })
	if m := message(credential, "ResolvedRefs"); !strings.Contains(m, in.tenant+"/acme-3") || !strings.Contains(m, "clientSecret") {
		t.Errorf("message %q names no Secret or keys", m)
	}
	in.create(in.secret("acme-3", "three"))
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "three") })
	eventually(t, func() error { return condition(credential, "Ready", "True", "Ready") })
}

// TestGitOps_wrongKeyNames: the message lists the names that were found, and
// none of the values.
func TestGitOps_wrongKeyNames(t *testing.T) {
	in := newInstall(t)
	in.startBroker()
	in.start()
	credential := in.credential("acme")
	secret := in.secret("acme", "")
	secret.Data = map[string][]byte{"client_id": []byte("v4lue-1"), "CLIENT_SECRET": []byte("v4lue-2"), "clientID": []byte("v4lue-3")}
	in.create(in.vendor(), credential, secret)
	eventually(t, func() error { return condition(credential, "ResolvedRefs", "False", "SecretInvalid") })
	m := message(credential, "ResolvedRefs")
	for _, want := range []string{"Secret " + in.tenant + "/acme", "secretRef", "clientSecret", "CLIENT_SECRET", "client_id"} {
		if !strings.Contains(m, want) {
			t.Errorf("message %q lacks %q", m, want)
		}
	}
	if strings.Contains(m, "v4lue") {
		t.Errorf("message %q holds a value", m)
	}
}

// TestGitOps_othersSecret: a tenant has no way to name a Secret of another
// namespace, and one of the same name there is of no use.
func TestGitOps_othersSecret(t *testing.T) {
	in := newInstall(t)
	b := in.startBroker()
	in.start()
	other, err := plane.Namespace(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	theirs, operators := in.secret("acme", "theirs"), in.secret("acme", "operators")
	theirs.Namespace, operators.Namespace = other, in.system
	credential := in.credential("acme")
	in.create(in.vendor(), theirs, operators, credential)
	eventually(t, func() error { return condition(credential, "ResolvedRefs", "False", "SecretNotFound") })
	stays(t, func() error {
		if _, err := b.credential(in.tenant, in.vendorName()); !errors.Is(err, runtimeconfig.ErrCredentialNotReady) {
			return fmt.Errorf("got %w, want a credential that is not ready", err)
		}
		return nil
	})

	strict := client.WithFieldValidation(plane.Client, metav1.FieldValidationStrict)
	for what, ref := range map[string]map[string]any{
		"a namespace":         {"name": "acme", "namespace": other},
		"a path":              {"name": other + "/acme"},
		"a path to elsewhere": {"name": "../" + other},
	} {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(oauthv1alpha1.GroupVersion().WithKind("BYOCCredential"))
		u.SetNamespace(in.tenant)
		u.SetName("sneaky")
		u.Object["spec"] = map[string]any{"brokerClass": in.class, "vendor": in.vendorName(), "secretRef": map[string]any{}}
		for k, v := range ref {
			if err := unstructured.SetNestedField(u.Object, v, "spec", "secretRef", k); err != nil {
				t.Fatal(err)
			}
		}
		if err := strict.Create(t.Context(), u); err == nil {
			t.Errorf("%s in secretRef was accepted", what)
		}
	}
}

// TestGitOps_allowedNamespacesBySelector: the label of a namespace gives and
// takes, in both policies of a vendor, without any other change.
func TestGitOps_allowedNamespacesBySelector(t *testing.T) {
	in := newInstall(t)
	b := in.startBroker()
	in.start()
	vendor, credential := in.vendor(), in.credential("acme")
	gold := &oauthv1alpha1.NamespacePolicy{From: oauthv1alpha1.NamespacesBySelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}}}
	vendor.Spec.BYOC = &oauthv1alpha1.BringYourOwn{AllowedNamespaces: gold}
	vendor.Spec.Credentials = &oauthv1alpha1.SharedCredentials{SecretRef: &oauthv1alpha1.SecretReference{Name: "shared"}, AllowedNamespaces: gold}
	shared := in.secret("shared", "platform")
	shared.Namespace = in.system
	in.create(vendor, credential, in.secret("acme", "one"), shared, &oauthv1alpha1.BrokerClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: in.tenant, Name: "web"},
		Spec: oauthv1alpha1.BrokerClientSpec{
			BrokerClass: in.class, RedirectURIs: []oauthv1alpha1.RedirectURI{"https://app.example/cb"},
			Authentication: oauthv1alpha1.BrokerClientAuthentication{Method: oauthv1alpha1.ClientAuthNone},
			Vendors:        []oauthv1alpha1.AllowedVendor{{Name: vendor.Name}},
		},
	})
	maySharedUse := func(want bool) error {
		s := b.snapshot.Load()
		v, known := s.Vendor(vendor.Name)
		c, there := s.Client(in.tenant + ".web")
		if !known || !there || s.MayUseShared(c, v) != want {
			return fmt.Errorf("vendor there %v, client there %v; the client's use of the shared credential is not %v", known, there, want)
		}
		return nil
	}
	label := func(value string) {
		t.Helper()
		n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: in.tenant}}
		update(in, n, func(n *corev1.Namespace) {
			if n.Labels == nil {
				n.Labels = map[string]string{}
			}
			n.Labels["tier"] = value
		})
	}
	refused := func() error {
		if err := condition(credential, "Accepted", "False", "NamespaceNotAllowed"); err != nil {
			return err
		}
		if _, err := b.credential(in.tenant, vendor.Name); !errors.Is(err, runtimeconfig.ErrCredentialNotReady) {
			return fmt.Errorf("got %w, want a credential that is not ready", err)
		}
		return nil
	}
	eventually(t, refused)
	eventually(t, func() error { return maySharedUse(false) })
	label("gold")
	eventually(t, func() error { return maySharedUse(true) })
	eventually(t, func() error { return condition(credential, "Ready", "True", "Ready") })
	eventually(t, func() error { return b.secretIs(in.tenant, vendor.Name, "one") })
	label("silver")
	eventually(t, refused)
	eventually(t, func() error { return maySharedUse(false) })
	if m := message(credential, "Accepted"); !strings.Contains(m, in.tenant) || !strings.Contains(m, "byoc.allowedNamespaces") {
		t.Errorf("message %q names no namespace or field", m)
	}
}
