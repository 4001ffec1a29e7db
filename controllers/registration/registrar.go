// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/places"
)

// conflictDelay is how long the cache gets to see what made a write conflict.
const conflictDelay = 100 * time.Millisecond

// +kubebuilder:rbac:groups=oauthbroker.dev,resources=byoccredentials,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=oauthbroker.dev,resources=byoccredentials/status;oauthvendors/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=secrets,namespace=oauth-broker-system,verbs=get;list;watch;create;update;delete

// Registrar registers apps, changes and deletes them. All fields but the last
// group are required.
type Registrar struct {
	// Client reads objects from the cache, and Secrets live; Live reads all live.
	Client client.Client
	Live   client.Reader
	Vendor Vendor
	// Namespace of the operator, where the results are kept.
	Namespace string
	// Class of brokers whose credentials are served.
	Class string
	// Touch is called when a result changed.
	Touch   func()
	Events  events.EventRecorder
	Metrics *Metrics
	Log     *slog.Logger
	Now     func() time.Time
	// NewID makes text that nobody can guess or has used.
	NewID func() string

	mu sync.Mutex
	// plans are what translate wants registered.
	plans   map[types.NamespacedName]*translate.Registration
	results map[types.UID]translate.Registered
	known   map[types.UID]*memory
	// underWay counts what is done at the moment, by namespace.
	underWay places.Places[string]
	queue    workqueue.TypedRateLimitingInterface[reconcile.Request]
}

// memory is what this process knows of a credential and a later one will not.
type memory struct {
	// unsent is an attempt that was recorded and not sent.
	unsent string
	// taken is true where the next app is counted for its namespace already.
	taken bool
	// unsaved is an answer that could not be written yet. Others look at it, too.
	unsaved atomic.Pointer[record]
	// failed is the plan of the last failure.
	failed *translate.Registration
}

// Start implements source.Source: it takes the queue.
func (r *Registrar) Start(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = queue
	for name := range r.plans {
		queue.Add(reconcile.Request{NamespacedName: name})
	}
	return nil
}

// Set takes what should be registered for the credentials of a scope, and queues
// what changed.
func (r *Registrar) Set(plans []*translate.Registration, only translate.Scope) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.plans
	r.plans = make(map[types.NamespacedName]*translate.Registration, len(plans))
	for name, p := range before {
		if !only.Whole() && !only[name.Namespace] {
			r.plans[name] = p
		}
	}
	for _, p := range plans {
		name := types.NamespacedName{Namespace: p.Ref.Namespace, Name: p.Ref.Name}
		r.plans[name] = p
		// Translate gives the same pointer as long as nothing changed.
		if before[name] != p && r.queue != nil {
			r.queue.Add(reconcile.Request{NamespacedName: name})
		}
	}
}

// Results are the inputs of the translation: what this process met, else what
// status kept over a restart. Where they are all credentials that there are, what
// is known of others is forgotten.
func (r *Registrar) Results(credentials []*oauthv1alpha1.BYOCCredential, only translate.Scope) map[types.UID]translate.Registered {
	r.mu.Lock()
	defer r.mu.Unlock()
	out, there := map[types.UID]translate.Registered{}, make(map[types.UID]bool, len(credentials))
	for _, c := range credentials {
		there[c.UID] = true
		if c.Spec.DynamicRegistration == nil {
			continue
		}
		result, ok := r.results[c.UID]
		if !ok {
			result = r.outcome(c.Status.Registration)
		}
		if result != (translate.Registered{}) {
			out[c.UID] = result
		}
	}
	if !only.Whole() {
		return out
	}
	maps.DeleteFunc(r.results, func(uid types.UID, _ translate.Registered) bool { return !there[uid] })
	maps.DeleteFunc(r.known, func(uid types.UID, m *memory) bool { return !there[uid] && m.unsaved.Load() == nil })
	return out
}

// outcome is what a status means for the translation.
func (r *Registrar) outcome(s *oauthv1alpha1.RegistrationStatus) translate.Registered {
	var out translate.Registered
	if s == nil {
		return out
	}
	if s.Failure != nil {
		out.Problem = s.Failure.Message
	}
	if s.Held != nil {
		out.Held = fmt.Sprintf("%s, so the vendor is asked at %s", s.Held.Message, s.Held.NextTime.UTC().Format(time.RFC3339))
	}
	out.Expired = !s.SecretExpiresTime.IsZero() && !r.Now().Before(s.SecretExpiresTime.Time)
	return out
}

const (
	// perNamespace is how many credentials of one namespace are worked on at once: a
	// tenant whose vendor does not answer must not hold up the others.
	perNamespace = 4
	// turnDelay is when one that found no place asks again.
	turnDelay = 250 * time.Millisecond
)

