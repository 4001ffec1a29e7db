// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/faultpoint"
)

const (
	// pendingGrace is how long a published change waits for the brokers before its
	// status says Pending: usually they have it by then, and one write tells all.
	pendingGrace = 300 * time.Millisecond
	// conflictDelay is how long the cache gets to see what made a write conflict.
	conflictDelay = 100 * time.Millisecond
)

// +kubebuilder:rbac:groups=oauthbroker.dev,resources=oauthvendors/status;byoccredentials/status;brokerclients/status,verbs=update
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reporter writes the status of objects: the whole of it at once, and only
// when it differs. It has a queue and workers of its own.
type Reporter struct {
	// Client reads objects from the cache and writes status.
	Client client.Client
	Events events.EventRecorder
	Now    func() time.Time
	// Served tells what the brokers serve; Wake asks them again, soon.
	Served func() Served
	Wake   func()
	// Health tells what is known of credentials.
	Health *Health
	// Namespace of the operator, where Secrets of vendors are.
	Namespace string

	mu      sync.Mutex
	targets targets
	asked   bool
	// pending are the published objects that some broker does not serve yet.
	pending map[translate.Ref]bool
	queue   workqueue.TypedRateLimitingInterface[translate.Ref]
}

// Start implements source.TypedSource: it takes the queue.
func (r *Reporter) Start(_ context.Context, queue workqueue.TypedRateLimitingInterface[translate.Ref]) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = queue
	for ref := range r.targets.each {
		queue.Add(ref)
	}
	return nil
}

// of are the targets of a namespace, as they were set last; they must not be
// changed.
func (r *Reporter) of(namespace string) map[translate.Ref]*target {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.targets[namespace]
}

// namespaces are those that have targets.
func (r *Reporter) namespaces() translate.Scope {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(translate.Scope, len(r.targets))
	for namespace := range r.targets {
		all[namespace] = true
	}
	return all
}

// Set takes the targets of a namespace and queues those that changed: the same
// pointer is the same target.
func (r *Reporter) Set(namespace string, now map[translate.Ref]*target) {
	served := r.Served()
	r.mu.Lock()
	if r.targets == nil {
		r.targets, r.pending = targets{}, map[translate.Ref]bool{}
	}
	before := r.targets[namespace]
	for ref := range before {
		delete(r.pending, ref)
	}
	if r.targets[namespace] = now; len(now) == 0 {
		delete(r.targets, namespace)
	}
	for ref, t := range now {
		waits := t.published() && (served.Ready == 0 || served.Sequence < t.sequence)
		if waits {
			r.pending[ref] = true
		}
		switch {
		case r.queue == nil || before[ref] == t:
		case waits:
			r.queue.AddAfter(ref, pendingGrace)
		default:
			r.queue.Add(ref)
		}
	}
	wake := len(r.pending) > 0
	r.mu.Unlock()
	if wake {
		r.Wake()
	}
}

// Touch queues one object, whose credentials something became known of.
func (r *Reporter) Touch(ref translate.Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.queue != nil {
		r.queue.Add(ref)
	}
}

// Pending tells whether an object waits for the brokers.
func (r *Reporter) Pending() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.pending) > 0
}

// ServedChanged queues the objects that waited for what the brokers serve now,
// and after the first answer all.
func (r *Reporter) ServedChanged(served Served) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := !r.asked
	r.asked = true
	waiting := r.pending
	if first {
		waiting = map[translate.Ref]bool{}
		for ref := range r.targets.each {
			waiting[ref] = true
		}
	}
	for ref := range waiting {
		waits := r.pending[ref] && (served.Ready == 0 || served.Sequence < r.targets.get(ref).sequence)
		if !waits {
			delete(r.pending, ref)
		}
		switch {
		case r.queue == nil:
		case waits:
			r.queue.AddAfter(ref, pendingGrace)
		default:
			r.queue.Add(ref)
		}
	}
}

