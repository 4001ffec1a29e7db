// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// lastGood keeps the published document of the last good snapshot on disk, sealed
// with the key ring, so that a container which restarts while the API server is
// away serves on. The index is in the file, each shard in one beside it: what did
// not change is not written again. The index is written last, and shards are
// removed after it, so that there is a whole document at every moment.
type lastGood struct {
	path string
	keys *seal.Keys
	now  func() time.Time
	log  *slog.Logger
	// create makes the file that replaces the one before.
	create func(dir, pattern string) (*os.File, error)

	mu   sync.Mutex
	kept *lastGoodContent
	// written is when the index was, stale whether kept is newer than it.
	written time.Time
	stale   bool
	// files are the shards that are on disk, renewed is when the first of them was.
	files   map[string]bool
	renewed time.Time
}

type lastGoodContent struct {
	index  runtimeconfig.Index
	shards map[string][]byte
}

const (
	// lastGoodLife bounds how old a configuration may be and still start a broker.
	lastGoodLife = 7 * 24 * time.Hour
	// lastGoodRenewal is how often everything is written again.
	lastGoodRenewal = time.Hour
	// lastGoodPause is how often it is written at most: somebody may be editing. A start without an API server may miss what changed
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
	case l.stale && age >= pause, l.old():
		return l.write()
	}
	return nil
}

func (l *lastGood) old() bool { return l.now().Sub(l.renewed) >= lastGoodRenewal }

// write brings what is on disk to what is kept.
func (l *lastGood) write() error {
	if l.old() {
		l.files, l.renewed, l.stale = map[string]bool{}, l.now(), true // should it fail, the next try goes on
	}
	for name, content := range l.kept.shards {
		if l.files[name] {
			continue
		}
		if err := l.replace(l.shardFile(name), name, content); err != nil {
			return err
		}
		l.files[name] = true
	}
	if err := l.replace(l.path, "", l.kept.index); err != nil {
		return err
	}
	l.written, l.stale = l.now(), false
	return l.collect()
}

func (l *lastGood) shardFile(name string) string { return l.path + "." + name }

// replace seals content and puts it into a file in one step. context keeps files
// from being exchanged.
func (l *lastGood) replace(file, context string, content any) error {
	sealed, err := l.keys.Ring().Seal(seal.LastGood, l.now().Add(lastGoodLife), context, content)
	if err != nil {
		return err
	}
	tmp, err := l.create(filepath.Dir(file), ".last-good-*")
	if err != nil {
		return fmt.Errorf("saving the last good configuration: %w", err)
	}
	_, err = tmp.WriteString(sealed)
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("saving the last good configuration: %w", err), os.Remove(tmp.Name()))
	}
	return nil
}

// collect removes shards that the index no longer names, also those that an
// earlier process left.
func (l *lastGood) collect() error {
	files, err := os.ReadDir(filepath.Dir(l.path))
	for _, f := range files {
		name, ours := strings.CutPrefix(f.Name(), filepath.Base(l.shardFile("")))
		if _, named := l.kept.shards[name]; ours && !named && strings.HasPrefix(name, runtimeconfig.ShardPrefix) {
			err = errors.Join(err, os.Remove(l.shardFile(name)))
			delete(l.files, name)
		}
	}
	if err != nil {
		return fmt.Errorf("removing what the last good configuration no longer needs: %w", err)
	}
	return nil
}

// Restore reads what is on disk; ok is false where there is nothing that opens.
func (l *lastGood) Restore() (index runtimeconfig.Index, shards map[string][]byte, ok bool) {
	index, shards, err := l.read()
	if err != nil {
		l.log.Warn("no last good configuration to start from", "file", l.path, "error", err)
		return runtimeconfig.Index{}, nil, false
	}
	return index, shards, true
}

func (l *lastGood) read() (index runtimeconfig.Index, shards map[string][]byte, err error) {
	open := func(file, context string, v any) error {
		sealed, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := l.keys.Ring().Open(seal.LastGood, string(sealed), context, v); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
		return nil
	}
	if err := open(l.path, "", &index); err != nil {
		return index, nil, err
	}
	shards = map[string][]byte{}
	for _, ref := range index.Shards {
		var content []byte
		if err := open(l.shardFile(ref.Name), ref.Name, &content); err != nil {
			return index, nil, err
		}
		shards[ref.Name] = content
	}
	return index, shards, nil
}
