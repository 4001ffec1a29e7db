// SPDX-License-Identifier: Apache-2.0

package filesource_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/filesource"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// What is served counts as current only while the directory is good, however
// often one looks at a bad one.
func TestSource_current(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "all.yaml", vendorYAML)
	synctest.Test(t, func(t *testing.T) {
		var current atomic.Int64
		s, err := filesource.New(filesource.Options{
			Now: time.Now, Dir: dir, Settings: translate.Settings{PublicURL: "https://broker.example"}, Interval: time.Second, OnCurrent: func() { current.Add(1) },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = s.Run(ctx, func(*runtimeconfig.Snapshot) {}) }()
		looks := func() int64 { // of the next minute
			current.Store(0)
			time.Sleep(time.Minute)
			synctest.Wait()
			return current.Load()
		}
		if n := looks(); n < 50 {
			t.Errorf("current %d times in a minute, want at every look", n)
		}
		write(t, dir, "all.yaml", "nonsense: [")
		if n := looks(); n != 0 {
			t.Errorf("current %d times while the directory is bad", n)
		}
		write(t, dir, "all.yaml", vendorYAML)
		if n := looks(); n < 50 {
			t.Errorf("current %d times in a minute after the directory is good again", n)
		}
	})
}
