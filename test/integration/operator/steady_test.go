// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers"
	"github.com/oauthbroker/oauth-broker/test/poll"
)

// versions are the resourceVersions of all that the install owns or reads: the
// three kinds, published Secrets, key ring, the tenant's Secrets.
func (in *install) versions() map[string]string {
	in.t.Helper()
	all := map[string]string{}
	for _, list := range []client.ObjectList{&oauthv1alpha1.OAuthVendorList{}, &oauthv1alpha1.BYOCCredentialList{}, &oauthv1alpha1.BrokerClientList{}, &corev1.SecretList{}} {
		if err := plane.Client.List(in.t.Context(), list); err != nil {
			in.t.Fatal(err)
		}
		objects, err := meta.ExtractList(list)
		if err != nil {
			in.t.Fatal(err)
		}
		for _, o := range objects {
			object, ok := o.(client.Object)
			if !ok {
				in.t.Fatalf("got %T", o)
			}
			ours := []string{in.system, in.published, in.tenant}
			if slices.Contains(ours, object.GetNamespace()) || strings.HasPrefix(object.GetName(), in.vendorName()) {
				all[fmt.Sprintf("%T %s/%s", o, object.GetNamespace(), object.GetName())] = object.GetResourceVersion()
			}
		}
	}
	return all
}

// still checks that nothing was written since versions were taken.
func (in *install) still(before map[string]string) error {
	after := in.versions()
	if maps.Equal(before, after) {
		return nil
	}
	for name, version := range after {
		if before[name] != version {
			return fmt.Errorf("%s was written: version %q, then %q", name, before[name], version)
		}
	}
	return errors.New("something was deleted")
}

// client makes a BrokerClient of one vendor.
func (in *install) brokerClient(name, vendor string) *oauthv1alpha1.BrokerClient {
	c := &oauthv1alpha1.BrokerClient{}
	c.Namespace, c.Name = in.tenant, name
	c.Spec = oauthv1alpha1.BrokerClientSpec{
		BrokerClass: in.class, RedirectURIs: []oauthv1alpha1.RedirectURI{"https://portal.example/cb"},
		Authentication: oauthv1alpha1.BrokerClientAuthentication{Method: oauthv1alpha1.ClientAuthNone},
		Vendors:        []oauthv1alpha1.AllowedVendor{{Name: vendor}},
	}
	return c
}

// TestSteady_reconcileTwice: of every kind, good or not, a second look writes
// nothing and tells nothing.
func TestSteady_reconcileTwice(t *testing.T) {
	in := newInstall(t)
	in.startBroker()
	op := in.start()
	refused := in.vendor()
	refused.Name += "-refused"
	refused.Spec.Transport = &oauthv1alpha1.Transport{CABundle: "not a certificate"}
	missing, twice := in.credential("missing"), in.credential("twice")
	missing.Spec.Selection, missing.Spec.SecretRef.Name = oauthv1alpha1.SelectionByName, "nowhere"
	twice.Spec.SecretRef.Name = "acme"
	cases := []struct {
		name           string
		object         client.Object
		kind, expected string
	}{
		{"vendor, good", in.vendor(), "Ready", "True"},
		{"vendor, refused", refused, "Accepted", "False"},
		{"credential, good", in.credential("acme"), "Ready", "True"},
		{"credential, no Secret", missing, "ResolvedRefs", "False"},
		{"credential, in conflict", twice, "Accepted", "False"},
		{"client, good", in.brokerClient("good", in.vendorName()), "Ready", "True"},
		{"client, no vendor", in.brokerClient("lost", "nobody"), "ResolvedRefs", "False"},
	}
	in.create(in.secret("acme", "one"))
	for _, c := range cases {
		in.create(c.object)
		eventually(t, func() error { return conditionIs(c.object, c.kind, c.expected) })
	}
	before := in.versions()
	events := in.events()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			op.writes.Reset()
			op.Touch()
			stays(t, func() error { return in.still(before) })
			if s := op.writes.String(); s != "" {
				t.Errorf("got writes:\n%s", s)
			}
			if now := in.events(); now != events {
				t.Errorf("got %d events, want the %d of before", now, events)
			}
		})
	}
}

