// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"time"
)

// spread is what rounds gave.
type spread struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	v := slices.Sorted(slices.Values(values))
	return spread{v[0], (v[(len(v)-1)/2] + v[len(v)/2]) / 2, v[len(v)-1]}
}

func (s spread) text(format string) string {
	return fmt.Sprintf(format+" (%.2f to %.2f)", s.Median, s.Min, s.Max)
}

// ratios divides s by base, round by round.
func ratios(s, base series, of func(sample) float64) spread {
	values := make([]float64, len(s.Samples))
	for i := range values {
		values[i] = of(s.Samples[i]) / of(base.Samples[i])
	}
	return spreadOf(values)
}

// percentile of sorted durations.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}
