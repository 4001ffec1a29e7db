// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/poll"
)

// TestLastGood_staysYoung: a broker that runs for weeks without a change can
// still be started from its file.
func TestLastGood_staysYoung(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	keys, err := seal.NewKeys(keyring.New(now), clock)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	l := &lastGood{path: filepath.Join(t.TempDir(), "last-good"), keys: keys, now: clock, log: slog.New(slog.NewTextHandler(&log, nil)), create: os.CreateTemp}
	if _, _, ok := l.Restore(); ok || !bytes.Contains(log.Bytes(), []byte("no such file")) {
		t.Errorf("without a file: got %v, log %s", ok, &log)
	}
	if err := l.renew(lastGoodPause); err != nil {
		t.Errorf("with nothing to keep: %v", err)
	}
	if err := l.Save(indexOf(7, "a"), map[string][]byte{"a": []byte("content")}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(lastGoodLife - time.Minute)
	if err := l.renew(lastGoodPause); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Minute)
	index, shards, ok := l.Restore()
	if !ok || index.Sequence != 7 || string(shards["a"]) != "content" {
		t.Errorf("got %v, sequence %d", ok, index.Sequence)
	}
	now = now.Add(lastGoodLife)
	if _, _, ok := l.Restore(); ok || !bytes.Contains(log.Bytes(), []byte("expired")) {
		t.Errorf("an old file: got %v, log %s", ok, &log)
	}
}

// TestLastGood_run: of documents that come soon after one another, the last is
// written after a while, or at the end.
func TestLastGood_run(t *testing.T) {
	var passed atomic.Int64
	began := time.Now()
	clock := func() time.Time { return began.Add(time.Duration(passed.Load())) }
	keys, err := seal.NewKeys(keyring.New(began), clock)
	if err != nil {
		t.Fatal(err)
	}
	l := &lastGood{path: filepath.Join(t.TempDir(), "last-good"), keys: keys, now: clock, log: slog.New(slog.DiscardHandler), create: os.CreateTemp}
	save := func(sequence int64) {
		if err := l.Save(runtimeconfig.Index{Sequence: sequence}, nil); err != nil {
			t.Fatal(err)
		}
	}
	kept := func() int64 {
		index, _, _ := l.Restore()
		return index.Sequence
	}
	save(1)
	save(2)
	if got := kept(); got != 1 {
		t.Errorf("the file holds %d after two documents at once, want the first", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { l.Run(ctx, time.Millisecond); close(done) }()
	passed.Add(int64(lastGoodPause))
	poll.Until(t, 20*time.Second, func() error {
		if got := kept(); got != 2 {
			return fmt.Errorf("the file holds %d, want the second", got)
		}
		return nil
	})
	save(3)
	if got := kept(); got != 2 {
		t.Errorf("the file holds %d, want the second", got)
	}
	cancel()
	<-done
	if got := kept(); got != 3 {
		t.Errorf("the file holds %d at the end, want the last", got)
	}
}

// indexOf names shards.
func indexOf(sequence int64, names ...string) runtimeconfig.Index {
	i := runtimeconfig.Index{Sequence: sequence}
	for _, name := range names {
		i.Shards = append(i.Shards, runtimeconfig.ShardRef{Name: name})
	}
	return i
}

// TestLastGood_onlyWhatChanged: a shard that is on disk is not written again
// before the hour, and one that is no longer named goes, whoever left it.
func TestLastGood_onlyWhatChanged(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	keys, err := seal.NewKeys(keyring.New(now), clock)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	start := func() *lastGood {
		return &lastGood{path: filepath.Join(dir, "last-good"), keys: keys, now: clock, log: slog.New(slog.DiscardHandler), create: os.CreateTemp}
	}
	a, b, c := runtimeconfig.ShardPrefix+"a", runtimeconfig.ShardPrefix+"b", runtimeconfig.ShardPrefix+"c"
	var sequence int64
	save := func(l *lastGood, names ...string) map[string]string {
		t.Helper()
		now = now.Add(lastGoodPause)
		sequence++
		shards := map[string][]byte{}
		for _, name := range names {
			shards[name] = []byte("content of " + name)
		}
		if err := l.Save(indexOf(sequence, names...), shards); err != nil {
			t.Fatal(err)
		}
		index, got, ok := start().Restore()
		if !ok || index.Sequence != sequence {
			t.Fatalf("restored %t, sequence %d, want %d", ok, index.Sequence, sequence)
		}
		if diff := cmp.Diff(shards, got); diff != "" {
			t.Error(diff)
		}
		files, err := os.ReadDir(dir)
		if err != nil || len(files) != 1+len(names) {
			t.Errorf("there are %v (%v), want the index and %v", files, err, names)
		}
		contents := map[string]string{}
		for _, f := range files {
			text, err := os.ReadFile(filepath.Join(dir, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			contents[strings.TrimPrefix(f.Name(), "last-good.")] = string(text)
		}
		return contents
	}
	l := start()
	first := save(l, a, b)
	second := save(l, b, c)
	if first[b] != second[b] {
		t.Error("a shard that did not change was sealed again")
	}
	now = now.Add(lastGoodRenewal)
	if third := save(l, b, c); third[b] == second[b] || third[c] == second[c] {
		t.Error("after the hour a shard was not sealed again")
	}
	save(start(), a) // another process, which knows of no file
}

// TestLastGood_fullDisk: the file that is there stays whole while the disk is
// full, nothing is left beside it, and it is replaced once there is room.
func TestLastGood_fullDisk(t *testing.T) {
	keys, err := seal.NewKeys(keyring.New(time.Now()), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	full, now := false, time.Now()
	dir := t.TempDir()
	l := &lastGood{path: filepath.Join(dir, "last-good"), keys: keys, now: func() time.Time { return now }, log: slog.New(slog.DiscardHandler), create: func(dir, pattern string) (*os.File, error) {
		if !full {
			return os.CreateTemp(dir, pattern)
		}
		name := filepath.Join(dir, ".last-good-full") // a file whose disk has no room for a byte
		if err := os.Symlink("/dev/full", name); err != nil {
			return nil, err
		}
		return os.OpenFile(name, os.O_WRONLY, 0)
	}}
	save := func(sequence int64) error {
		return l.Save(indexOf(sequence, "a"), map[string][]byte{"a": []byte("content")})
	}
	want := func(sequence int64) {
		t.Helper()
		files, err := os.ReadDir(dir)
		if index, _, ok := l.Restore(); !ok || index.Sequence != sequence || len(files) != 2 || err != nil {
			t.Errorf("got %v, sequence %d among %d files, want %d and its shard alone", ok, index.Sequence, len(files), sequence)
		}
	}
	if err := save(1); err != nil {
		t.Fatal(err)
	}
	full, now = true, now.Add(lastGoodPause)
	if err := save(2); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want %v", err, syscall.ENOSPC)
	}
	want(1)
	full = false
	if err := l.renew(lastGoodPause); err != nil {
		t.Error(err)
	}
	want(2)
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Error(err)
	}
}
