// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestReloads_bounded: where no broker is ready, publications wait for ever, and
// edits make more. The oldest tells since when.
func TestReloads_bounded(t *testing.T) {
	m, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	r, start := &m.reloads, time.Unix(1000, 0)
	for n := range int64(2 * maxWaiting) {
		r.published(n+1, start.Add(time.Duration(n)*time.Second))
	}
	if len(r.waiting) != maxWaiting || !r.waiting[0].at.Equal(start) {
		t.Errorf("%d publications wait, the first since %s", len(r.waiting), r.waiting[0].at)
	}
	r.served(Served{Ready: 1, Sequence: 2 * maxWaiting}, start.Add(time.Hour))
	if len(r.waiting) != 0 {
		t.Errorf("%d publications wait that are served", len(r.waiting))
	}
}