// Reconcile does what is due for one credential.
func (r *Registrar) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	if !r.underWay.Enter(request.Namespace, perNamespace) {
		return reconcile.Result{RequeueAfter: turnDelay}, nil
	}
	defer r.underWay.Leave(request.Namespace)
	var c oauthv1alpha1.BYOCCredential
	err := r.Client.Get(ctx, request.NamespacedName, &c)
	if apierrors.IsNotFound(err) {
		return reconcile.Result{}, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("reading credential: %w", err)
	}
	if !translate.SameClass(c.Spec.BrokerClass, r.Class) {
		return reconcile.Result{}, nil
	}
	again, err := r.act(ctx, &c)
	if err == nil { // else c may hold what could not be written
		r.keep(&c)
	}
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return reconcile.Result{RequeueAfter: conflictDelay}, nil // the cache is behind
	}
	return reconcile.Result{RequeueAfter: again}, err
}

// act registers, or removes what was registered; it returns when to come again.
func (r *Registrar) act(ctx context.Context, c *oauthv1alpha1.BYOCCredential) (time.Duration, error) {
	if c.DeletionTimestamp != nil || c.Spec.DynamicRegistration == nil {
		if !controllerutil.ContainsFinalizer(c, oauthv1alpha1.RegistrationFinalizer) {
			r.forget(c.UID)
			return 0, nil
		}
		return r.remove(ctx, c)
	}
	r.mu.Lock()
	plan := r.plans[client.ObjectKeyFromObject(c)]
	r.mu.Unlock()
	if plan == nil || plan.UID != c.UID {
		return 0, nil // translate queues it when there is one
	}
	return r.ensure(ctx, c, plan)
}

// ensure makes the app be there, as plan says.
func (r *Registrar) ensure(ctx context.Context, c *oauthv1alpha1.BYOCCredential, plan *translate.Registration) (time.Duration, error) {
	m := r.memory(c.UID)
	if rec := m.unsaved.Load(); rec != nil {
		return r.keepAnswer(ctx, c, rec)
	}
	rec, err := r.load(ctx, c.UID)
	if errors.Is(err, errDamaged) {
		return r.fail(ctx, c, failed{plan: plan, refused: true, message: fmt.Sprintf("Secret %s is damaged: delete it, and the operator registers anew", r.key(c.UID))})
	}
	if err != nil {
		return 0, err
	}
	if rec == nil {
		return r.make(ctx, job{c: c, plan: plan, asked: true}, r.create)
	}
	if rec.Retain != retains(c) { // for whoever finds the Secret without the object
		rec.Retain = retains(c)
		if err := r.save(ctx, c, rec); err != nil {
			return 0, err
		}
	}
	todo, asked := r.due(rec, plan)
	if err := r.settle(ctx, c, rec, todo); err != nil {
		return 0, err
	}
	again, err := r.clearPrevious(ctx, c, rec)
	if err != nil || todo == nothing {
		return soonest(again, r.nextDue(rec)), err
	}
	change := r.create
	if todo == toUpdate {
		change = r.update
	}
	then, err := r.make(ctx, job{c: c, plan: plan, rec: rec, asked: asked}, change)
	return soonest(soonest(again, then), r.nextDue(rec)), err // the old secret ends whatever came of it
}

// make makes a call whose turn it is, or says why it waits.
func (r *Registrar) make(ctx context.Context, j job, call func(context.Context, job) (time.Duration, error)) (time.Duration, error) {
	wait := r.turn(&j)
	if wait == 0 {
		return call(ctx, j)
	}
	if !j.asked {
		return wait, nil // status tells of the failure
	}
	return wait, r.holdBack(ctx, j.c, wait, tooManyEdits)
}

func (r *Registrar) memory(uid types.UID) *memory {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = map[types.UID]*memory{}
	}
	if r.known[uid] == nil {
		r.known[uid] = &memory{}
	}
	return r.known[uid]
}

func (r *Registrar) forget(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, uid)
	delete(r.results, uid)
}

// keep takes the outcome of a pass, and touches the translation where it differs.
func (r *Registrar) keep(c *oauthv1alpha1.BYOCCredential) {
	if c.DeletionTimestamp != nil || c.Spec.DynamicRegistration == nil {
		return
	}
	next := r.outcome(c.Status.Registration)
	r.mu.Lock()
	if r.results == nil {
		r.results = map[types.UID]translate.Registered{}
	}
	before, ok := r.results[c.UID]
	r.results[c.UID] = next
	r.mu.Unlock()
	if before != next || !ok && next != (translate.Registered{}) {
		r.Touch()
	}
}

// soonest is the shorter of two waits; 0 means never.
func soonest(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}
