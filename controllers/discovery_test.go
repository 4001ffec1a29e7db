// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

// An operator that starts while a vendor's metadata is away serves what status
// kept, also after an edit that nobody led for, but never for another issuer.
func TestDiscovery_statusOverARestart(t *testing.T) {
	v := &oauthv1alpha1.OAuthVendor{ObjectMeta: metav1.ObjectMeta{Name: "acme", UID: "uid", Generation: 7}}
	v.Spec.Issuer = "https://acme.example"
	v.Spec.Discovery = &oauthv1alpha1.Discovery{Type: oauthv1alpha1.DiscoveryOAuth}
	v.Status.ObservedGeneration = 6
	v.Status.Discovery = &oauthv1alpha1.DiscoveryStatus{Source: sourceDigest(v), Endpoints: &oauthv1alpha1.Endpoints{Token: "https://acme.example/token"}}
	results := func(change func(*oauthv1alpha1.OAuthVendor)) bool {
		edited := v.DeepCopy()
		change(edited)
		got, ok := (&Discovery{}).Results([]*oauthv1alpha1.OAuthVendor{edited})["acme"]
		return ok && got.Endpoints != nil && got.Source == sourceDigest(edited)
	}
	for name, c := range map[string]struct {
		change func(*oauthv1alpha1.OAuthVendor)
		want   bool
	}{
		"new scope":     {func(v *oauthv1alpha1.OAuthVendor) { v.Spec.Scopes = &oauthv1alpha1.Scopes{Sent: "Never"} }, true},
		"other issuer":  {func(v *oauthv1alpha1.OAuthVendor) { v.Spec.Issuer = "https://evil.example" }, false},
		"other url":     {func(v *oauthv1alpha1.OAuthVendor) { v.Spec.Discovery.URL = "https://acme.example/other" }, false},
		"created anew":  {func(v *oauthv1alpha1.OAuthVendor) { v.UID = "another" }, false},
		"no status yet": {func(v *oauthv1alpha1.OAuthVendor) { v.Status.Discovery = nil }, false},
		// Whoever may write the status may not say where secrets go.
		"other host in status": {func(v *oauthv1alpha1.OAuthVendor) { v.Status.Discovery.Endpoints.Token = "https://evil.example/token" }, false},
		"http in status":       {func(v *oauthv1alpha1.OAuthVendor) { v.Status.Discovery.Endpoints.JWKS = "http://acme.example/jwks" }, false},
		"no host in status":    {func(v *oauthv1alpha1.OAuthVendor) { v.Status.Discovery.Endpoints.JWKS = "x" }, false},
		"allowed host": {func(v *oauthv1alpha1.OAuthVendor) {
			v.Spec.Discovery.AllowedHosts = []string{"keys.example"}
			v.Status.Discovery.Endpoints.JWKS, v.Status.Discovery.Source = "https://keys.example/jwks", sourceDigest(v)
		}, true},
	} {
		if got := results(c.change); got != c.want {
			t.Errorf("%s: kept %v, want %v", name, got, c.want)
		}
	}
}

// A vendor that is being deleted is not asked any more, whatever its finalizer waits for.
func TestDiscovery_deletion(t *testing.T) {
	v := &oauthv1alpha1.OAuthVendor{ObjectMeta: metav1.ObjectMeta{Name: "acme", UID: "uid", Finalizers: []string{"example.com/hold"}}}
	v.Spec.Discovery = &oauthv1alpha1.Discovery{Type: oauthv1alpha1.DiscoveryOAuth}
	asked, touched := 0, 0
	d := &Discovery{
		Client: oneVendor{vendor: v}, Class: oauthv1alpha1.DefaultBrokerClass, Touch: func() { touched++ },
		Discover: func(context.Context, *oauthv1alpha1.OAuthVendor) translate.Discovered {
			asked++
			return translate.Discovered{Endpoints: &oauthv1alpha1.Endpoints{}}
		},
	}
	pass := func() reconcile.Result {
		again, err := d.Reconcile(t.Context(), reconcile.Request{NamespacedName: types.NamespacedName{Name: v.Name}})
		if err != nil {
			t.Fatal(err)
		}
		return again
	}
	if again := pass(); again.RequeueAfter == 0 {
		t.Fatal("the document is not read again")
	}
	v.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	if again := pass(); again.RequeueAfter != 0 || asked != 1 || touched != 2 {
		t.Errorf("it is asked again after %v; asked %d times, touched %d times", again.RequeueAfter, asked, touched)
	}
}

// oneVendor is a cluster of one vendor.
type oneVendor struct {
	client.Reader
	vendor *oauthv1alpha1.OAuthVendor
}

func (o oneVendor) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	v, ok := into.(*oauthv1alpha1.OAuthVendor)
	if !ok || key.Name != o.vendor.Name {
		return errors.New("there is one vendor")
	}
	o.vendor.DeepCopyInto(v)
	return nil
}
