// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/go-logr/logr"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/kubesource"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/capture"
	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
	"github.com/oauthbroker/oauth-broker/test/poll"
)

// patience is how long a test waits for what should happen in well under a second.
const patience = 90 * time.Second

// install is one install of the product: namespaces and a broker class of its
// own, so that tests share a control plane without meeting.
type install struct {
	t         *testing.T
	class     string
	system    string
	published string
	tenant    string
	brokers   []string // admin URLs
	clock     *fakeClock
}

func newInstall(t *testing.T) *install {
	t.Helper()
	in := &install{t: t, clock: &fakeClock{}}
	for prefix, name := range map[string]*string{"system": &in.system, "published": &in.published, "tenant": &in.tenant} {
		var err error
		if *name, err = plane.Namespace(t.Context(), prefix); err != nil {
			t.Fatal(err)
		}
	}
	in.class = in.tenant
	return in
}

// fakeClock is the real clock, moved, or one that stands.
type fakeClock struct {
	offset  atomic.Int64
	stopped atomic.Pointer[time.Time]
}

// Stop makes time pass by Advance alone, so that a slow machine changes nothing.
func (c *fakeClock) Stop() { c.stopped.Store(new(time.Now())) }

func (c *fakeClock) Now() time.Time {
	now := time.Now()
	if at := c.stopped.Load(); at != nil {
		now = *at
	}
	return now.Add(time.Duration(c.offset.Load()))
}
func (c *fakeClock) Advance(d time.Duration) { c.offset.Add(int64(d)) }

// operator is a running operator.
type operator struct {
	*controllers.Operator
	stop      func()
	log       *capture.Buffer
	writes    *writeLog
	informers *capture.Buffer
}

// start runs an operator until the test ends or stop is called.
func (in *install) start(change ...func(*controllers.Options, *rest.Config)) *operator {
	in.t.Helper()
	op := &operator{log: &capture.Buffer{}, writes: &writeLog{}, informers: &capture.Buffer{}}
	config := rest.CopyConfig(plane.Config)
	own := controllers.Options{
		PublicURL: "https://broker.example", Namespace: in.system, PublishedNamespace: in.published, BrokerClass: in.class,
		BrokerAdmin: in.brokers, KeyRingSecret: "oauth-broker-keyring", Now: in.clock.Now, Registerer: prometheus.NewRegistry(),
		Log:      slog.New(slog.NewJSONHandler(op.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Discover: func(context.Context, *oauthv1alpha1.OAuthVendor) translate.Discovered { return translate.Discovered{} },
	}
	for _, c := range change {
		c(&own, config)
	}
	config.Wrap(op.writes.wrap)
	scheme := runtime.NewScheme()
	if err := controllers.AddToScheme(scheme); err != nil {
		in.t.Fatal(err)
	}
	options := controllers.ManagerOptions(ctrl.Options{
		Scheme: scheme, Logger: logr.FromSlogHandler(own.Log.Handler()), Metrics: metricsserver.Options{BindAddress: "0"},
		Controller: ctrlconfig.Controller{SkipNameValidation: new(true)},
	}, own)
	options.Cache.SyncPeriod = new(time.Duration(0))
	options.Cache.NewInformer = func(lw toolscache.ListerWatcher, o runtime.Object, d time.Duration, i toolscache.Indexers) toolscache.SharedIndexInformer {
		_, _ = fmt.Fprintf(op.informers, "%T %s\n", o, o.GetObjectKind().GroupVersionKind().Kind)
		return toolscache.NewSharedIndexInformer(lw, o, 0, i) // 0: no resync
	}
	m, err := ctrl.NewManager(controllers.RestConfig(config), options)
	if err != nil {
		in.t.Fatal(err)
	}
	if op.Operator, err = controllers.Setup(m, own); err != nil {
		in.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(in.t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Start(ctx) }()
	op.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			in.t.Errorf("operator: %v", err)
		}
	})
	in.t.Cleanup(op.stop)
	return op
}

// broker is the broker's Kubernetes source with the admin port beside it.
type broker struct {
	snapshot atomic.Pointer[runtimeconfig.Snapshot]
	mu       sync.Mutex
	history  []*runtimeconfig.Snapshot
	loads    atomic.Int64
	log      *capture.Buffer
	problems *capture.Buffer
	stop     func()
}

// startBroker runs a broker and adds its admin URL to those that operators
// that start later ask.
func (in *install) startBroker(change ...func(*kubesource.Options)) *broker {
	in.t.Helper()
	b := &broker{log: &capture.Buffer{}, problems: &capture.Buffer{}}
	o := kubesource.Options{
		Config: plane.Config, Namespace: in.published, Snapshot: runtimeconfig.Options{Now: time.Now},
		Log:       slog.New(slog.NewJSONHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OnProblem: func(reason string) { _, _ = fmt.Fprintln(b.problems, reason) },
	}
	for _, c := range change {
		c(&o)
	}
	source, err := kubesource.New(o)
	if err != nil {
		in.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(in.t.Context())
	done := make(chan error, 1)
	go func() {
		done <- source.Run(ctx, b.take)
	}()
	admin := httptest.NewServer(http.HandlerFunc(b.serve))
	in.brokers = append(in.brokers, admin.URL)
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			in.t.Errorf("broker: %v", err)
		}
		admin.Close()
	})
	in.t.Cleanup(b.stop)
	return b
}

func (b *broker) take(s *runtimeconfig.Snapshot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.history = append(b.history, s)
	b.snapshot.Store(s)
	b.loads.Add(1)
}

