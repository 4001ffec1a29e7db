// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	pollFirst      = 10 * time.Millisecond  // while an object waits for the brokers, doubling ...
	pollPending    = 160 * time.Millisecond // ... up to this
	pollPatient    = time.Second            // after it waited for pollPatience
	pollPatience   = 10 * time.Second
	pollIdle       = 10 * time.Second
	pollTimeout    = time.Second
	maxPollAnswer  = 256 << 10
	adminPortName  = "admin"
	unknownAnswer  = -1
	pollsAtOnce    = 32
	revisionPath   = "/revision"
	readinessCheck = "/readyz"
	// laggardsNamed bounds how many brokers a message names.
	laggardsNamed = 3
)

// Served is what the ready brokers serve.
type Served struct {
	// Asked is false before the first poll.
	Asked bool
	// Ready brokers.
	Ready int
	// Sequence that every ready broker serves, or a later one; -1 where one did
	// not answer.
	Sequence int64
	// Behind names the brokers of that sequence, once somebody has waited long for
	// them; before, rollouts would change it all the time.
	Behind string
}

// Broker is where a broker's admin port is.
type Broker struct {
	// URL without a trailing slash.
	URL string
	// Name for people: the pod's.
	Name string
	// CheckReady asks the broker itself whether it is ready, where nobody else
	// says so.
	CheckReady bool
}

// Brokers asks the brokers which sequence they serve.
type Brokers struct {
	// Find lists the brokers that should be asked.
	Find func(context.Context) ([]Broker, error)
	// HTTP must follow no redirects and use no proxy.
	HTTP    *http.Client
	Clock   clock.WithTicker
	Log     *slog.Logger
	Metrics *Metrics
	// Pending tells whether somebody waits; Changed is called with what is new.
	Pending func() bool
	Changed func(Served)

	mu     sync.Mutex
	served Served
	wake   chan struct{}
}

// Served is the outcome of the last poll.
func (b *Brokers) Served() Served {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.served
}

// Wake asks for a poll now.
func (b *Brokers) Wake() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Start polls until ctx ends. It implements manager.Runnable.
func (b *Brokers) Start(ctx context.Context) error {
	var waiting time.Time // since when, or since the last wake
	var since time.Time   // since when somebody waits, whoever woke us meanwhile
	pending := pollFirst
	for {
		b.poll(ctx, !since.IsZero() && b.Clock.Since(since) >= pollPatience)
		if since.IsZero() {
			since = b.Clock.Now()
		}
		interval := pollIdle
		switch {
		case !b.Pending():
			waiting, since = time.Time{}, time.Time{}
		case waiting.IsZero():
			waiting, interval, pending = b.Clock.Now(), pollFirst, 2*pollFirst
		case b.Clock.Since(waiting) < pollPatience:
			interval, pending = pending, min(2*pending, pollPending)
		default:
			interval = pollPatient
		}
		timer := b.Clock.NewTimer(interval)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-b.wake:
			timer.Stop()
			waiting = time.Time{}
		case <-timer.C():
		}
	}
}

func (b *Brokers) poll(ctx context.Context, long bool) {
	brokers, err := b.Find(ctx)
	if err != nil {
		b.Log.WarnContext(ctx, "finding brokers", "error", err)
		return
	}
	next, behind := b.askAll(ctx, brokers)
	if long {
		next.Behind = behind
	}
	if ctx.Err() != nil {
		return
	}
	b.mu.Lock()
	changed := next != b.served
	b.served = next
	b.mu.Unlock()
	b.Metrics.BrokersReady.Set(float64(next.Ready))
	b.Metrics.ServedSequence.Set(float64(next.Sequence))
	b.Metrics.reloads.served(next, b.Clock.Now())
	if changed {
		b.Changed(next)
	}
}

