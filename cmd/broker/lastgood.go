// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// lastGood keeps the published documents of the last good snapshot in a file,
// sealed with the key ring, so that a container which restarts while the API
// server is away serves on.
type lastGood struct {
	path string
	keys *seal.Keys
	now  func() time.Time
	log  *slog.Logger
	// create makes the file that replaces the one before.
	create func(dir, pattern string) (*os.File, error)

	mu   sync.Mutex
	kept *lastGoodContent
	// written is when the file was, stale whether kept is newer than it.
	written time.Time
	stale   bool
}

type lastGoodContent struct {
	Index  runtimeconfig.Index `json:"index"`
	Shards map[string][]byte   `json:"shards"`
}

const (
	// lastGoodLife bounds how old a configuration may be and still start a broker.
	lastGoodLife = 7 * 24 * time.Hour
	// lastGoodRenewal is how often the file is written again.
	lastGoodRenewal = time.Hour
	// lastGoodPause is how often it is written at most: it holds everything, and
	// somebody may be editing. A start without an API server may miss what changed
	// in that time.
	lastGoodPause = 5 * time.Second
)

// Save keeps a document that was loaded from the cluster. Run writes those that
// come soon after another.
func (l *lastGood) Save(index runtimeconfig.Index, shards map[string][]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept, l.stale = &lastGoodContent{index, shards}, true
	if l.now().Sub(l.written) < lastGoodPause {
		return nil
	}
	return l.write()
}

// Run writes the file until ctx ends, where it is behind, and again from time to
// time: a configuration that nobody changes does not grow old, and a new key
// seals it.
func (l *lastGood) Run(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		pause, last := lastGoodPause, ctx.Err() != nil // asked once: both may have happened
		if last {
			pause = 0
		}
		if err := l.renew(pause); err != nil {
			l.log.ErrorContext(ctx, "last good configuration not written again", "error", err)
		}
		if last {
			return
		}
	}
}

// renew writes the file where it is behind for as long as pause, or old.
func (l *lastGood) renew(pause time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	age := l.now().Sub(l.written)
	switch {
	case l.kept == nil: // what was restored keeps its age
		return nil
	case l.stale && age >= pause, age >= lastGoodRenewal:
		return l.write()
	}
	return nil
}

// write replaces the file in one step.
func (l *lastGood) write() error {
	sealed, err := l.keys.Ring().Seal(seal.LastGood, l.now().Add(lastGoodLife), "", l.kept)
	if err != nil {
		return err
	}
	tmp, err := l.create(filepath.Dir(l.path), ".last-good-*")
	if err != nil {
		return fmt.Errorf("saving the last good configuration: %w", err)
	}
	_, err = tmp.WriteString(sealed)
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), l.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("saving the last good configuration: %w", err), os.Remove(tmp.Name()))
	}
	l.written, l.stale = l.now(), false
	return nil
}

// Restore reads the file; ok is false where there is none that opens.
func (l *lastGood) Restore() (index runtimeconfig.Index, shards map[string][]byte, ok bool) {
	var c lastGoodContent
	sealed, err := os.ReadFile(l.path)
	if err == nil {
		err = l.keys.Ring().Open(seal.LastGood, string(sealed), "", &c)
	}
	if err != nil {
		l.log.Warn("no last good configuration to start from", "file", l.path, "error", err)
		return index, nil, false
	}
	return c.Index, c.Shards, true
}
