// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/prometheus/client_golang/prometheus"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/registration"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
)

const (
	// reporters is how many statuses are written at once.
	reporters = 8
	// discoverers is how many metadata documents are read at once.
	discoverers = 4
	// registrars is how many vendors register, update or delete an app at once; one
	// namespace has half of them at most.
	registrars = 8
	// recorderName is in every event of the operator.
	recorderName = "oauth-broker-manager"
)

// The leader lease, and the events about it.
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,namespace=oauth-broker-system,verbs=get;create;update
// +kubebuilder:rbac:groups="",resources=events,namespace=oauth-broker-system,verbs=create;patch

// Options of the operator. Those without a default in their comment are required.
type Options struct {
	// PublicURL of the broker, https://host without a trailing slash.
	PublicURL string
	// Namespace of the operator, where Secrets of vendors and the key ring are.
	Namespace string
	// PublishedNamespace holds nothing but published Secrets.
	PublishedNamespace string
	// BrokerClass whose objects are served.
	BrokerClass string
	// WatchNamespaces turns on namespaced mode; empty watches all namespaces.
	WatchNamespaces []string
	// BrokerAdmin are admin base URLs of brokers; they replace BrokerService.
	BrokerAdmin []string
	// BrokerService in Namespace lists the brokers in its EndpointSlices; empty
	// where nothing tells of brokers.
	BrokerService string
	// KeyRingSecret is the name of the key ring in Namespace.
	KeyRingSecret string
	// KeyRingCodec writes a new ring: wrapped, where a KMS is configured.
	KeyRingCodec keyring.Codec
	// Discover reads a vendor's metadata document.
	Discover func(context.Context, *oauthv1alpha1.OAuthVendor) translate.Discovered
	// Registrations calls vendors' registration endpoints; nil registers nothing.
	Registrations registration.Vendor
	// Probe asks a vendor whether it knows a credential; nil asks nobody.
	Probe func(context.Context, ProbeRequest) ProbeAnswer
	// Log, by default slog.Default().
	Log *slog.Logger
	// Now is the clock: time.Now.
	Now func() time.Time
	// Registerer of metrics, by default that of controller-runtime.
	Registerer prometheus.Registerer
	// HTTP asks brokers; by default a client without proxy and redirects.
	HTTP *http.Client
}

// Operator is the parts that Setup put together.
type Operator struct {
	Secrets *SecretStore
	KeyRing *KeyRing
	Touch   func()
	// Dump answers at DumpPath.
	Dump *Dumper
}

// ManagerOptions completes o with what this package relies on: no client and
// no cache ever holds the content of a Secret.
func ManagerOptions(o ctrl.Options, own Options) ctrl.Options {
	o.Client.Cache = &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}
	o.Cache.ReaderFailOnMissingInformer = true
	o.Cache.DefaultTransform = cache.TransformStripManagedFields()
	if len(own.WatchNamespaces) > 0 {
		o.Cache.DefaultNamespaces = map[string]cache.Config{}
		for _, n := range own.WatchNamespaces {
			o.Cache.DefaultNamespaces[n] = cache.Config{}
		}
	}
	o.Cache.ByObject = map[client.Object]cache.ByObject{
		&discoveryv1.EndpointSlice{}: {Namespaces: map[string]cache.Config{own.Namespace: {}}},
	}
	return o
}

// RestConfig turns client-side throttling off: the API server has priority and
// fairness, and a throttled publish is a slow one.
func RestConfig(c *rest.Config) *rest.Config {
	c = rest.CopyConfig(c)
	c.QPS = -1
	return c
}

// AddToScheme registers the kinds that the operator uses.
func AddToScheme(s *runtime.Scheme) error {
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, discoveryv1.AddToScheme, oauthv1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			return fmt.Errorf("building scheme: %w", err)
		}
	}
	metav1.AddToGroupVersion(s, corev1.SchemeGroupVersion)
	return nil
}