// askAll also names those that serve the lowest sequence.
func (b *Brokers) askAll(ctx context.Context, brokers []Broker) (served Served, behind string) {
	answers := make([]answer, len(brokers))
	var wg sync.WaitGroup
	slots := make(chan struct{}, pollsAtOnce)
	for i, broker := range brokers {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			answers[i] = b.ask(ctx, broker)
		})
	}
	wg.Wait()
	served = Served{Asked: true}
	for _, a := range answers {
		if !a.ready {
			continue
		}
		if served.Ready == 0 || a.sequence < served.Sequence {
			served.Sequence = a.sequence
		}
		served.Ready++
	}
	var names []string
	for i, a := range answers {
		if a.ready && a.sequence == served.Sequence {
			names = append(names, brokers[i].Name)
		}
	}
	return served, laggards(names, served.Sequence)
}

// laggards says who is behind.
func laggards(names []string, sequence int64) string {
	slices.Sort(names)
	more := ""
	if n := len(names) - laggardsNamed; n > 0 {
		names, more = names[:laggardsNamed], fmt.Sprintf(" and %d more", n)
	}
	if sequence == unknownAnswer {
		return strings.Join(names, ", ") + more + " (no answer at the admin port)"
	}
	return fmt.Sprintf("%s%s (at sequence %d)", strings.Join(names, ", "), more, sequence)
}

type answer struct {
	ready    bool
	sequence int64
}

func (b *Brokers) ask(ctx context.Context, broker Broker) answer {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	if broker.CheckReady {
		if _, err := b.get(ctx, broker.URL+readinessCheck); err != nil {
			return answer{}
		}
	}
	body, err := b.get(ctx, broker.URL+revisionPath)
	if err != nil {
		b.Log.DebugContext(ctx, "a ready broker does not answer", "broker", broker.URL, "error", err)
		return answer{ready: true, sequence: unknownAnswer}
	}
	var revision struct {
		Sequence int64 `json:"sequence"`
	}
	if err := json.Unmarshal(body, &revision); err != nil {
		return answer{ready: true, sequence: unknownAnswer}
	}
	return answer{ready: true, sequence: revision.Sequence}
}

func (b *Brokers) get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := b.HTTP.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
	return io.ReadAll(io.LimitReader(response.Body, maxPollAnswer))
}

// fixedBrokers are those of --broker-admin.
func fixedBrokers(urls []string) func(context.Context) ([]Broker, error) {
	brokers := make([]Broker, 0, len(urls))
	for _, u := range urls {
		brokers = append(brokers, Broker{URL: strings.TrimRight(u, "/"), Name: strings.TrimRight(u, "/"), CheckReady: true})
	}
	return func(context.Context) ([]Broker, error) { return brokers, nil }
}

// +kubebuilder:rbac:groups=discovery.k8s.io,resources=endpointslices,namespace=oauth-broker-system,verbs=get;list;watch

// serviceBrokers finds the pods behind a Service.
func serviceBrokers(informers cache.Cache, namespace, service string) func(context.Context) ([]Broker, error) {
	return func(ctx context.Context) ([]Broker, error) {
		if _, err := informers.GetInformer(ctx, &discoveryv1.EndpointSlice{}); err != nil {
			return nil, fmt.Errorf("watching EndpointSlices: %w", err)
		}
		var list discoveryv1.EndpointSliceList
		err := informers.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{discoveryv1.LabelServiceName: service})
		if err != nil {
			return nil, fmt.Errorf("listing EndpointSlices: %w", err)
		}
		return brokersOf(list.Items), nil
	}
}

func brokersOf(list []discoveryv1.EndpointSlice) []Broker {
	var brokers []Broker
	seen := map[string]bool{}
	for _, slice := range list {
		port := int32(0)
		for _, p := range slice.Ports {
			if p.Name != nil && *p.Name == adminPortName && p.Port != nil {
				port = *p.Port
			}
		}
		if port == 0 || slice.AddressType == discoveryv1.AddressTypeFQDN {
			continue
		}
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready != nil && !*e.Conditions.Ready || len(e.Addresses) == 0 {
				continue
			}
			url := "http://" + net.JoinHostPort(e.Addresses[0], strconv.Itoa(int(port)))
			name := url
			if e.TargetRef != nil && e.TargetRef.Kind == "Pod" {
				name = "Pod " + e.TargetRef.Name
			}
			if !seen[url] {
				brokers = append(brokers, Broker{URL: url, Name: name})
			}
			seen[url] = true
		}
	}
	return brokers
}
