// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
)

// creators is how many objects are created at once.
const creators = 24

func tenant(n int) string     { return fmt.Sprintf("tenant-%03d", n) }
func vendorName(n int) string { return fmt.Sprintf("vendor-%03d", n) }

// grow creates what s has and the cluster has not.
func (b *bench) grow(ctx context.Context, s size) error {
	var objects []client.Object
	for n := b.made.vendors; n < s.vendors; n++ {
		objects = append(objects, vendor(n))
	}
	for n := b.made.namespaces; n < s.namespaces; n++ {
		objects = append(objects, namespace(tenant(n)))
	}
	if err := b.create(ctx, "vendors and namespaces", objects); err != nil {
		return err
	}
	objects = nil
	for n := range s.namespaces {
		for c := range s.perNamespace {
			if n < b.made.namespaces && c < b.made.perNamespace {
				continue
			}
			objects = append(objects, credentialSecret(n, c, "first"), credential(n, c))
		}
	}
	for n := b.made.clients; n < s.clients; n++ {
		objects = append(objects, brokerClient(n))
	}
	b.made = s
	return b.create(ctx, "credentials, Secrets and clients", objects)
}

func (b *bench) create(ctx context.Context, what string, objects []client.Object) error {
	var done atomic.Int64
	progress := time.NewTicker(5 * time.Second)
	defer progress.Stop()
	finished := make(chan error, 1)
	go func() {
		group, gctx := errgroup.WithContext(ctx)
		group.SetLimit(creators)
		for _, o := range objects {
			group.Go(func() error {
				if err := b.plane.Client.Create(gctx, o); err != nil {
					return fmt.Errorf("creating %T %s: %w", o, o.GetName(), err)
				}
				done.Add(1)
				return nil
			})
		}
		finished <- group.Wait()
	}()
	for {
		select {
		case err := <-finished:
			b.say("created %d %s", done.Load(), what)
			return err
		case <-progress.C:
			b.say("  %d of %d %s", done.Load(), len(objects), what)
		}
	}
}

func vendor(n int) *oauthv1alpha1.OAuthVendor {
	base := fmt.Sprintf("https://%s.example", vendorName(n))
	return &oauthv1alpha1.OAuthVendor{
		ObjectMeta: metav1.ObjectMeta{Name: vendorName(n)},
		Spec: oauthv1alpha1.OAuthVendorSpec{
			Endpoints: &oauthv1alpha1.Endpoints{Authorization: oauthv1alpha1.EndpointURL(base + "/authorize"), Token: oauthv1alpha1.EndpointURL(base + "/token")},
			Scopes:    &oauthv1alpha1.Scopes{Default: []oauthv1alpha1.ScopeToken{"read", "write"}},
		},
	}
}

// credential n, c is the only one of its namespace for its vendor.
func credential(n, c int) *oauthv1alpha1.BYOCCredential {
	v := c
	if n >= 50 && c >= 2 {
		v += 100 // so that all vendors have credentials
	}
	name := fmt.Sprintf("app-%03d", c)
	return &oauthv1alpha1.BYOCCredential{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenant(n), Name: name},
		Spec:       oauthv1alpha1.BYOCCredentialSpec{Vendor: vendorName(v % 200), SecretRef: &oauthv1alpha1.SecretReference{Name: name}},
	}
}

func credentialSecret(n, c int, value string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenant(n), Name: fmt.Sprintf("app-%03d", c)},
		Data:       map[string][]byte{"clientID": fmt.Appendf(nil, "client-%d-%d", n, c), "clientSecret": []byte(value + "-secret-of-a-usual-length-0123456789")},
	}
}

// brokerClient n is in one of the namespaces that a small run has, too.
func brokerClient(n int) *oauthv1alpha1.BrokerClient {
	o := &oauthv1alpha1.BrokerClient{ObjectMeta: metav1.ObjectMeta{Namespace: tenant(n % 50), Name: fmt.Sprintf("deployment-%04d", n)}}
	o.Spec.RedirectURIs = []oauthv1alpha1.RedirectURI{oauthv1alpha1.RedirectURI(fmt.Sprintf("https://deployment-%d.example/callback", n))}
	o.Spec.Authentication.Method = oauthv1alpha1.ClientAuthNone
	for v := range 2 {
		o.Spec.Vendors = append(o.Spec.Vendors, oauthv1alpha1.AllowedVendor{Name: vendorName(v)})
	}
	return o
}
