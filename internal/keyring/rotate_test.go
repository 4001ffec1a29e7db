// SPDX-License-Identifier: Apache-2.0

package keyring_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
)

// status is what one key does.
func status(t *testing.T, r keyring.Ring, id string, now time.Time) keyring.Status {
	t.Helper()
	for _, s := range r.Status(now) {
		if s.ID == id {
			return s
		}
	}
	t.Fatalf("no key %s in %v", id, r.IDs())
	return keyring.Status{}
}

func TestRing_lifeOfAKey(t *testing.T) {
	t0 := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	first := keyring.New(t0)
	r, added := first.Rotate(t0, keyring.DefaultDelay)
	if len(added) != 2 || len(first.IDs()) != 2 || len(r.IDs()) != 4 {
		t.Fatalf("added %v to %v: %v", added, first.IDs(), r.IDs())
	}
	seals := t0.Add(keyring.DefaultDelay)
	for l, life := range map[keyring.List]time.Duration{keyring.Flow: keyring.FlowLife, keyring.Grant: keyring.GrantLife} {
		older := first.Flow[0].ID
		if l == keyring.Grant {
			older = first.Grant[0].ID
		}
		for _, c := range []struct {
			at         time.Time
			old, newer keyring.State
		}{
			{t0, keyring.Sealing, keyring.Waiting},
			{seals.Add(-time.Second), keyring.Sealing, keyring.Waiting},
			{seals, keyring.Opening, keyring.Sealing},
			{seals.Add(life - time.Second), keyring.Opening, keyring.Sealing},
			{seals.Add(life), keyring.Expired, keyring.Sealing},
		} {
			if o, n := status(t, r, older, c.at), status(t, r, added[l].ID, c.at); o.State != c.old || n.State != c.newer {
				t.Errorf("%s at %s: %s and %s, want %s and %s", l, c.at.Sub(t0), o.State, n.State, c.old, c.newer)
			}
		}
		if until := status(t, r, older, seals).Until; !until.Equal(seals.Add(life)) {
			t.Errorf("%s is needed until %s, want %s", l, until, seals.Add(life))
		}
	}
}

// A key that seals again, since the newer one was revoked, is needed from then on.
func TestRing_sealsAgain(t *testing.T) {
	now := time.Now()
	old := keyring.New(now) // and another in the same second
	r, added := old.Rotate(now, 0)
	now = now.Add(time.Hour)
	if s := status(t, r, old.Flow[0].ID, now); s.State != keyring.Expired {
		t.Fatalf("got %s, want expired", s.State)
	}
	r, gone, err := r.Revoke([]string{added[keyring.Flow].ID}, now)
	if err != nil || len(gone) != 1 {
		t.Fatal(gone, err)
	}
	if s := status(t, r, old.Flow[0].ID, now); s.State != keyring.Sealing {
		t.Errorf("got %s, want that it seals again", s.State)
	}
	if pruned, gone := r.Prune(now.Add(keyring.FlowLife)); len(gone) != 0 || len(pruned.Flow) != 1 {
		t.Errorf("pruned %v", gone)
	}
}

func TestRing_rotateAgainDoesNoHarm(t *testing.T) {
	now := time.Now()
	r, _ := keyring.New(now).Rotate(now, keyring.DefaultDelay)
	again, added := r.Rotate(now.Add(time.Minute), keyring.DefaultDelay)
	if len(added) != 0 || !slices.Equal(again.IDs(), r.IDs()) {
		t.Errorf("added %v while a new key waits", added)
	}
	if _, _, err := r.Add(keyring.Grant, now, 0); err == nil || !strings.Contains(err.Error(), "waits already") {
		t.Errorf("Add() = %v", err)
	}
}

func TestRing_pruneTakesWhatExpiredOnly(t *testing.T) {
	now := time.Now()
	old := keyring.New(now)
	r, _ := old.Rotate(now, 0)
	r, gone := r.Prune(now.Add(keyring.FlowLife + time.Second))
	if len(gone) != 1 || gone[0].ID != old.Flow[0].ID || len(r.Flow) != 1 || len(r.Grant) != 2 {
		t.Errorf("pruned %v, left %v", gone, r.IDs())
	}
}

func TestRing_revokeAll(t *testing.T) {
	now := time.Now()
	old := keyring.New(now)
	r, gone, err := old.Revoke(old.IDs(), now)
	if err != nil || len(gone) != 2 {
		t.Fatal(gone, err)
	}
	for _, s := range r.Status(now) {
		if s.State != keyring.Sealing || slices.Contains(old.IDs(), s.ID) {
			t.Errorf("got %+v, want a new key that seals", s)
		}
	}
	if _, _, err := old.Revoke([]string{"nosuchkey"}, now); err == nil || !strings.Contains(err.Error(), old.IDs()[0]) {
		t.Errorf("Revoke() of an unknown key = %v, want the ids there are", err)
	}
}
