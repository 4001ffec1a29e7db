// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of registrations. No label holds a name that a tenant chose.
type Metrics struct {
	Calls   *prometheus.CounterVec
	Orphans *prometheus.CounterVec
	Held    *prometheus.CounterVec
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		Calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "oauth_broker_operator_registrations_total",
			Help: "Calls to vendors' registration endpoints by call (register, update, delete) and result (ok, refused, unavailable, unknown)."}, []string{"vendor", "call", "result"}),
		Orphans: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "oauth_broker_operator_orphaned_registrations_total",
			Help: "Apps that are, or may be, left at a vendor when their credential went away; vendor is empty where there is no such OAuthVendor any more."}, []string{"vendor"}),
		Held: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "oauth_broker_operator_registrations_held_total",
			Help: "Calls to vendors' registration endpoints that wait because a tenant asked for too many."}, []string{"vendor"}),
	}
	for _, c := range []prometheus.Collector{m.Calls, m.Orphans, m.Held} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return m, nil
}

func (m *Metrics) call(vendor, call string, err error) {
	m.Calls.WithLabelValues(vendor, call, result(err)).Inc()
}