// TestSteady_afterResync: a connection that was lost makes every watch list all
// anew, and that writes nothing either; nor does another operator.
func TestSteady_afterResync(t *testing.T) {
	const credentials, clients = 300, 30
	in := newInstall(t)
	in.startBroker()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(16)
	in.create(in.vendor())
	for n := range credentials {
		group.Go(func() error {
			c := in.credential(fmt.Sprintf("c-%d", n))
			c.Spec.Selection = oauthv1alpha1.SelectionByName
			return errors.Join(plane.Client.Create(ctx, in.secret(c.Name, "first")), plane.Client.Create(ctx, c))
		})
	}
	for n := range clients {
		group.Go(func() error {
			return plane.Client.Create(ctx, in.brokerClient(fmt.Sprint("client-", n), in.vendorName()))
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	w := newWire(t)
	var watches atomic.Int64
	over := func(_ *controllers.Options, c *rest.Config) {
		*c = *over(w)
		c.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				response, err := next.RoundTrip(r)
				if err == nil && r.URL.Query().Get("watch") != "" {
					watches.Add(1)
				}
				return response, err
			})
		})
	}
	op := in.start(over)
	poll.Until(t, time.Minute, in.allReady)
	var last oauthv1alpha1.BrokerClient
	for n := range clients {
		last.Namespace, last.Name = in.tenant, fmt.Sprint("client-", n)
		eventually(t, func() error { return condition(&last, "Ready", "True", "Ready") })
	}
	eventually(t, func() error { return condition(in.vendor(), "Ready", "True", "Ready") })
	before, events := in.versions(), in.events()
	op.writes.Reset()

	w.Cut()
	seen := watches.Load()
	w.Mend()
	eventually(t, func() error {
		// Vendors, credentials, clients, namespaces and the metadata of Secrets.
		if n := watches.Load() - seen; n < 5 {
			return fmt.Errorf("%d watches were started again, want 5", n)
		}
		return nil
	})
	op.Touch()
	stays(t, func() error { return in.still(before) })
	op.stop()
	again := in.start()
	eventually(t, func() error {
		if !strings.Contains(again.log.String(), `"worker count"`) {
			return errors.New("the new operator did not start")
		}
		return nil
	})
	stays(t, func() error { return in.still(before) })
	if s := op.writes.String() + again.writes.String(); s != "" {
		t.Errorf("got writes:\n%s", s)
	}
	if now := in.events(); now != events {
		t.Errorf("got %d events, want the %d of before", now, events)
	}
}

// TestSteady_eventsOncePerChange: a change of state is one event, however often
// it is looked at.
func TestSteady_eventsOncePerChange(t *testing.T) {
	in, _, op, credential := ready(t)
	eventually(t, func() error { return in.eventOn(in.tenant, "acme", "Ready") })
	count := func() int { return in.eventsAbout(in.tenant, "acme") }
	before := count()
	secret := in.secret("acme", "")
	if err := plane.Client.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { return condition(credential, "ResolvedRefs", "False", "SecretNotFound") })
	eventually(t, func() error { return in.eventOn(in.tenant, "acme", "SecretNotFound") })
	for range 3 {
		op.Touch()
		stays(t, func() error {
			if n := count() - before; n != 1 {
				return fmt.Errorf("got %d events for one change", n)
			}
			return nil
		})
	}
}

// events counts the events about this install's objects, repetitions too.
func (in *install) events() int { return in.countEvents(func(corev1.Event) bool { return true }) }

func (in *install) eventsAbout(namespace, name string) int {
	return in.countEvents(func(e corev1.Event) bool { return e.Namespace == namespace && e.InvolvedObject.Name == name })
}

func (in *install) countEvents(counts func(corev1.Event) bool) int {
	in.t.Helper()
	var list corev1.EventList
	if err := plane.Client.List(in.t.Context(), &list); err != nil {
		in.t.Fatal(err)
	}
	n := 0
	for _, e := range list.Items {
		ours := slices.Contains([]string{in.system, in.published, in.tenant}, e.Namespace) || strings.HasPrefix(e.InvolvedObject.Name, in.vendorName())
		if !ours || !counts(e) {
			continue
		}
		n++
		if e.Series != nil {
			n += int(e.Series.Count) - 1
		}
	}
	return n
}

// conditionIs checks the status of a condition, whatever its reason.
func conditionIs(o client.Object, kind, status string) error {
	err := condition(o, kind, status, "")
	if err == nil || strings.Contains(err.Error(), fmt.Sprintf("%s: got %s/", kind, status)) {
		return nil
	}
	return err
}
