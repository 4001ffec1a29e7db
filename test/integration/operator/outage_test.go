// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/kubesource"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/wire"
)

// newWire stands between a client and the API server, and can be cut.
func newWire(t *testing.T) *wire.Wire {
	t.Helper()
	server, _, err := rest.DefaultServerUrlFor(plane.Config)
	if err != nil {
		t.Fatal(err)
	}
	return wire.New(t, server.Host)
}

// over reaches the API server over a wire.
func over(w *wire.Wire) *rest.Config {
	c := rest.CopyConfig(plane.Config)
	c.Host = "https://" + w.Addr()
	return c
}

// lastGood keeps a document, as the broker's file does.
type lastGood struct {
	mu     sync.Mutex
	index  runtimeconfig.Index
	shards map[string][]byte
	saves  int
}

func (l *lastGood) hooks(o *kubesource.Options) {
	o.Save = func(i runtimeconfig.Index, s map[string][]byte) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.index, l.shards, l.saves = i, s, l.saves+1
		return nil
	}
	o.Restore = func() (runtimeconfig.Index, map[string][]byte, bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.index, l.shards, l.saves > 0
	}
}

func (l *lastGood) saved() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.saves
}

func TestOutage_lastGoodIsServed(t *testing.T) {
	in := newInstall(t)
	w, kept := newWire(t), &lastGood{}
	away := func(o *kubesource.Options) { o.Config = over(w); kept.hooks(o) }
	b := in.startBroker(away)
	in.start()
	in.create(in.vendor(), in.credential("acme"), in.secret("acme", "one"))
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "one") })
	in.rotate("two")
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "two") })
	eventually(t, func() error {
		if kept.saved() == 0 {
			return errors.New("nothing was kept")
		}
		return nil
	})

	w.Cut()
	eventually(t, func() error {
		if !strings.Contains(b.problems.String(), "api") {
			return errors.New("the outage was not noticed")
		}
		return nil
	})
	in.rotate("three")
	stays(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "two") })

	// A broker that starts during the outage serves the last good document soon.
	start := time.Now()
	second := in.startBroker(away)
	eventually(t, func() error { return second.secretIs(in.tenant, in.vendorName(), "two") })
	t.Logf("restored after %s", time.Since(start).Round(time.Millisecond))

	w.Mend()
	for _, each := range []*broker{b, second} {
		eventually(t, func() error { return each.secretIs(in.tenant, in.vendorName(), "three") })
	}
}

// TestOutage_startWithoutAnything: no API server and nothing kept is not ready,
// and recovers by itself.
func TestOutage_startWithoutAnything(t *testing.T) {
	in := newInstall(t)
	w := newWire(t)
	w.Cut()
	b := in.startBroker(func(o *kubesource.Options) { o.Config = over(w) })
	in.start()
	in.create(in.vendor(), in.credential("acme"), in.secret("acme", "one"))
	stays(t, func() error {
		if b.snapshot.Load() != nil {
			return errors.New("the broker serves something")
		}
		return nil
	})
	w.Mend()
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "one") })
}

func TestOutage_operatorRecovers(t *testing.T) {
	in := newInstall(t)
	w := newWire(t)
	b := in.startBroker()
	in.start(func(_ *controllers.Options, c *rest.Config) { *c = *over(w) })
	credential := in.credential("acme")
	in.create(in.vendor(), credential, in.secret("acme", "one"))
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "one") })
	w.Cut()
	in.rotate("two")
	stays(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "one") })
	w.Mend()
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "two") })
	eventually(t, func() error { return condition(credential, "Ready", "True", "Ready") })
}

// admin is an admin port that says what a test wants.
type admin struct {
	mu       sync.Mutex
	ready    bool
	sequence int64
	*httptest.Server
}

func (in *install) newAdmin() *admin {
	a := &admin{ready: true}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if !a.ready {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintf(w, `{"sequence":%d,"revision":"x","keyIDs":[]}`, a.sequence)
	}))
	in.t.Cleanup(a.Close)
	return a
}

func (a *admin) set(ready bool, sequence int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ready, a.sequence = ready, sequence
}

func TestProgrammed(t *testing.T) {
	in := newInstall(t)
	fast, slow := in.newAdmin(), in.newAdmin()
	in.brokers = []string{fast.URL, slow.URL}
	fast.set(false, 0)
	slow.set(false, 0)
	in.start()
	vendor := in.vendor()
	in.create(vendor)
	eventually(t, func() error { return condition(vendor, "Programmed", "False", "NoBrokerReady") })
	published := func() int64 {
		t.Helper()
		index, _, err := in.index()
		if err != nil {
			t.Fatal(err)
		}
		return index.Sequence
	}
	first := published()
	fast.set(true, first)
	eventually(t, func() error { return condition(vendor, "Programmed", "True", "Programmed") })

	// It latches: brokers come and go.
	slow.set(true, 0)
	fast.set(false, 0)
	stays(t, func() error { return condition(vendor, "Programmed", "True", "Programmed") })

	// A change waits for the slowest ready broker.
	fast.set(true, first+1)
	update(in, vendor, func(v *oauthv1alpha1.OAuthVendor) {
		v.Spec.Scopes = &oauthv1alpha1.Scopes{Default: []oauthv1alpha1.ScopeToken{"read"}}
	})
	eventually(t, func() error { return condition(vendor, "Programmed", "False", "Pending") })
	eventually(t, func() error { return condition(vendor, "Ready", "False", "NotReady") })
	if second := published(); second != first+1 {
		t.Fatalf("got sequence %d after %d", second, first)
	}
	slow.set(true, first+1)
	eventually(t, func() error { return condition(vendor, "Programmed", "True", "Programmed") })

	// A change of the object that changes nothing for brokers stays True.
	slow.set(false, 0)
	fast.set(false, 0)
	update(in, vendor, func(v *oauthv1alpha1.OAuthVendor) {
		v.Spec.Display = &oauthv1alpha1.VendorDisplay{Category: "x"}
	})
	eventually(t, func() error { return condition(vendor, "Programmed", "True", "Programmed") })

	// What is refused is not published.
	credential := in.credential("lost")
	credential.Spec.Vendor = "nobody-" + in.tenant
	in.create(credential)
	eventually(t, func() error { return condition(credential, "Programmed", "False", "NotPublished") })
}

