// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// target is a process that users log in at.
type target struct {
	*process
	address string
	// memory tells what the Go runtime counted; admin is the broker's admin port.
	memory, admin string
	tenants       int
	api           *apiServer // of a broker
}

// contender is one side of a comparison.
type contender struct {
	name   string
	target *target
	work   func(*user) (times, error)
	// reloads is how often a second the configuration changes meanwhile.
	reloads int

	users []*user
}

// sample is one contender's stretch of one round.
type sample struct {
	Done          int           `json:"done"`
	Wall          time.Duration `json:"wallNS"`
	CPU           time.Duration `json:"cpuNS"`
	Allocs, Bytes float64
	// Reloads is how many configurations the broker took meanwhile.
	Reloads int64 `json:"reloads,omitempty"`
	times   []times
}

func (s sample) perSecond() float64 { return float64(s.Done) / s.Wall.Seconds() }

// cost is the CPU time of one piece of work, in microseconds.
func (s sample) cost() float64 { return float64(s.CPU.Microseconds()) / float64(s.Done) }

// series is all rounds of one contender.
type series struct {
	Name    string   `json:"name"`
	Users   int      `json:"users"`
	Samples []sample `json:"samples"`
}

// compare measures contenders in turns. Every second round goes backwards, so
// that none always comes first.
func (b *bench) compare(ctx context.Context, users int, contenders ...*contender) ([]series, error) {
	out := make([]series, len(contenders))
	for i, c := range contenders {
		out[i] = series{Name: c.name, Users: users}
		if err := c.gather(ctx, users, b); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		defer c.leave()
	}
	for round := range b.rounds {
		line := []string{fmt.Sprintf("  %3d users, round %d of %d:", users, round+1, b.rounds)}
		for i := range contenders {
			if round%2 == 1 {
				i = len(contenders) - 1 - i
			}
			s, err := b.measure(ctx, contenders[i])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", contenders[i].name, err)
			}
			out[i].Samples = append(out[i].Samples, s)
			line = append(line, fmt.Sprintf("%s %.0f/s, %.0f µs", contenders[i].name, s.perSecond(), s.cost()))
		}
		b.say("%s", strings.Join(line, "  "))
	}
	return out, nil
}

// gather connects the users and lets each do its work once, so that what comes
// only once is not measured.
func (c *contender) gather(ctx context.Context, users int, b *bench) error {
	for i := range users {
		u := &user{tenants: c.target.tenants, next: i, step: users, trust: b.trust}
		c.users = append(c.users, u)
		for _, side := range []struct {
			to      **conn
			address string
		}{{&u.broker, c.target.address}, {&u.vendor, b.vendor.address}} {
			var err error
			if *side.to, err = dial(ctx, side.address, b.trust); err != nil {
				return err
			}
		}
		if c.target != b.vendor {
			if _, err := u.login(); err != nil {
				return err
			}
		}
		if _, err := c.work(u); err != nil {
			return err
		}
	}
	return nil
}

func (c *contender) leave() {
	for _, u := range c.users {
		u.broker.close()
		u.vendor.close()
	}
	c.users = nil
}

// measure lets all users work for a stretch.
func (b *bench) measure(ctx context.Context, c *contender) (sample, error) {
	changes := int(b.stretch.Seconds() * float64(c.reloads))
	if changes > 0 {
		if err := c.target.api.prepareEdits(changes); err != nil {
			return sample{}, err
		}
	}
	runtime.GC() // what preparing left behind is collected now, and not while users work
	allocs, bytes, sequence, err := b.counters(ctx, c.target)
	if err != nil {
		return sample{}, err
	}
	cpu, err := c.target.cpu()
	if err != nil {
		return sample{}, err
	}
	s, err := c.run(ctx, b.stretch, changes)
	if err != nil {
		return s, err
	}
	after, err := c.target.cpu()
	if err != nil {
		return s, err
	}
	s.CPU = after - cpu
	allocsNow, bytesNow, sequenceNow, err := b.counters(ctx, c.target)
	if err != nil {
		return s, err
	}
	s.Allocs, s.Bytes, s.Reloads = (allocsNow-allocs)/float64(s.Done), (bytesNow-bytes)/float64(s.Done), sequenceNow-sequence
	if changes > 0 && s.Reloads == 0 {
		return s, errors.New("the configuration was not reloaded")
	}
	return s, nil
}

// counters reads what the runtime counted, and which configuration is served.
func (b *bench) counters(ctx context.Context, t *target) (allocs, bytes float64, sequence int64, err error) {
	if t.memory == "" {
		return 0, 0, 0, nil
	}
	text, err := read(ctx, b.http, t.memory)
	if err != nil {
		return 0, 0, 0, err
	}
	m, err := numbers(text)
	return m["go_memstats_mallocs_total"], m["go_memstats_alloc_bytes_total"], int64(m["oauth_broker_config_sequence"]), err
}

// run is the measured stretch itself. Work that was begun is finished.
func (c *contender) run(ctx context.Context, stretch time.Duration, changes int) (sample, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results, failures := make([][]times, len(c.users)), make([]error, len(c.users))
	start := time.Now()
	var group sync.WaitGroup
	for i, u := range c.users {
		group.Go(func() {
			for ctx.Err() == nil && time.Since(start) < stretch {
				t, err := c.work(u)
				if err != nil {
					failures[i] = err
					cancel()
					return
				}
				results[i] = append(results[i], t)
			}
		})
	}
	if changes > 0 {
		group.Go(func() { c.change(ctx, stretch/time.Duration(changes), changes) })
	}
	group.Wait()
	s := sample{Wall: time.Since(start), times: slices.Concat(results...)}
	s.Done = len(s.times)
	if err := errors.Join(append(failures, ctx.Err())...); err != nil {
		return s, err
	}
	if s.Done == 0 {
		return s, errors.New("nothing was done in the time")
	}
	return s, nil
}

// change publishes configurations at even intervals.
func (c *contender) change(ctx context.Context, every time.Duration, n int) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for range n {
		c.target.api.publish()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// callers are the clients of this process for all but users' requests.
func callers(trust *tls.Config) *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: trust}}
}