// served are all snapshots that were ever served.
func (b *broker) served() []*runtimeconfig.Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.history)
}

func (b *broker) serve(w http.ResponseWriter, r *http.Request) {
	s := b.snapshot.Load()
	switch {
	case s == nil:
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.URL.Path == "/revision":
		_ = json.NewEncoder(w).Encode(map[string]any{"sequence": s.Sequence, "revision": s.Revision})
	}
}

// credential is what the broker would use for a client of namespace.
func (b *broker) credential(namespace, vendor string) (*runtimeconfig.Credential, error) {
	s := b.snapshot.Load()
	if s == nil {
		return nil, errors.New("the broker has no snapshot")
	}
	v, ok := s.Vendor(vendor)
	if !ok {
		return nil, fmt.Errorf("the broker has no vendor %s", vendor)
	}
	return s.Choose(&runtimeconfig.Client{ID: namespace + ".x", Namespace: namespace}, v, "")
}

func (b *broker) secretIs(namespace, vendor, want string) error {
	c, err := b.credential(namespace, vendor)
	if err != nil {
		return err
	}
	if c.ClientSecret.Reveal() != want {
		return errors.New("the broker has another client secret")
	}
	return nil
}

// The objects that most tests use.

func (in *install) vendorName() string { return "v-" + in.tenant }

func (in *install) vendor() *oauthv1alpha1.OAuthVendor {
	return &oauthv1alpha1.OAuthVendor{
		ObjectMeta: metav1.ObjectMeta{Name: in.vendorName()},
		Spec: oauthv1alpha1.OAuthVendorSpec{
			BrokerClass: in.class,
			Endpoints:   &oauthv1alpha1.Endpoints{Authorization: "https://acme.example/authorize", Token: "https://acme.example/token"},
		},
	}
}

func (in *install) credential(name string) *oauthv1alpha1.BYOCCredential {
	return &oauthv1alpha1.BYOCCredential{
		ObjectMeta: metav1.ObjectMeta{Namespace: in.tenant, Name: name},
		Spec: oauthv1alpha1.BYOCCredentialSpec{
			BrokerClass: in.class, Vendor: in.vendorName(), SecretRef: &oauthv1alpha1.SecretReference{Name: name},
		},
	}
}

func (in *install) secret(name, value string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: in.tenant, Name: name},
		Data:       map[string][]byte{"clientID": []byte("app"), "clientSecret": []byte(value)},
	}
}

func (in *install) create(objects ...client.Object) {
	in.t.Helper()
	for _, o := range objects {
		if err := plane.Client.Create(in.t.Context(), o); err != nil {
			in.t.Fatalf("creating %T %s: %v", o, o.GetName(), err)
		}
	}
}

// update changes an object, whatever its version.
func update[T client.Object](in *install, o T, change func(T)) {
	in.t.Helper()
	eventually(in.t, func() error {
		if err := plane.Client.Get(in.t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		change(o)
		return plane.Client.Update(in.t.Context(), o)
	})
}

// condition checks one condition of an object.
func condition(o client.Object, kind, status, reason string) error {
	if err := plane.Client.Get(context.Background(), client.ObjectKeyFromObject(o), o); err != nil {
		return err
	}
	c := controlplane.Condition(o, kind)
	if c == nil {
		return fmt.Errorf("%s has no condition %s", o.GetName(), kind)
	}
	if string(c.Status) != status || c.Reason != reason || c.ObservedGeneration != o.GetGeneration() {
		return fmt.Errorf("%s %s: got %s/%s (generation %d of %d) %q, want %s/%s", o.GetName(), kind, c.Status, c.Reason,
			c.ObservedGeneration, o.GetGeneration(), c.Message, status, reason)
	}
	return nil
}

func (in *install) index() (runtimeconfig.Index, *corev1.Secret, error) {
	var o corev1.Secret
	key := types.NamespacedName{Namespace: in.published, Name: runtimeconfig.IndexName}
	if err := plane.Client.Get(context.Background(), key, &o); err != nil {
		return runtimeconfig.Index{}, nil, err
	}
	index, err := runtimeconfig.DecodeIndex(o.Data[runtimeconfig.IndexDataKey])
	return index, &o, err
}

func (in *install) shards() []corev1.Secret {
	in.t.Helper()
	var list corev1.SecretList
	if err := plane.Client.List(in.t.Context(), &list, client.InNamespace(in.published), client.MatchingLabels{controllers.PublishedLabel: "shard"}); err != nil {
		in.t.Fatal(err)
	}
	return list.Items
}

func eventually(t *testing.T, check func() error) {
	t.Helper()
	poll.Until(t, patience, check)
}

// stays checks that something holds for a while.
func stays(t *testing.T, check func() error) {
	t.Helper()
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err := check(); err != nil {
			t.Fatal(err)
		}
	}
}

// writeLog records what a client changed: "POST secrets published/name".
type writeLog struct{ capture.Buffer }

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (w *writeLog) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if r.Method != http.MethodGet && err == nil && !strings.Contains(r.URL.Path, "/events") {
			_, _ = fmt.Fprintf(w, "%s %s %d\n", r.Method, r.URL.Path, response.StatusCode)
		}
		return response, err
	})
}

// in counts the successful writes whose line contains all parts.
func (w *writeLog) in(parts ...string) int {
	n := 0
	for line := range strings.Lines(w.String()) {
		all := strings.Contains(line, " 20")
		for _, p := range parts {
			all = all && strings.Contains(line, p)
		}
		if all {
			n++
		}
	}
	return n
}
