// SPDX-License-Identifier: Apache-2.0

//go:build soak

package soak_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/redis"
)

var duration = flag.Duration("duration", 30*time.Minute, "how long to soak")

const (
	loginEvery  = 250 * time.Millisecond
	reloadEvery = 2 * time.Second
	sampleEvery = 5 * time.Second
	// keyDelay is how long a new key waits before it seals: brokers read the ring
	// every two seconds. keyLife is how long a flow key stays after the next one.
	keyDelay = 10 * time.Second
	keyLife  = time.Minute
)

// soak is one run.
type soak struct {
	*binary.Install
	t          *testing.T
	good, rude *fakevendor.Server
	lb         *binary.Balancer
	ctx        context.Context

	mu      sync.Mutex
	counts  map[string]int
	failed  []string
	samples map[string][]sample
}

// sample is what a broker holds.
type sample struct{ goroutines, files, heap float64 }

func TestSoak(t *testing.T) {
	broker, err := binary.Build(filepath.Join("..", ".."), t.TempDir(), "broker", "-race")
	if err != nil {
		t.Fatal(err)
	}
	s := newSoak(t, broker)
	server := redis.Start(t)
	s.Write("redis-url", server.URL())
	two := s.Another()
	flags := []string{"--redis-url", s.Path("redis-url"), "--log-level", "warn", "--vendor-calls", "32"}
	brokers := map[string]*binary.Broker{"1": s.Start(flags...).Ready(), "2": two.Start(flags...).Ready()}
	s.lb = s.Balancer(s.Install, two)

	var all sync.WaitGroup
	for range 4 {
		all.Go(s.behaved)
	}
	for range 3 {
		all.Go(s.misbehaved)
	}
	rotate := max(min(*duration/10, 2*time.Minute), 2*keyDelay)
	all.Go(func() { s.each(reloadEvery, s.reload) })
	all.Go(func() { s.each(rotate, s.rotate) })
	all.Go(func() { s.each(3*time.Second, s.misbehave) })
	all.Go(func() { s.each(sampleEvery, func(int) { s.sample(brokers) }) })
	all.Go(func() { s.each(time.Minute, func(int) { s.report() }) })
	all.Wait()
	s.judge()
	for name, b := range brokers {
		b.Stop() // exit code 66 tells of a race
		if strings.Contains(b.Log(), "DATA RACE") || strings.Contains(b.Log(), "panic") {
			t.Errorf("broker %s: %s", name, b.Log())
		}
	}
}

func newSoak(t *testing.T, broker string) *soak {
	t.Helper()
	s := &soak{Install: binary.New(t, broker), t: t, counts: map[string]int{}, samples: map[string][]sample{}}
	app := fakevendor.Client{ID: "app", Secret: appSecret, RedirectURIs: []string{s.PublicURL + "/v1/callback"}}
	s.good = fakevendor.New(fakevendor.Options{Clients: []fakevendor.Client{app}}).Start(t)
	s.rude = fakevendor.New(fakevendor.Options{Clients: []fakevendor.Client{app}}).Start(t)
	s.reload(0)
	ctx, cancel := context.WithTimeout(t.Context(), *duration)
	t.Cleanup(cancel)
	s.ctx = ctx
	return s
}

// each does something every so often until the end.
func (s *soak) each(every time.Duration, do func(n int)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
			do(n)
		}
	}
}

// rotate adds a key to both lists, and takes flow keys out whose time is over.
func (s *soak) rotate(int) {
	path := s.Path("keyring.json")
	b, err := os.ReadFile(path)
	if err != nil {
		s.fail("key ring: %v", err)
		return
	}
	ring, err := keyring.Parse(b)
	if err != nil {
		s.fail("key ring: %v", err)
		return
	}
	now := time.Now()
	ring.Flow = slices.DeleteFunc(ring.Flow, func(k keyring.Key) bool { return now.Sub(k.SealFrom) > keyLife+*duration/5 })
	ring.Flow, ring.Grant = append(ring.Flow, keyring.NewKey(now.Add(keyDelay))), append(ring.Grant, keyring.NewKey(now.Add(keyDelay)))
	if b, err = keyring.Encode(ring); err != nil {
		s.fail("key ring: %v", err)
		return
	}
	s.Write("keyring.json", string(b))
	s.count("keys added")
}

// sample asks what each broker holds.
func (s *soak) sample(brokers map[string]*binary.Broker) {
	for name, b := range brokers {
		metrics, err := b.AdminGet("/metrics")
		if err != nil {
			s.fail("metrics of broker %s: %v", name, err)
			continue
		}
		value := func(metric string) float64 {
			m := regexp.MustCompile(`(?m)^` + metric + ` (\S+)$`).FindStringSubmatch(metrics)
			if m == nil {
				s.fail("broker %s has no %s", name, metric)
				return 0
			}
			v, _ := strconv.ParseFloat(m[1], 64)
			return v
		}
		s.mu.Lock()
		s.samples[name] = append(s.samples[name], sample{value("go_goroutines"), value("process_open_fds"), value("go_memstats_heap_inuse_bytes")})
		s.mu.Unlock()
	}
	s.good.Forget()
	s.rude.Forget()
}

// judge holds the last third to the second third: the first warms up. Of memory
// the least counts, which is what a collection leaves.
func (s *soak) judge() {
	s.report()
	for name, all := range s.samples {
		third := len(all) / 3
		if third < 3 {
			s.t.Errorf("broker %s: %d samples are too few to judge", name, len(all))
			continue
		}
		for what, of := range map[string]func(sample) float64{
			"goroutines": func(x sample) float64 { return x.goroutines }, "open files": func(x sample) float64 { return x.files }, "bytes of heap": func(x sample) float64 { return x.heap },
		} {
			before, after := least(all[third:2*third], of), least(all[2*third:], of)
			s.t.Logf("broker %s: %s: %.0f, then %.0f", name, what, before, after)
			if after > before*1.25+32 {
				s.t.Errorf("broker %s: %s grow", name, what)
			}
		}
	}
	if len(s.failed) > 0 {
		s.t.Errorf("%d failures, the first: %s", len(s.failed), strings.Join(s.failed[:min(10, len(s.failed))], "\n"))
	}
	for _, must := range []string{"logins", "refreshes", "revocations", "reloads", "keys added", "answers of the other vendor: tokens", "answers of the other vendor: errors"} {
		if s.counts[must] == 0 {
			s.t.Errorf("there were no %s", must)
		}
	}
}

func least(all []sample, of func(sample) float64) float64 {
	out := of(all[0])
	for _, x := range all {
		out = min(out, of(x))
	}
	return out
}

func (s *soak) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[what]++
}

func (s *soak) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = append(s.failed, fmt.Sprintf(format, args...))
}

func (s *soak) report() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.t.Logf("%v; %d failures", s.counts, len(s.failed))
}
