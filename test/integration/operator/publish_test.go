// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/test/poll"
)

func TestPublish_applyToServed(t *testing.T) {
	in := newInstall(t)
	first, second := in.startBroker(), in.startBroker()
	op := in.start()
	vendor, credential := in.vendor(), in.credential("acme")
	in.create(vendor, credential, in.secret("acme", "s3cret"))
	for _, b := range []*broker{first, second} {
		eventually(t, func() error { return b.secretIs(in.tenant, vendor.Name, "s3cret") })
	}
	for _, o := range []client.Object{vendor, credential} {
		for _, kind := range []string{"Accepted", "ResolvedRefs", "Programmed", "Ready"} {
			eventually(t, func() error { return condition(o, kind, "True", kind) })
		}
	}
	if credential.Status.ObservedSecret == nil || credential.Status.ObservedSecret.Name != "acme" || credential.Status.ObservedGeneration != credential.Generation {
		t.Errorf("got status %+v, want the observed Secret and generation", credential.Status)
	}
	if credential.Status.RedirectURI != "https://broker.example/v1/callback" || vendor.Status.RedirectURI != "https://broker.example/v1/callback" {
		t.Errorf("got redirect URIs %q and %q", vendor.Status.RedirectURI, credential.Status.RedirectURI)
	}
	for _, s := range in.shards() {
		if s.Type != "oauthbroker.dev/shard" || s.Immutable == nil || !*s.Immutable {
			t.Errorf("shard %s has type %s and immutable %v", s.Name, s.Type, s.Immutable)
		}
	}

	// An edit reaches both brokers, and status follows with one write.
	op.writes.Reset()
	start := time.Now()
	update(in, vendor, func(v *oauthv1alpha1.OAuthVendor) {
		v.Spec.Scopes = &oauthv1alpha1.Scopes{Default: []oauthv1alpha1.ScopeToken{"read"}}
	})
	for _, b := range []*broker{first, second} {
		eventually(t, func() error {
			if v, ok := b.snapshot.Load().Vendor(vendor.Name); !ok || len(v.Scopes.Default) != 1 {
				return errors.New("the broker serves the old scopes")
			}
			return nil
		})
	}
	t.Logf("from edit to served by both brokers: %s", time.Since(start).Round(time.Millisecond))
	eventually(t, func() error { return condition(vendor, "Programmed", "True", "Programmed") })
	t.Logf("from edit to Programmed: %s", time.Since(start).Round(time.Millisecond))
	// A write is seen at the API server before the operator has its answer.
	statusWrites := func() int { return op.writes.in("PUT", "oauthvendors", vendor.Name) }
	eventually(t, func() error {
		if statusWrites() == 0 {
			return errors.New("the status was written, and the operator has no answer yet")
		}
		return nil
	})
	if n := statusWrites(); n != 1 {
		t.Errorf("got %d status writes for one edit, want 1:\n%s", n, op.writes)
	}
}

func TestPublish_brokerClient(t *testing.T) {
	in := newInstall(t)
	b := in.startBroker()
	in.start()
	c := &oauthv1alpha1.BrokerClient{}
	c.Namespace, c.Name = in.tenant, "portal"
	c.Spec = oauthv1alpha1.BrokerClientSpec{
		BrokerClass: in.class, RedirectURIs: []oauthv1alpha1.RedirectURI{"https://portal.example/cb"},
		Authentication: oauthv1alpha1.BrokerClientAuthentication{Method: oauthv1alpha1.ClientAuthNone},
		Vendors:        []oauthv1alpha1.AllowedVendor{{Name: in.vendorName()}},
	}
	in.create(in.vendor(), c)
	eventually(t, func() error { return condition(c, "Ready", "True", "Ready") })
	if want := in.tenant + ".portal"; c.Status.ClientID != want {
		t.Errorf("got client id %q, want %q", c.Status.ClientID, want)
	}
	if _, ok := b.snapshot.Load().Client(c.Status.ClientID); !ok {
		t.Error("the broker does not know the client although it is Ready")
	}
}

