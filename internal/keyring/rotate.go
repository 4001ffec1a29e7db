// SPDX-License-Identifier: Apache-2.0

package keyring

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// List names one of a ring's two lists.
type List string

// The lists.
const (
	Flow  List = "flow"
	Grant List = "grant"
)

// How long the longest-lived thing that a key seals is good for, and some
// minutes more for clocks that differ. Tests hold the broker's lifetimes
// against them.
const (
	FlowLife  = 15 * time.Minute
	GrantLife = 366 * 24 * time.Hour
)

func (l List) life() time.Duration {
	if l == Flow {
		return FlowLife
	}
	return GrantLife
}

// Lists are all lists.
func Lists() []List { return []List{Flow, Grant} }

// State is what a key does at a moment.
type State string

// The states of a key. Every key of a ring opens.
const (
	// Waiting: it does not seal yet.
	Waiting State = "waiting"
	// Sealing: new things are sealed with it.
	Sealing State = "sealing"
	// Opening: another key seals, and what it sealed before may still be good.
	Opening State = "opening"
	// Expired: all that it sealed has expired, and it can be pruned.
	Expired State = "expired"
)

// Status is one key at a moment.
type Status struct {
	List     List
	ID       string
	SealFrom time.Time
	State    State
	// Until is when all that it sealed has expired; zero while it waits or seals.
	Until time.Time
}

// SealingAt picks, of n keys, the one that seals: the newest whose time has
// come, since every replica holds it by then; of equal ones the last. Where there is none yet, it is the
// one that is due first.
func SealingAt(n int, sealFrom func(int) time.Time, now time.Time) int {
	best, first := -1, 0
	for i := range n {
		if sealFrom(i).Before(sealFrom(first)) {
			first = i
		}
		if !sealFrom(i).After(now) && (best < 0 || !sealFrom(i).Before(sealFrom(best))) {
			best = i
		}
	}
	if best < 0 {
		return first
	}
	return best
}

// Status tells what every key does.
func (r Ring) Status(now time.Time) []Status {
	var all []Status
	for _, l := range Lists() {
		keys := *r.list(l)
		sealing := SealingAt(len(keys), func(i int) time.Time { return keys[i].SealFrom }, now)
		for i, k := range keys {
			s := Status{List: l, ID: k.ID, SealFrom: k.SealFrom, State: Sealing}
			if i != sealing {
				s.State, s.Until = standing(keys, k, now, l.life())
			}
			all = append(all, s)
		}
	}
	return all
}

// standing of a key that does not seal: until when what it sealed is good.
func standing(keys []Key, k Key, now time.Time, life time.Duration) (State, time.Time) {
	if k.SealFrom.After(now) {
		return Waiting, time.Time{}
	}
	stopped := k.SealFrom // it never sealed, where no other came after it
	for _, other := range keys {
		if other.SealFrom.After(k.SealFrom) && (stopped.Equal(k.SealFrom) || other.SealFrom.Before(stopped)) {
			stopped = other.SealFrom
		}
	}
	until := stopped.Add(life)
	if until.After(now) {
		return Opening, until
	}
	return Expired, until
}

func (r *Ring) list(l List) *[]Key {
	if l == Flow {
		return &r.Flow
	}
	return &r.Grant
}

// clone lets r be changed without the original.
func (r Ring) clone() Ring { return Ring{Flow: slices.Clone(r.Flow), Grant: slices.Clone(r.Grant)} }

// Add adds a key that waits for delay before it seals.
func (r Ring) Add(l List, now time.Time, delay time.Duration) (Ring, Key, error) {
	if k, ok := r.waiting(l, now); ok {
		return r, Key{}, fmt.Errorf("key %s of %s waits already, and seals from %s on: one new key at a time", k.ID, l, k.SealFrom.Format(time.RFC3339))
	}
	out, k := r.clone(), NewKey(now.Add(delay))
	*out.list(l) = append(*out.list(l), k)
	return out, k, nil
}

// waiting finds a key of a list that is to seal later.
func (r Ring) waiting(l List, now time.Time) (Key, bool) {
	for _, k := range *r.list(l) {
		if k.SealFrom.After(now) {
			return k, true
		}
	}
	return Key{}, false
}

// Rotate adds a key to every list in which none waits, so that it can be run
// again, and tells which.
func (r Ring) Rotate(now time.Time, delay time.Duration) (Ring, map[List]Key) {
	added := map[List]Key{}
	for _, l := range Lists() {
		if out, k, err := r.Add(l, now, delay); err == nil {
			r, added[l] = out, k
		}
	}
	return r, added
}

// Prune removes the keys that sealed nothing that is still good, and tells which.
func (r Ring) Prune(now time.Time) (Ring, []Status) {
	var gone []Status
	for _, s := range r.Status(now) {
		if s.State == Expired {
			gone = append(gone, s)
		}
	}
	return r.without(gone), gone
}

// Revoke removes keys at once, whatever they sealed. A list that has none left
// gets a new one, which seals at once: no other can.
func (r Ring) Revoke(ids []string, now time.Time) (Ring, []Status, error) {
	var gone []Status
	for _, s := range r.Status(now) {
		if slices.Contains(ids, s.ID) {
			gone = append(gone, s)
		}
	}
	for _, id := range ids {
		if !slices.ContainsFunc(gone, func(s Status) bool { return s.ID == id }) {
			return r, nil, fmt.Errorf("there is no key %q in the ring; it has %s", id, strings.Join(r.IDs(), ", "))
		}
	}
	out := r.without(gone)
	for _, l := range Lists() {
		if len(*out.list(l)) == 0 {
			*out.list(l) = []Key{NewKey(now)}
		}
	}
	return out, gone, nil
}

func (r Ring) without(gone []Status) Ring {
	out := r.clone()
	for _, l := range Lists() {
		*out.list(l) = slices.DeleteFunc(*out.list(l), func(k Key) bool {
			return slices.ContainsFunc(gone, func(s Status) bool { return s.ID == k.ID })
		})
	}
	return out
}