func TestProgrammed_endpointSlices(t *testing.T) {
	in := newInstall(t)
	pod := in.newAdmin()
	pod.set(true, math.MaxInt64)
	host, port, err := net.SplitHostPort(pod.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var number int32
	if _, err := fmt.Sscan(port, &number); err != nil {
		t.Fatal(err)
	}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: in.system, Name: "broker-1", Labels: map[string]string{discoveryv1.LabelServiceName: "broker"}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: new("public"), Port: new(int32(1))}, {Name: new("admin"), Port: new(number)}},
		// The API server refuses loopback addresses here.
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.9.8.7"}, Conditions: discoveryv1.EndpointConditions{Ready: new(true)}}},
	}
	in.start(func(o *controllers.Options, _ *rest.Config) {
		o.BrokerService = "broker"
		o.HTTP = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if address != net.JoinHostPort("10.9.8.7", port) {
				return nil, fmt.Errorf("asked %s", address)
			}
			return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(host, port))
		}}}
	})
	vendor := in.vendor()
	in.create(vendor)
	eventually(t, func() error { return condition(vendor, "Programmed", "False", "NoBrokerReady") })
	in.create(slice)
	eventually(t, func() error { return condition(vendor, "Programmed", "True", "Programmed") })
}

func TestDiscovery(t *testing.T) {
	in := newInstall(t)
	b := in.startBroker()
	var mu sync.Mutex
	found := translate.Discovered{Problem: "the vendor is away"}
	answer := func(d translate.Discovered) { mu.Lock(); found = d; mu.Unlock() }
	use := func(o *controllers.Options, _ *rest.Config) {
		o.Discover = func(context.Context, *oauthv1alpha1.OAuthVendor) translate.Discovered {
			mu.Lock()
			defer mu.Unlock()
			return found
		}
	}
	op := in.start(use)
	vendor := in.vendor()
	vendor.Spec.Endpoints = nil
	vendor.Spec.Issuer = "https://acme.example"
	vendor.Spec.Discovery = &oauthv1alpha1.Discovery{Type: oauthv1alpha1.DiscoveryOAuth, RefreshSeconds: 60}
	in.create(vendor)
	eventually(t, func() error { return condition(vendor, "ResolvedRefs", "False", "DiscoveryFailed") })
	answer(translate.Discovered{Endpoints: &oauthv1alpha1.Endpoints{Authorization: "https://acme.example/a", Token: "https://acme.example/t"}, IssuerParameter: true})
	eventually(t, func() error { return condition(vendor, "Ready", "True", "Ready") })
	if d := vendor.Status.Discovery; d == nil || d.Endpoints == nil || d.Endpoints.Token != "https://acme.example/t" || !d.IssuerParameterSupported || d.ObservedTime.IsZero() {
		t.Errorf("got discovery status %+v", d)
	}

	// The vendor goes away and the operator restarts: what was found serves on.
	answer(translate.Discovered{Problem: "the vendor is away"})
	op.stop()
	before, _, err := in.index()
	if err != nil {
		t.Fatal(err)
	}
	in.start(use)
	eventually(t, func() error { return condition(vendor, "ResolvedRefs", "True", "ResolvedRefs") })
	stays(t, func() error {
		after, _, err := in.index()
		if err == nil && after.Sequence != before.Sequence {
			return fmt.Errorf("the document changed: sequence %d after %d", after.Sequence, before.Sequence)
		}
		return err
	})
	if v, ok := b.snapshot.Load().Vendor(vendor.Name); !ok || v.Target == nil || v.Target.Endpoints.Token != "https://acme.example/t" || !v.Target.IssuerParameter {
		t.Error("the broker lost what was discovered")
	}
}

// TestOutage_deafWatch: a watch that stands and says nothing is backed by a
// GET every 30 seconds.
func TestOutage_deafWatch(t *testing.T) {
	in := newInstall(t)
	in.start()
	credential := in.credential("acme")
	in.create(in.vendor(), credential, in.secret("acme", "one"))
	eventually(t, func() error { return condition(credential, "ResolvedRefs", "True", "ResolvedRefs") })
	ticks := clocktesting.NewFakeClock(time.Now())
	b := in.startBroker(func(o *kubesource.Options) {
		o.Clock = ticks
		o.Config = rest.CopyConfig(plane.Config)
		o.Config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.URL.Query().Get("watch") == "" {
					return next.RoundTrip(r)
				}
				silence, end := io.Pipe()
				context.AfterFunc(r.Context(), func() { _ = end.Close() })
				return &http.Response{StatusCode: http.StatusOK, Request: r, Body: silence, Header: http.Header{"Content-Type": {"application/json"}}}, nil
			})
		})
	})
	eventually(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "one") })
	in.rotate("two")
	stays(t, func() error { return b.secretIs(in.tenant, in.vendorName(), "one") })
	eventually(t, func() error {
		ticks.Step(30 * time.Second)
		return b.secretIs(in.tenant, in.vendorName(), "two")
	})
}