// TestPublish_quietWhenNothingChanged: a reconcile without a cause, and a new
// operator, write nothing.
func TestPublish_quietWhenNothingChanged(t *testing.T) {
	in := newInstall(t)
	in.startBroker()
	op := in.start()
	vendor, credential := in.vendor(), in.credential("acme")
	in.create(vendor, credential, in.secret("acme", "s3cret"))
	eventually(t, func() error { return condition(credential, "Ready", "True", "Ready") })
	eventually(t, func() error { return condition(vendor, "Ready", "True", "Ready") })
	_, before, err := in.index()
	if err != nil {
		t.Fatal(err)
	}
	versions := func() string {
		_ = condition(vendor, "Ready", "True", "Ready")
		_ = condition(credential, "Ready", "True", "Ready")
		_, index, err := in.index()
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(vendor.ResourceVersion, credential.ResourceVersion, index.ResourceVersion)
	}
	want := fmt.Sprint(vendor.ResourceVersion, credential.ResourceVersion, before.ResourceVersion)
	op.writes.Reset()
	for range 5 {
		op.Touch()
		stays(t, func() error {
			if got := versions(); got != want {
				return fmt.Errorf("versions moved from %s to %s:\n%s", want, got, op.writes)
			}
			return nil
		})
	}
	op.stop()
	again := in.start()
	eventually(t, func() error {
		if !strings.Contains(again.log.String(), `"worker count"`) {
			return errors.New("the new operator did not start")
		}
		return nil
	})
	stays(t, func() error {
		if got := versions(); got != want {
			return fmt.Errorf("a new operator moved versions from %s to %s:\n%s", want, got, again.writes)
		}
		return nil
	})
	if s := op.writes.String() + again.writes.String(); s != "" {
		t.Errorf("got writes, want none:\n%s", s)
	}
}

func TestPublish_oneOfThreeThousand(t *testing.T) {
	const count = 3000
	in := newInstall(t)
	b := in.startBroker()
	in.create(in.vendor())
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(16)
	for n := range count {
		group.Go(func() error {
			c := in.credential(fmt.Sprintf("c-%d", n))
			c.Spec.Selection = oauthv1alpha1.SelectionByName
			return errors.Join(plane.Client.Create(ctx, in.secret(c.Name, "first")), plane.Client.Create(ctx, c))
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	op := in.start()
	poll.Until(t, time.Minute, func() error {
		if s := b.snapshot.Load(); s != nil {
			if _, credentials, _ := s.Counts(); credentials == count {
				return nil
			}
		}
		return errors.New("the broker has not loaded all credentials")
	})
	t.Logf("start to served: %s", time.Since(start).Round(time.Millisecond))
	poll.Until(t, 3*time.Minute, in.allReady) // a status write for each

	op.writes.Reset()
	start = time.Now()
	update(in, in.secret("c-1234", ""), func(s *corev1.Secret) { s.Data["clientSecret"] = []byte("second") })
	changed := in.credential("c-1234")
	eventually(t, func() error {
		s := b.snapshot.Load()
		v, _ := s.Vendor(in.vendorName())
		c, err := s.Choose(namedClient(in.tenant), v, "c-1234")
		if err == nil && c.ClientSecret.Reveal() != "second" {
			err = errors.New("the broker has the old credential")
		}
		return err
	})
	t.Logf("one change to served: %s", time.Since(start).Round(time.Millisecond))
	eventually(t, func() error {
		if n := op.writes.in("PUT", "byoccredentials"); n != 1 {
			return fmt.Errorf("got %d status writes, want 1", n)
		}
		return condition(changed, "Programmed", "True", "Programmed")
	})
	if shards, index := op.writes.in("POST", "/secrets"), op.writes.in("PUT", "/secrets/oauth-broker-index"); shards != 1 || index != 1 {
		t.Errorf("got %d shard and %d index writes for one changed credential, want 1 and 1:\n%s", shards, index, op.writes)
	}
}

// allReady checks that every credential of the tenant is Ready.
func (in *install) allReady() error {
	var list oauthv1alpha1.BYOCCredentialList
	if err := plane.Client.List(in.t.Context(), &list, client.InNamespace(in.tenant)); err != nil {
		return err
	}
	for _, c := range list.Items {
		if !meta.IsStatusConditionTrue(c.Status.Conditions, oauthv1alpha1.ConditionReady) {
			return fmt.Errorf("%s is not Ready", c.Name)
		}
	}
	return nil
}