// Setup adds the operator's controllers to m, a manager made with ManagerOptions.
func Setup(m ctrl.Manager, o Options) (*Operator, error) {
	o = o.withDefaults()
	numbers, err := NewMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	debouncer := NewDebouncer(clock.RealClock{})
	touchAll := func() { debouncer.Touch("") }
	secrets := &SecretStore{Reader: m.GetAPIReader(), Touch: func(namespace string) { debouncer.Touch(o.reach(namespace)) }}
	discovery := &Discovery{Client: m.GetClient(), Discover: o.Discover, Class: o.BrokerClass, Touch: touchAll}
	recorder := shortNotes{m.GetEventRecorder(recorderName)}
	reporter := &Reporter{Client: m.GetClient(), Events: recorder, Now: o.Now}
	brokers := &Brokers{
		Find: o.findBrokers(m), HTTP: o.HTTP, Clock: clock.RealClock{}, Log: o.Log, Metrics: numbers,
		Pending: reporter.Pending, Changed: reporter.ServedChanged, wake: make(chan struct{}, 1),
	}
	health := &Health{Changed: reporter.Touch}
	reporter.Served, reporter.Wake, reporter.Health, reporter.Namespace = brokers.Served, brokers.Wake, health, o.Namespace
	prober := o.prober(health, numbers)
	ring := &KeyRing{
		Client: m.GetClient(), Secrets: secrets, Namespace: o.Namespace, Name: o.KeyRingSecret, Codec: o.KeyRingCodec, PublishedNamespace: o.PublishedNamespace,
		Events: recorder, Metrics: numbers, Log: o.Log, Now: o.Now,
	}
	registrar, err := newRegistrar(m, o, recorder, touchAll)
	if err != nil {
		return nil, err
	}
	reconciler := &Reconciler{
		Gatherer:  &Gatherer{Cache: m.GetClient(), Secrets: secrets, Discovery: discovery, Registered: registrar.Results, Settings: o.settings()},
		Changed:   debouncer.Take,
		Translate: (&translate.Memo{ObjectsOnly: true}).Translate,
		Publisher: &Publisher{
			Client: m.GetClient(), Lister: m.GetAPIReader(), Namespace: o.PublishedNamespace, Secrets: secrets, KeyRing: ring,
			Events: recorder, Metrics: numbers, Log: o.Log, Now: o.Now, Random: rand.Reader,
		},
		Register: registrar.Set, Reporter: reporter, Health: health, Prober: prober, Metrics: numbers, Log: o.Log, Now: o.Now,
	}
	watch, err := o.secretWatch(m, secrets)
	if err != nil {
		return nil, err
	}
	if err := addAll(m, watch, brokers, &Refusals{Brokers: brokers, Health: health, Now: o.Now}); err != nil {
		return nil, err
	}
	for _, add := range []func() error{
		func() error { return addReconciler(m, o, reconciler, debouncer) },
		func() error { return addReporter(m, reporter) },
		func() error { return addDiscovery(m, o, discovery) },
		func() error { return addRegistrar(m, o, registrar) },
		func() error { return addProber(m, prober) },
	} {
		if err := add(); err != nil {
			return nil, err
		}
	}
	dump := &Dumper{Settings: o.settings(), Publisher: reconciler.Publisher, Reporter: reporter, Secrets: secrets}
	return &Operator{Secrets: secrets, KeyRing: ring, Touch: touchAll, Dump: dump}, nil
}

