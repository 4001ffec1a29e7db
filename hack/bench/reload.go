// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"
)

// reloads is how many new configurations come in a second.
const reloads = 10

// reload measures logins while configurations come, beside logins while none
// does, and what a broker does for one that has nothing else to do. The second
// is the finer figure: users, vendor and API server take no part in it.
func (b *bench) reload(ctx context.Context) error {
	for _, t := range []*target{b.few, b.many} {
		all, err := b.compare(ctx, usual,
			&contender{name: "quiet", target: t, work: (*user).login},
			&contender{name: "reloading", target: t, work: (*user).login, reloads: reloads})
		if err != nil {
			return err
		}
		b.add(fmt.Sprintf("reload %d", t.tenants), all[1], all[0])
		if err := b.onlyReloads(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// onlyReloads measures a broker that nobody asks for anything.
func (b *bench) onlyReloads(ctx context.Context, t *target) error {
	n := max(1, int(b.stretch.Seconds()*reloads))
	var micros []float64
	var sum float64
	for range b.rounds {
		cpu, err := b.spent(ctx, t, n)
		if err != nil {
			return err
		}
		micros = append(micros, float64(cpu.Microseconds())/float64(n))
		sum += micros[len(micros)-1]
	}
	r := reloadCost{Credentials: t.tenants, Mean: sum / float64(b.rounds), Micros: spreadOf(micros)}
	b.Reloads = append(b.Reloads, r)
	b.say("  one reload of a broker that does nothing else: %.0f µs of CPU on average, by round %s", r.Mean, r.Micros.text("%.0f µs"))
	return nil
}

// spent is the broker's CPU time of a stretch with n new configurations, all of
// which it took.
func (b *bench) spent(ctx context.Context, t *target, n int) (time.Duration, error) {
	if err := t.api.prepareEdits(n); err != nil {
		return 0, err
	}
	_, _, before, err := b.counters(ctx, t)
	if err != nil {
		return 0, err
	}
	cpu, err := t.cpu()
	if err != nil {
		return 0, err
	}
	(&contender{target: t}).change(ctx, b.stretch/time.Duration(n), n)
	for deadline := time.Now().Add(patience); ; {
		after, err := t.cpu()
		if err != nil {
			return 0, err
		}
		_, _, now, err := b.counters(ctx, t)
		switch {
		case err != nil:
			return 0, err
		case now-before == int64(n):
			return after - cpu, nil
		case time.Now().After(deadline):
			return 0, fmt.Errorf("%d of %d configurations were taken", now-before, n)
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(b.stretch / 10):
		}
	}
}
