// SPDX-License-Identifier: Apache-2.0

package once

import (
	"context"
	"sync"
)

// flights lets one of the callers with the same key work at a time, and gives
// what comes of it to the others, also a failure: whoever sends the same failing
// request without end would else make a queue that does not end. The work is done
// by its caller's own goroutine, which is where a request may be written to.
type flights struct {
	mu    sync.Mutex
	byKey map[string]*flight
}

// flight is work under way, and what came of it once done is closed.
type flight struct {
	done   chan struct{}
	answer string
	err    error
	// left is true where the caller went away and the work came to nothing.
	left bool
}

func (f *flights) do(ctx context.Context, key string, work func() (string, error)) (string, error) {
	for {
		one, mine := f.join(key)
		if mine {
			return f.fly(ctx, key, one, work)
		}
		select {
		case <-one.done:
		case <-ctx.Done():
			return "", ctx.Err()
		}
		if !one.left {
			return one.answer, one.err
		}
	}
}

func (f *flights) join(key string) (one *flight, mine bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if one, ok := f.byKey[key]; ok {
		return one, false
	}
	if f.byKey == nil {
		f.byKey = map[string]*flight{}
	}
	one = &flight{done: make(chan struct{}), left: true}
	f.byKey[key] = one
	return one, true
}

func (f *flights) fly(ctx context.Context, key string, one *flight, work func() (string, error)) (string, error) {
	defer func() { // also where work panics
		f.mu.Lock()
		delete(f.byKey, key)
		f.mu.Unlock()
		close(one.done)
	}()
	answer, err := work()
	one.answer, one.err, one.left = answer, err, err != nil && ctx.Err() != nil
	return answer, err
}
