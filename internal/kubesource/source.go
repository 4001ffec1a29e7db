// SPDX-License-Identifier: Apache-2.0

package kubesource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

const (
	// recheck is how often the index is read although the watch says nothing.
	recheck = 30 * time.Second
	// callTimeout bounds one call of the API server; the first is shorter, so that
	// the last good document is served soon where the API server is away.
	callTimeout      = 10 * time.Second
	firstCallTimeout = 2 * time.Second
	backoffFirst     = 100 * time.Millisecond
	backoffLast      = 5 * time.Second
)

// Reasons of Options.OnProblem, fit for a metric's label.
const (
	// ProblemAPI: the API server does not answer, or refuses.
	ProblemAPI = "api"
	// ProblemNoIndex: there is no index.
	ProblemNoIndex = "no_index"
	// ProblemMalformed: index or shards cannot be loaded.
	ProblemMalformed = "malformed"
	// ProblemShardGone: the index names a shard that is not there.
	ProblemShardGone = "shard_gone"
	// ProblemLastGood: the last good document could not be kept or restored.
	ProblemLastGood = "last_good"
)

// Problems are all the reasons.
func Problems() []string {
	return []string{ProblemAPI, ProblemNoIndex, ProblemMalformed, ProblemShardGone, ProblemLastGood}
}

// Options of a Source. Config, Namespace and Snapshot.Now are required.
type Options struct {
	// Config of the API server. Client-side throttling is turned off.
	Config *rest.Config
	// Namespace of the published Secrets.
	Namespace string
	// Snapshot is what snapshots take from the broker's surroundings.
	Snapshot runtimeconfig.Options
	// Log, by default slog.Default().
	Log *slog.Logger
	// OnProblem is called with a reason when something went wrong; may be nil.
	OnProblem func(reason string)
	// OnCurrent is called whenever it was seen that what is served is what is
	// published, about every 30 seconds; may be nil.
	OnCurrent func()
	// Save keeps a document that was loaded, and Restore gives the last one kept,
	// for a start while the API server is away. Both may be nil.
	Save    func(index runtimeconfig.Index, shards map[string][]byte) error
	Restore func() (runtimeconfig.Index, map[string][]byte, bool)
	// Clock, by default the real one.
	Clock clock.WithTicker
}

// Source follows the published document.
type Source struct {
	Options
	secrets typedcorev1.SecretInterface
	apply   func(*runtimeconfig.Snapshot)

	// current is the snapshot that is served; nil before the first.
	current *runtimeconfig.Snapshot
	// index is the version that was last looked at, loaded whether it loaded.
	index  seen
	loaded bool
}

// seen is one version of the index Secret.
type seen struct {
	uid, resourceVersion string
	sequence             int64
}

// New makes a source.
func New(o Options) (*Source, error) {
	if o.Config == nil || o.Namespace == "" || o.Snapshot.Now == nil {
		return nil, errors.New("kubesource needs Config, Namespace and Snapshot.Now")
	}
	config := rest.CopyConfig(o.Config)
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making client: %w", err)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.OnProblem == nil {
		o.OnProblem = func(string) {}
	}
	if o.OnCurrent == nil {
		o.OnCurrent = func() {}
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return &Source{Options: o, secrets: client.CoreV1().Secrets(o.Namespace)}, nil
}

// Run follows the document until ctx ends, and calls apply with each snapshot.
// Its first call means that the document that was current at the start, or
// without an API server the last good one, is loaded.
func (s *Source) Run(ctx context.Context, apply func(*runtimeconfig.Snapshot)) error {
	s.apply = apply
	backoff := backoffFirst
	timeout := firstCallTimeout
	for ctx.Err() == nil {
		followed, err := s.follow(ctx, timeout)
		if err != nil && ctx.Err() == nil {
			s.problem(ctx, err)
			s.restore(ctx)
		}
		if followed {
			backoff = backoffFirst
		}
		s.sleep(ctx, backoff)
		backoff, timeout = min(2*backoff, backoffLast), callTimeout
	}
	return nil
}

