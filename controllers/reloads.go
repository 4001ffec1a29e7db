// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// reloads times how long each published sequence takes until every ready
// broker serves it. The zero value counts nothing yet; metrics are set by
// NewMetrics.
type reloads struct {
	seconds prometheus.Histogram
	// since is when the oldest sequence was published that some ready broker does
	// not serve; 0 where there is none.
	since prometheus.Gauge

	mu      sync.Mutex
	waiting []publication
}

// maxWaiting bounds what is timed: where no broker is ready, edits go on.
const maxWaiting = 1024

type publication struct {
	sequence int64
	at       time.Time
}

// published notes a new sequence.
func (r *reloads) published(sequence int64, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) < maxWaiting {
		r.waiting = append(r.waiting, publication{sequence, at})
	}
	r.tell()
}

// served notes what the ready brokers serve.
func (r *reloads) served(s Served, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s.Ready > 0 && len(r.waiting) > 0 && r.waiting[0].sequence <= s.Sequence {
		r.seconds.Observe(at.Sub(r.waiting[0].at).Seconds())
		r.waiting = r.waiting[1:]
	}
	r.tell()
}

func (r *reloads) tell() {
	since := 0.0
	if len(r.waiting) > 0 {
		since = float64(r.waiting[0].at.UnixMilli()) / 1000
	}
	r.since.Set(since)
}