// Reconcile writes the status of one object.
func (r *Reporter) Reconcile(ctx context.Context, ref translate.Ref) (reconcile.Result, error) {
	r.mu.Lock()
	wanted := r.targets.get(ref)
	r.mu.Unlock()
	served := r.Served()
	if wanted == nil || !served.Asked {
		return reconcile.Result{}, nil // the first answer of the brokers queues it again
	}
	s, err := newSubject(ref.Kind)
	if err != nil {
		return reconcile.Result{}, reconcile.TerminalError(err)
	}
	if err := r.Client.Get(ctx, types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}, s.object); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if s.object.GetUID() != wanted.verdict.UID || s.object.GetGeneration() > wanted.verdict.Generation {
		return reconcile.Result{}, nil // a newer verdict is on its way
	}
	t := *wanted
	t.told = r.Health.of(ref, t.sequence)
	t.credential, t.remedy = r.credentialOf(s.object)
	before := s.object.DeepCopyObject()
	changed := s.apply(&t, served, r.Now())
	if equality.Semantic.DeepEqual(before, s.object) {
		return reconcile.Result{}, nil
	}
	if err := r.Client.Status().Update(ctx, s.object); err != nil {
		if apierrors.IsConflict(err) {
			return reconcile.Result{RequeueAfter: conflictDelay}, nil
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	faultpoint.Hit("status-written")
	r.tell(s.object, changed)
	return reconcile.Result{}, nil
}

// credentialOf says where the client credentials of an object are, and what to
// do when the vendor refuses them.
func (r *Reporter) credentialOf(o client.Object) (where, remedy string) {
	remedy = "Store good ones there"
	switch o := o.(type) {
	case *oauthv1alpha1.OAuthVendor:
		if c := o.Spec.Credentials; c != nil && c.SecretRef != nil {
			where = fmt.Sprintf("Secret %s/%s, which credentials.secretRef names", r.Namespace, c.SecretRef.Name)
		}
	case *oauthv1alpha1.BYOCCredential:
		if o.Spec.SecretRef == nil {
			return "the app that the operator registered at the vendor", "Delete this object and create it again to register anew"
		}
		where = fmt.Sprintf("Secret %s/%s, which secretRef names", o.Namespace, o.Spec.SecretRef.Name)
	}
	return where, remedy
}

// tell records events: what went wrong, and that all is well.
func (r *Reporter) tell(object client.Object, changed []metav1.Condition) {
	for _, c := range changed {
		switch {
		case c.Type == oauthv1alpha1.ConditionReady && c.Status == metav1.ConditionTrue:
			r.Events.Eventf(object, nil, corev1.EventTypeNormal, c.Reason, "Reconcile", "%s", "Accepted, resolved and live on every ready broker.")
		case c.Type == oauthv1alpha1.ConditionReady, c.Status != metav1.ConditionFalse, c.Reason == oauthv1alpha1.ReasonPending:
		case c.Reason == oauthv1alpha1.ReasonNotPublished && len(changed) > 1:
			// it follows from another condition
		default:
			r.Events.Eventf(object, nil, corev1.EventTypeWarning, c.Reason, "Reconcile", "%s", c.Message)
		}
	}
}

// subject is an object and the parts of its status, whatever its kind.
type subject struct {
	object      client.Object
	generation  *int64
	conditions  *[]metav1.Condition
	secret      **oauthv1alpha1.ObservedSecret
	redirectURI *string
	clientID    *string
	discovery   **oauthv1alpha1.DiscoveryStatus
}

func newSubject(kind string) (subject, error) {
	switch kind {
	case kindVendor:
		o := &oauthv1alpha1.OAuthVendor{}
		return subject{object: o, generation: &o.Status.ObservedGeneration, conditions: &o.Status.Conditions,
			secret: &o.Status.ObservedSecret, redirectURI: &o.Status.RedirectURI, discovery: &o.Status.Discovery}, nil
	case kindCredential:
		o := &oauthv1alpha1.BYOCCredential{}
		return subject{object: o, generation: &o.Status.ObservedGeneration, conditions: &o.Status.Conditions,
			secret: &o.Status.ObservedSecret, redirectURI: &o.Status.RedirectURI}, nil
	case kindClient:
		o := &oauthv1alpha1.BrokerClient{}
		return subject{object: o, generation: &o.Status.ObservedGeneration, conditions: &o.Status.Conditions,
			secret: &o.Status.ObservedSecret, clientID: &o.Status.ClientID}, nil
	}
	return subject{}, fmt.Errorf("unknown kind %q", kind)
}

// The kinds of translate.Ref.
const (
	kindVendor     = "OAuthVendor"
	kindCredential = "BYOCCredential"
	kindClient     = "BrokerClient"
)

// apply sets the whole status and returns the conditions that changed.
func (s subject) apply(t *target, served Served, now time.Time) []metav1.Condition {
	*s.generation = t.verdict.Generation
	*s.secret = t.verdict.ObservedSecret.DeepCopy()
	if s.redirectURI != nil {
		*s.redirectURI = t.verdict.RedirectURI
	}
	if s.clientID != nil {
		*s.clientID = t.verdict.ClientID
	}
	if s.discovery != nil {
		*s.discovery = nextDiscovery(*s.discovery, t.discovery, now)
	}
	return setConditions(s.conditions, conditions(t, served, *s.conditions), now)
}

// nextDiscovery keeps the time of what did not change.
func nextDiscovery(current, wanted *oauthv1alpha1.DiscoveryStatus, now time.Time) *oauthv1alpha1.DiscoveryStatus {
	if wanted == nil {
		return nil
	}
	next := wanted.DeepCopy()
	next.ObservedTime = metav1.NewTime(now.UTC().Truncate(time.Second))
	if current != nil && reflect.DeepEqual(current.Endpoints, next.Endpoints) && current.IssuerParameterSupported == next.IssuerParameterSupported {
		next.ObservedTime = current.ObservedTime
	}
	return next
}
