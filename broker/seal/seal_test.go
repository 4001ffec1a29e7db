// SPDX-License-Identifier: Apache-2.0

package seal_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
)

// clock is a clock that tests move.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func start() *clock { return &clock{t: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func ring(t *testing.T, r keyring.Ring, c *clock) *seal.Ring {
	t.Helper()
	out, err := seal.NewRing(r, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

type payload struct{ A, B string }

func TestSeal_opensOnlyWhatItWasFor(t *testing.T) {
	c := start()
	r := ring(t, keyring.New(c.t), c)
	s, err := r.Seal(seal.Code, c.t.Add(time.Minute), "context", payload{A: "MARKER"})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(s, "MARKER") {
		t.Error("the content can be read")
	}
	var got payload
	if err := r.Open(seal.Code, s, "context", &got); err != nil || got.A != "MARKER" {
		t.Errorf("Open() = %v, %v", got, err)
	}
	other := ring(t, keyring.New(c.t), c)
	relabelled := strings.Replace(s, string(seal.Code), string(seal.Login), 1)
	for name, err := range map[string]error{
		"other purpose":       r.Open(seal.RefreshToken, s, "context", &got),
		"relabelled":          r.Open(seal.Login, relabelled, "context", &got),
		"other context":       r.Open(seal.Code, s, "other", &got),
		"other ring":          other.Open(seal.Code, s, "context", &got),
		"empty":               r.Open(seal.Code, "", "context", &got),
		"no content":          r.Open(seal.Code, strings.Join(strings.Split(s, ".")[:2], ".")+".", "context", &got),
		"last byte cut":       r.Open(seal.Code, s[:len(s)-1], "context", &got),
		"appended":            r.Open(seal.Code, s+"AAAA", "context", &got),
		"line break":          r.Open(seal.Code, s[:len(s)-4]+"\n"+s[len(s)-4:], "context", &got),
		"line breaks at last": r.Open(seal.Code, s+"\r\n\r\n", "context", &got),
		"first byte changed":  r.Open(seal.Code, flip(s, strings.LastIndex(s, ".")+1), "context", &got),
		"middle byte changed": r.Open(seal.Code, flip(s, len(s)-20), "context", &got),
	} {
		if err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func flip(s string, i int) string {
	b := []byte(s)
	if b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}

func TestSeal_expires(t *testing.T) {
	c := start()
	r := ring(t, keyring.New(c.t), c)
	s, err := r.Seal(seal.Login, c.t.Add(time.Minute), "", payload{})
	if err != nil {
		t.Fatal(err)
	}
	c.t = c.t.Add(59 * time.Second)
	if err := r.Open(seal.Login, s, "", &payload{}); err != nil {
		t.Errorf("a second before: %v", err)
	}
	c.t = c.t.Add(time.Second)
	if err := r.Open(seal.Login, s, "", &payload{}); !errors.Is(err, seal.ErrExpired) {
		t.Errorf("at the expiry: %v", err)
	}
}

func TestRing_newKeyWaitsBeforeItSeals(t *testing.T) {
	c := start()
	old := keyring.New(c.t)
	next := keyring.NewKey(c.t.Add(keyring.DefaultDelay))
	both := keyring.Ring{Flow: append(old.Flow, next), Grant: old.Grant}
	early, late := ring(t, old, c), ring(t, both, c)

	s, err := late.Seal(seal.Login, c.t.Add(time.Hour), "", payload{})
	if err != nil {
		t.Fatal(err)
	}
	if err := early.Open(seal.Login, s, "", &payload{}); err != nil {
		t.Errorf("a replica without the new key cannot open what is sealed before its time: %v", err)
	}
	c.t = c.t.Add(keyring.DefaultDelay)
	s2, err := late.Seal(seal.Login, c.t.Add(time.Hour), "", payload{})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s2, "."+next.ID+".") {
		t.Error("the new key does not seal after its time")
	}
	if err := late.Open(seal.Login, s, "", &payload{}); err != nil {
		t.Errorf("the old key does not open any more: %v", err)
	}
	if err := early.Open(seal.Login, s2, "", &payload{}); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("unknown key: %v", err)
	}
}

func TestState_isShortAndSigned(t *testing.T) {
	c := start()
	r := ring(t, keyring.New(c.t), c)
	long := seal.State{ID: strings.Repeat("X", 26), Vendor: strings.Repeat("v", 63), Expires: c.t.Add(time.Minute)}
	s := r.SignState(long)
	if len(s) > 256 {
		t.Errorf("the state has %d bytes, more than 256", len(s))
	}
	got, err := r.VerifyState(s)
	if err != nil || got.ID != long.ID || got.Vendor != long.Vendor || !got.Expires.Equal(long.Expires) {
		t.Errorf("VerifyState() = %+v, %v", got, err)
	}
	none := "eyJhbGciOiJub25lIn0." + strings.Split(s, ".")[1] + "."
	for _, bad := range []string{"", "a.b.c", none, flip(s, len(s)-10), flip(s, 60), s + "."} {
		if _, err := r.VerifyState(bad); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
	c.t = c.t.Add(time.Minute)
	if _, err := r.VerifyState(s); !errors.Is(err, seal.ErrExpired) {
		t.Errorf("expired: %v", err)
	}
}

func TestKeys_reloadKeepsTheLastGood(t *testing.T) {
	c := start()
	path := filepath.Join(t.TempDir(), keyring.DataKey)
	first := keyring.New(c.t)
	write(t, path, first)
	keys := seal.FromFile(path, keyring.Codec{}, c.now)
	if err := keys.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	go keys.Run(t.Context(), time.Millisecond, slog.New(slog.DiscardHandler))
	if err := os.WriteFile(path, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	second := keyring.Ring{Flow: append(first.Flow, keyring.NewKey(c.t)), Grant: first.Grant}
	if got := keys.Ring().IDs(); len(got) != 2 {
		t.Fatalf("a broken file changed the ring: %v", got)
	}
	write(t, path, second)
	deadline := time.After(10 * time.Second)
	for len(keys.Ring().IDs()) != 3 {
		select {
		case <-deadline:
			t.Fatal("the new ring was not loaded")
		case <-time.After(time.Millisecond):
		}
	}
}

func write(t *testing.T, path string, r keyring.Ring) {
	t.Helper()
	b, err := keyring.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func FuzzOpen(f *testing.F) {
	c := start()
	r, err := seal.NewRing(keyring.New(c.t), c.now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("obc1.abc.AAAA")
	f.Add("obc1..")
	f.Fuzz(func(t *testing.T, s string) {
		if r.Open(seal.Code, s, "", &payload{}) == nil {
			t.Error("a forged value was opened")
		}
		if _, err := r.VerifyState(s); err == nil {
			t.Error("a forged state was accepted")
		}
	})
}
