// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

// Metrics of the operator. No label holds a name that a tenant chose.
type Metrics struct {
	Publishes         *prometheus.CounterVec
	PublishSeconds    prometheus.Histogram
	TranslateSeconds  prometheus.Histogram
	Objects           *prometheus.GaugeVec
	PublishedSequence prometheus.Gauge
	Shards            prometheus.Gauge
	RetiredShards     prometheus.Gauge
	KeyRingProblem    *prometheus.GaugeVec
	BrokersReady      prometheus.Gauge
	ServedSequence    prometheus.Gauge
	reloads           reloads
	Probes            *prometheus.CounterVec
}

// The results of a publication, as Publishes counts them.
const (
	resultPublished = "published"
	resultUnchanged = "unchanged"
	resultConflict  = "conflict"
	resultError     = "error"
)

// NewMetrics makes the metrics and registers them.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	seconds := []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	m := &Metrics{
		Publishes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "oauth_broker_operator_publishes_total",
			Help: "Publications by result: published, unchanged, conflict, error."}, []string{"result"}),
		PublishSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "oauth_broker_operator_publish_seconds",
			Help: "Time to write shards and index.", Buckets: seconds}),
		TranslateSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "oauth_broker_operator_translate_seconds",
			Help: "Time to decide on all objects.", Buckets: seconds}),
		Objects: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "oauth_broker_operator_objects",
			Help: "Objects by kind and verdict: good, unresolved, refused."}, []string{"kind", "verdict"}),
		PublishedSequence: prometheus.NewGauge(prometheus.GaugeOpts{Name: "oauth_broker_operator_published_sequence",
			Help: "Sequence of the published index."}),
		Shards: prometheus.NewGauge(prometheus.GaugeOpts{Name: "oauth_broker_operator_shards",
			Help: "Shards of the published index."}),
		RetiredShards: prometheus.NewGauge(prometheus.GaugeOpts{Name: "oauth_broker_operator_retired_shards",
			Help: "Shards that wait for collection."}),
		KeyRingProblem: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "oauth_broker_operator_key_ring_problem",
			Help: "1 while the key ring has this problem."}, []string{"reason"}),
		BrokersReady: prometheus.NewGauge(prometheus.GaugeOpts{Name: "oauth_broker_operator_brokers_ready",
			Help: "Ready brokers at the last poll."}),
		ServedSequence: prometheus.NewGauge(prometheus.GaugeOpts{Name: "oauth_broker_operator_served_sequence",
			Help: "Sequence that every ready broker serves, or a later one; -1 where one does not answer."}),
		Probes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "oauth_broker_operator_credential_probes_total",
			Help: "Credential probes by verdict: Accepted, Refused, Untold, Unavailable."}, []string{"verdict"}),
	}
	for _, result := range []string{resultPublished, resultUnchanged, resultConflict, resultError} {
		m.Publishes.WithLabelValues(result) // an alert on the increase must see the first one, too
	}
	m.reloads.seconds = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "oauth_broker_operator_reload_seconds",
		Help: "Time from the publication of a revision until every ready broker served it.", Buckets: seconds})
	m.reloads.since = prometheus.NewGauge(prometheus.GaugeOpts{Name: "oauth_broker_operator_unserved_since_timestamp_seconds",
		Help: "When the oldest revision was published that some ready broker does not serve; 0 where there is none."})
	for _, c := range []prometheus.Collector{m.Publishes, m.PublishSeconds, m.TranslateSeconds, m.Objects, m.PublishedSequence,
		m.Shards, m.RetiredShards, m.KeyRingProblem, m.BrokersReady, m.ServedSequence, m.reloads.seconds, m.reloads.since, m.Probes} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return m, nil
}

// count corrects the gauge of objects for a namespace.
func (m *Metrics) count(before, now map[translate.Ref]*target) {
	difference := map[[2]string]int{}
	for by, list := range map[int]map[translate.Ref]*target{-1: before, 1: now} {
		for ref, t := range list {
			verdict := "good"
			switch {
			case !t.verdict.Accepted.OK:
				verdict = "refused"
			case !t.verdict.ResolvedRefs.OK:
				verdict = "unresolved"
			}
			difference[[2]string{ref.Kind, verdict}] += by
		}
	}
	for labels, n := range difference {
		m.Objects.WithLabelValues(labels[:]...).Add(float64(n))
	}
}