// reach is the namespace that a Secret of this one can matter to; empty means all.
func (o Options) reach(namespace string) string {
	if namespace == o.Namespace || namespace == o.PublishedNamespace {
		return ""
	}
	return namespace
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Registerer == nil {
		o.Registerer = metrics.Registry
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{
			Transport:     &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return o
}

func (o Options) settings() translate.Settings {
	return translate.Settings{
		BrokerClass: o.BrokerClass, PublicURL: o.PublicURL, OperatorNamespace: o.Namespace, Namespaced: len(o.WatchNamespaces) > 0,
		Registers: o.Registrations != nil,
	}
}

func (o Options) findBrokers(m ctrl.Manager) func(context.Context) ([]Broker, error) {
	if len(o.BrokerAdmin) > 0 || o.BrokerService == "" {
		return fixedBrokers(o.BrokerAdmin)
	}
	return serviceBrokers(m.GetCache(), o.Namespace, o.BrokerService)
}

// secretWatch watches all namespaces, or in namespaced mode each that matters.
func (o Options) secretWatch(m ctrl.Manager, store *SecretStore) (*SecretWatch, error) {
	c, err := metadata.NewForConfigAndClient(m.GetConfig(), m.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("making metadata client: %w", err)
	}
	w := &SecretWatch{Client: c, Store: store}
	if len(o.WatchNamespaces) > 0 {
		seen := map[string]bool{}
		for _, n := range append([]string{o.Namespace, o.PublishedNamespace}, o.WatchNamespaces...) {
			if !seen[n] {
				w.Namespaces = append(w.Namespaces, n)
			}
			seen[n] = true
		}
	}
	return w, nil
}

func addAll(m ctrl.Manager, runnables ...manager.Runnable) error {
	for _, r := range runnables {
		if err := m.Add(r); err != nil {
			return fmt.Errorf("adding %T: %w", r, err)
		}
	}
	return nil
}

// addReconciler watches what the document depends on. Every event is a touch;
// status changes are none.
func addReconciler(m ctrl.Manager, o Options, r *Reconciler, d *Debouncer) error {
	c, err := controller.New("publish", m, controller.Options{
		Reconciler:  r,
		RateLimiter: retries[reconcile.Request](),
	})
	if err != nil {
		return fmt.Errorf("making publish controller: %w", err)
	}
	sources := []source.Source{
		d,
		source.Kind(m.GetCache(), &oauthv1alpha1.OAuthVendor{}, touching(d, (*oauthv1alpha1.OAuthVendor).GetNamespace), predicate.TypedGenerationChangedPredicate[*oauthv1alpha1.OAuthVendor]{}),
		source.Kind(m.GetCache(), &oauthv1alpha1.BYOCCredential{}, touching(d, (*oauthv1alpha1.BYOCCredential).GetNamespace), predicate.TypedGenerationChangedPredicate[*oauthv1alpha1.BYOCCredential]{}),
		source.Kind(m.GetCache(), &oauthv1alpha1.BrokerClient{}, touching(d, (*oauthv1alpha1.BrokerClient).GetNamespace), predicate.TypedGenerationChangedPredicate[*oauthv1alpha1.BrokerClient]{}),
	}
	if len(o.WatchNamespaces) == 0 {
		sources = append(sources, source.Kind(m.GetCache(), namespaceMetadata(), touching(d, (*metav1.PartialObjectMetadata).GetName), predicate.TypedLabelChangedPredicate[*metav1.PartialObjectMetadata]{}))
	}
	for _, s := range sources {
		if err := c.Watch(s); err != nil {
			return fmt.Errorf("watching: %w", err)
		}
	}
	d.Touch("") // an empty cluster has no event, and gets an empty document
	return nil
}

// retries waits longer from failure to failure of one item. Unlike controller-runtime's
// own it waits half a minute at most, and no item waits for the others: their workers
// are few, and after a moment without an API server there may be thousands.
func retries[T comparable]() workqueue.TypedRateLimiter[T] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[T](100*time.Millisecond, 30*time.Second)
}

// touching is a handler that only touches the debouncer, with the namespace that
// an object matters to.
func touching[T any](d *Debouncer, namespace func(T) string) handler.TypedFuncs[T, reconcile.Request] {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	return handler.TypedFuncs[T, reconcile.Request]{
		CreateFunc:  func(_ context.Context, e event.TypedCreateEvent[T], _ queue) { d.Touch(namespace(e.Object)) },
		UpdateFunc:  func(_ context.Context, e event.TypedUpdateEvent[T], _ queue) { d.Touch(namespace(e.ObjectNew)) },
		DeleteFunc:  func(_ context.Context, e event.TypedDeleteEvent[T], _ queue) { d.Touch(namespace(e.Object)) },
		GenericFunc: func(_ context.Context, e event.TypedGenericEvent[T], _ queue) { d.Touch(namespace(e.Object)) },
	}
}

func addReporter(m ctrl.Manager, r *Reporter) error {
	c, err := controller.NewTyped("report", m, controller.TypedOptions[translate.Ref]{Reconciler: r, MaxConcurrentReconciles: reporters, RateLimiter: retries[translate.Ref]()})
	if err != nil {
		return fmt.Errorf("making report controller: %w", err)
	}
	return c.Watch(r)
}

// prober is nil where nobody can ask.
func (o Options) prober(h *Health, numbers *Metrics) *Prober {
	if o.Probe == nil {
		return nil
	}
	return &Prober{Probe: o.Probe, Health: h, Metrics: numbers, Now: o.Now, Random: mathrand.Float64}
}

func addProber(m ctrl.Manager, p *Prober) error {
	if p == nil {
		return nil
	}
	c, err := controller.NewTyped("probe", m, controller.TypedOptions[translate.Ref]{Reconciler: p, MaxConcurrentReconciles: probers})
	if err != nil {
		return fmt.Errorf("making probe controller: %w", err)
	}
	return c.Watch(p)
}

func addDiscovery(m ctrl.Manager, o Options, d *Discovery) error {
	if o.Discover == nil {
		return nil
	}
	c, err := controller.New("discovery", m, controller.Options{Reconciler: d, MaxConcurrentReconciles: discoverers})
	if err != nil {
		return fmt.Errorf("making discovery controller: %w", err)
	}
	return c.Watch(source.Kind(m.GetCache(), &oauthv1alpha1.OAuthVendor{},
		&handler.TypedEnqueueRequestForObject[*oauthv1alpha1.OAuthVendor]{}, predicate.TypedGenerationChangedPredicate[*oauthv1alpha1.OAuthVendor]{}))
}

func newRegistrar(m ctrl.Manager, o Options, recorder events.EventRecorder, touch func()) (*registration.Registrar, error) {
	numbers, err := registration.NewMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	return &registration.Registrar{
		Client: m.GetClient(), Live: m.GetAPIReader(), Vendor: o.Registrations, Namespace: o.Namespace, Class: o.BrokerClass, Touch: touch,
		Events: recorder, Metrics: numbers, Log: o.Log, Now: o.Now,
		NewID: rand.Text,
	}, nil
}

// addRegistrar watches credentials for those that are deleted, or ask for no
// registration any more; of the others translate tells.
func addRegistrar(m ctrl.Manager, o Options, r *registration.Registrar) error {
	if r.Vendor == nil {
		return nil
	}
	if err := o.Registerer.Register(registration.NewOrphanGauge(m.GetClient(), o.BrokerClass)); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	if err := m.Add(manager.RunnableFunc(r.Sweep)); err != nil {
		return fmt.Errorf("adding the sweep: %w", err)
	}
	c, err := controller.New("registration", m, controller.Options{
		Reconciler: r, MaxConcurrentReconciles: registrars,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](200*time.Millisecond, time.Minute),
	})
	if err != nil {
		return fmt.Errorf("making registration controller: %w", err)
	}
	for _, s := range []source.Source{r, source.Kind(m.GetCache(), &oauthv1alpha1.BYOCCredential{},
		&handler.TypedEnqueueRequestForObject[*oauthv1alpha1.BYOCCredential]{}, predicate.TypedGenerationChangedPredicate[*oauthv1alpha1.BYOCCredential]{})} {
		if err := c.Watch(s); err != nil {
			return fmt.Errorf("watching: %w", err)
		}
	}
	return nil
}
