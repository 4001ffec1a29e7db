// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
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
	l := &lastGood{path: filepath.Join(t.TempDir(), "last-good"), keys: keys, now: clock, log: slog.New(slog.NewTextHandler(&log, nil))}
	if _, _, ok := l.Restore(); ok || !bytes.Contains(log.Bytes(), []byte("no such file")) {
		t.Errorf("without a file: got %v, log %s", ok, &log)
	}
	if err := l.renew(); err != nil {
		t.Errorf("with nothing to keep: %v", err)
	}
	if err := l.Save(runtimeconfig.Index{Sequence: 7}, map[string][]byte{"a": []byte("content")}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(lastGoodLife - time.Minute)
	if err := l.renew(); err != nil {
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

func TestLastGood_run(t *testing.T) {
	keys, err := seal.NewKeys(keyring.New(time.Now()), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	writes := make(chan struct{}, 100)
	l := &lastGood{path: filepath.Join(t.TempDir(), "last-good"), keys: keys, log: slog.New(slog.DiscardHandler), now: func() time.Time {
		writes <- struct{}{}
		return time.Now()
	}}
	if err := l.Save(runtimeconfig.Index{}, nil); err != nil {
		t.Fatal(err)
	}
	<-writes
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { l.Run(ctx, time.Millisecond); close(done) }()
	<-writes
	cancel()
	<-done
}
