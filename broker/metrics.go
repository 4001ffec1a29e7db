// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oauthbroker/oauth-broker/broker/live"
	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/broker/vendor"
)

// metrics are the broker's own. Labels are bounded: routes, statuses, outcomes,
// and names of configured objects; never a value that a caller sent.
type metrics struct {
	requests   *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
	calls      *prometheus.CounterVec
	callTime   *prometheus.HistogramVec
	credential *prometheus.CounterVec
	limited    *prometheus.CounterVec
}

func newMetrics(c Config) *metrics {
	reg, config := c.Registry, c.Config
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oauth_broker_requests_total", Help: "Requests by route, status and outcome (an OAuth error code or ok).",
		}, []string{"route", "status", "outcome", "vendor"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "oauth_broker_request_seconds", Help: "Time to answer, by route.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}, []string{"route"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oauth_broker_vendor_calls_total", Help: "Calls to vendors by leg (code, refresh, revoke, introspect, register) and outcome. Reading the keys of an ID token is part of its leg.",
		}, []string{"vendor", "leg", "outcome"}),
		callTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "oauth_broker_vendor_call_seconds", Help: "Time of calls to vendors by leg, with the wait for a place (--vendor-calls).", Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
		}, []string{"vendor", "leg"}),
		credential: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oauth_broker_credential_refusals_total", Help: "Times that a vendor refused a client credential (expired or revoked), by credential.",
		}, []string{"vendor", "credential"}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oauth_broker_limited_requests_total", Help: "Requests that were answered with 429, by what was limited (address, client, registration). What a slow vendor has no place for is in oauth_broker_vendor_calls_total with outcome shed.",
		}, []string{"limit"}),
	}
	sequence := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "oauth_broker_config_sequence", Help: "Sequence of the served configuration; 0 for a file source or none.",
	}, func() float64 {
		if c := config.Get(); c != nil {
			return float64(c.Sequence)
		}
		return 0
	})
	loaded := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "oauth_broker_config_loaded_timestamp_seconds", Help: "When the served configuration was loaded; 0 before the first.",
	}, func() float64 {
		if c := config.Get(); c != nil {
			return float64(c.LoadedAt.Unix())
		}
		return 0
	})
	stale := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "oauth_broker_key_ring_stale", Help: "1 while the key ring file, as it is now, could not be read or unwrapped: the last good keys stay.",
	}, func() float64 {
		if c.Keys.Stale() {
			return 1
		}
		return 0
	})
	reg.MustRegister(m.requests, m.seconds, m.calls, m.callTime, m.credential, m.limited, sequence, loaded, stale, keyAges{c.Keys, c.Now}, configInfo{config,
		prometheus.NewDesc("oauth_broker_config_info", "1, with the revision of the served configuration. Absent before the first.", []string{"revision"}, nil)})
	if c.Shared != nil {
		reg.MustRegister(redisUp{c.Shared, prometheus.NewDesc("oauth_broker_redis_up", "1 where this replica can write to Redis, else 0. Absent without Redis.", nil, nil)})
	}
	return m
}

// keyAges tells how long each key of the ring may seal already.
type keyAges struct {
	keys *seal.Keys
	now  func() time.Time
}

func (keyAges) desc() *prometheus.Desc {
	return prometheus.NewDesc("oauth_broker_key_age_seconds",
		"Seconds since a sealing key's time came, by list (flow, grant), id and state (waiting, sealing, opening, expired); negative while it waits.",
		[]string{"ring", "id", "state"}, nil)
}

// Describe implements prometheus.Collector.
func (a keyAges) Describe(to chan<- *prometheus.Desc) { to <- a.desc() }

// Collect implements prometheus.Collector.
func (a keyAges) Collect(to chan<- prometheus.Metric) {
	for _, k := range a.keys.Ring().Status() {
		age := a.now().Sub(k.SealFrom).Seconds()
		to <- prometheus.MustNewConstMetric(a.desc(), prometheus.GaugeValue, age, string(k.List), k.ID, string(k.State))
	}
}

// configInfo names the revision that is served, and no other.
type configInfo struct {
	config *live.Config
	desc   *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (i configInfo) Describe(to chan<- *prometheus.Desc) { to <- i.desc }

// Collect implements prometheus.Collector.
func (i configInfo) Collect(to chan<- prometheus.Metric) {
	if c := i.config.Get(); c != nil {
		to <- prometheus.MustNewConstMetric(i.desc, prometheus.GaugeValue, 1, c.Revision)
	}
}

// redisUp asks Redis at every scrape.
type redisUp struct {
	shared Shared
	desc   *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (u redisUp) Describe(to chan<- *prometheus.Desc) { to <- u.desc }

// Collect implements prometheus.Collector.
func (u redisUp) Collect(to chan<- prometheus.Metric) {
	up := 1.0
	if u.shared.Ping(context.Background()) != nil {
		up = 0
	}
	to <- prometheus.MustNewConstMetric(u.desc, prometheus.GaugeValue, up)
}

func (m *metrics) observeRequest(ev *event, status int, took time.Duration) {
	m.requests.WithLabelValues(ev.pattern, strconv.Itoa(status), ev.outcome, ev.vendor).Inc()
	m.seconds.WithLabelValues(ev.pattern).Observe(took.Seconds())
}

func (m *metrics) observeCall(c vendor.Call) {
	m.calls.WithLabelValues(c.Vendor, c.Leg, string(c.Outcome)).Inc()
	m.callTime.WithLabelValues(c.Vendor, c.Leg).Observe(c.Took.Seconds())
}

// credentialRefused counts a credential that a vendor does not accept (any more).
func (m *metrics) credentialRefused(e vendor.Endpoint) {
	m.credential.WithLabelValues(e.Vendor.Name, e.Credential.Display()).Inc()
}
