// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"
)

func TestDebouncer(t *testing.T) {
	tests := map[string]struct {
		touches []time.Duration // since the start
		want    []time.Duration
	}{
		"one event":            {[]time.Duration{0}, []time.Duration{debounceQuiet}},
		"a burst":              {[]time.Duration{0, 10e6, 20e6}, []time.Duration{20e6 + debounceQuiet}},
		"an endless burst":     {every(20*time.Millisecond, 300*time.Millisecond), []time.Duration{debounceMax, 300e6 + debounceQuiet}},
		"two, far apart":       {[]time.Duration{0, 500e6}, []time.Duration{debounceQuiet, 500e6 + debounceQuiet}},
		"nothing":              {nil, nil},
		"again after it fired": {[]time.Duration{0, debounceQuiet + 1}, []time.Duration{debounceQuiet, 2*debounceQuiet + 1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := NewDebouncer(clock.RealClock{})
				start := time.Now()
				var got []time.Duration
				go d.run(t.Context(), func() { got = append(got, time.Since(start)) })
				for _, at := range tt.touches {
					time.Sleep(time.Until(start.Add(at)))
					d.Touch("")
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if len(got) != len(tt.want) {
					t.Fatalf("fired at %v, want %v", got, tt.want)
				}
				for i := range got {
					if got[i] != tt.want[i] {
						t.Errorf("fired at %v, want %v", got, tt.want)
					}
				}
			})
		})
	}
}

func every(step, end time.Duration) []time.Duration {
	var list []time.Duration
	for at := time.Duration(0); at <= end; at += step {
		list = append(list, at)
	}
	return list
}