// follow reads the index and watches it until something breaks. It tells
// whether the watch stood, so that the caller's backoff starts over.
func (s *Source) follow(ctx context.Context, timeout time.Duration) (bool, error) {
	version, err := s.list(ctx, timeout)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, err := s.secrets.Watch(ctx, metav1.ListOptions{FieldSelector: byName(), ResourceVersion: version, AllowWatchBookmarks: true})
	if err != nil {
		return false, &problem{ProblemAPI, fmt.Errorf("watching index: %w", err)}
	}
	defer events.Stop()
	return true, s.pump(ctx, events)
}

// list reads the index, loads it, and returns the version to watch from.
func (s *Source) list(ctx context.Context, timeout time.Duration) (string, error) {
	calling, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	list, err := s.secrets.List(calling, metav1.ListOptions{FieldSelector: byName()})
	if err != nil {
		return "", &problem{ProblemAPI, fmt.Errorf("reading index: %w", err)}
	}
	if len(list.Items) == 0 {
		s.problem(ctx, &problem{ProblemNoIndex, fmt.Errorf("there is no Secret %s in namespace %s yet: has the operator published?", runtimeconfig.IndexName, s.Namespace)})
		s.restore(ctx)
		return list.ResourceVersion, nil
	}
	return list.ResourceVersion, s.take(ctx, &list.Items[0])
}

// pump takes events, and reads the index from time to time.
func (s *Source) pump(ctx context.Context, events watch.Interface) error {
	ticker := s.Clock.NewTicker(recheck)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
			missed, err := s.recheck(ctx)
			if err != nil || missed {
				return err // a watch that missed something is replaced
			}
		case e, open := <-events.ResultChan():
			if !open {
				return nil
			}
			if err := s.event(ctx, e); err != nil {
				return err
			}
		}
	}
}

func (s *Source) event(ctx context.Context, e watch.Event) error {
	switch e.Type {
	case watch.Error:
		return &problem{ProblemAPI, fmt.Errorf("watching index: %s", errorText(e.Object))}
	case watch.Deleted:
		s.problem(ctx, &problem{ProblemNoIndex, errors.New("the index was deleted; the last good document goes on serving")})
		return nil
	case watch.Added, watch.Modified:
		if object, ok := e.Object.(*corev1.Secret); ok {
			return s.take(ctx, object)
		}
	case watch.Bookmark:
	}
	return nil
}

// recheck reads the index and tells whether the watch had missed it.
func (s *Source) recheck(ctx context.Context) (bool, error) {
	object, err := s.get(ctx, runtimeconfig.IndexName)
	if err != nil {
		return false, err
	}
	missed := s.index.resourceVersion != object.ResourceVersion
	return missed, s.take(ctx, object)
}

func (s *Source) get(ctx context.Context, name string) (*corev1.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	object, err := s.secrets.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, &problem{ProblemAPI, fmt.Errorf("reading %s: %w", name, err)}
	}
	return object, nil
}

func (s *Source) sleep(ctx context.Context, d time.Duration) {
	timer := s.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C():
	}
}

func byName() string {
	return fields.OneTermEqualSelector(metav1.ObjectNameField, runtimeconfig.IndexName).String()
}

func errorText(object any) string {
	if status, ok := object.(*metav1.Status); ok {
		return status.Message
	}
	return "unknown error"
}

// problem is an error with a reason for a metric.
type problem struct {
	reason string
	err    error
}

func (p *problem) Error() string { return p.err.Error() }
func (p *problem) Unwrap() error { return p.err }

// problem logs and counts.
func (s *Source) problem(ctx context.Context, err error) {
	reason := ProblemAPI
	if p, ok := errors.AsType[*problem](err); ok {
		reason = p.reason
	}
	s.Log.WarnContext(ctx, "published configuration", "problem", reason, "error", err.Error(), "serving", s.current != nil)
	s.OnProblem(reason)
}
