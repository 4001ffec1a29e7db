// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

const (
	discoveryTimeout  = 20 * time.Second
	discoveryFirstTry = 2 * time.Second
	discoverySlowest  = 5 * time.Minute
	discoveryDefault  = time.Hour
)

// Discovery reads vendors' metadata documents, each as often as it says, and
// keeps the last good one. It is a controller of its own; its results are
// inputs of the translation.
type Discovery struct {
	// Client reads vendors from the cache.
	Client client.Reader
	// Discover does the network part.
	Discover func(context.Context, *oauthv1alpha1.OAuthVendor) translate.Discovered
	// Class of brokers whose vendors are read.
	Class string
	// Touch is called when a result changed.
	Touch func()

	mu      sync.Mutex
	results map[string]discovered
}

type discovered struct {
	// about is what was asked for, so that a changed spec makes the result stale.
	about    string
	result   translate.Discovered
	failures int
}

// Reconcile asks for one vendor's document.
func (d *Discovery) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	var vendor oauthv1alpha1.OAuthVendor
	err := d.Client.Get(ctx, request.NamespacedName, &vendor)
	if client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("reading vendor: %w", err)
	}
	if apierrors.IsNotFound(err) || vendor.DeletionTimestamp != nil || vendor.Spec.Discovery == nil || !translate.SameClass(vendor.Spec.BrokerClass, d.Class) {
		d.forget(request.Name)
		return reconcile.Result{}, nil
	}
	asking, cancel := context.WithTimeout(ctx, discoveryTimeout)
	defer cancel()
	result := d.Discover(asking, &vendor)
	if ctx.Err() != nil {
		return reconcile.Result{}, nil
	}
	return reconcile.Result{RequeueAfter: d.keep(&vendor, result)}, nil
}

func (d *Discovery) forget(name string) {
	d.mu.Lock()
	_, known := d.results[name]
	delete(d.results, name)
	d.mu.Unlock()
	if known {
		d.Touch()
	}
}

// keep stores a result and returns when to ask again.
func (d *Discovery) keep(vendor *oauthv1alpha1.OAuthVendor, result translate.Discovered) time.Duration {
	refresh := discoveryDefault
	if s := vendor.Spec.Discovery.RefreshSeconds; s > 0 {
		refresh = time.Duration(s) * time.Second
	}
	d.mu.Lock()
	before, known := d.lookup(vendor)
	next := discovered{about: about(vendor), result: result}
	if result.Problem != "" {
		next.failures = before.failures + 1
		next.result.Endpoints, next.result.IssuerParameter = before.result.Endpoints, before.result.IssuerParameter
	}
	if d.results == nil {
		d.results = map[string]discovered{}
	}
	d.results[vendor.Name] = next
	d.mu.Unlock()
	if !known || !reflect.DeepEqual(before.result, next.result) {
		d.Touch()
	}
	if next.failures == 0 {
		return refresh
	}
	return min(refresh, discoverySlowest, discoveryFirstTry<<min(next.failures-1, 10))
}

// lookup finds the result for a vendor as it is now: one of this process, else
// the one that status kept over a restart.
func (d *Discovery) lookup(vendor *oauthv1alpha1.OAuthVendor) (discovered, bool) {
	if r, ok := d.results[vendor.Name]; ok && r.about == about(vendor) {
		return r, true
	}
	status := vendor.Status.Discovery
	if status == nil || status.Endpoints == nil || status.Source != sourceDigest(vendor) || !discoverable(vendor, status.Endpoints) {
		return discovered{}, false
	}
	return discovered{result: translate.Discovered{Endpoints: status.Endpoints, IssuerParameter: status.IssuerParameterSupported}}, true
}

// discoverable tells whether a document of the vendor may name endpoints: more
// people may write a status than a spec, and secrets go to these URLs.
func discoverable(vendor *oauthv1alpha1.OAuthVendor, e *oauthv1alpha1.Endpoints) bool {
	for _, u := range []oauthv1alpha1.EndpointURL{e.Authorization, e.Token, e.Refresh, e.Revocation, e.Introspection, e.Userinfo, e.JWKS, e.Registration} {
		if u != "" && translate.CheckDiscovered(&vendor.Spec, string(u)) != nil {
			return false
		}
	}
	return true
}

// Results are the inputs for vendors.
func (d *Discovery) Results(vendors []*oauthv1alpha1.OAuthVendor) map[string]translate.Discovered {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := map[string]translate.Discovered{}
	for _, v := range vendors {
		if v.Spec.Discovery == nil {
			continue
		}
		if r, ok := d.lookup(v); ok {
			r.result.Source = sourceDigest(v)
			out[v.Name] = r.result
		}
	}
	return out
}

// about is everything in a vendor that a discovery depends on.
func about(vendor *oauthv1alpha1.OAuthVendor) string {
	b, err := json.Marshal([]any{vendor.UID, vendor.Spec.Issuer, vendor.Spec.Discovery, vendor.Spec.Transport})
	if err != nil {
		return "" // these types always marshal
	}
	return string(b)
}

// sourceDigest is a digest of about, for status.
func sourceDigest(vendor *oauthv1alpha1.OAuthVendor) string {
	sum := sha256.Sum256([]byte(about(vendor)))
	return hex.EncodeToString(sum[:16])
}

// discoveryStatus is what a vendor's status says of its document.
func discoveryStatus(results map[string]translate.Discovered, vendor string) *oauthv1alpha1.DiscoveryStatus {
	r, ok := results[vendor]
	if !ok || r.Endpoints == nil {
		return nil
	}
	return &oauthv1alpha1.DiscoveryStatus{Source: r.Source, Endpoints: r.Endpoints, IssuerParameterSupported: r.IssuerParameter}
}
