// SPDX-License-Identifier: Apache-2.0

package filesource

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/discovery"
)

const (
	defaultRefresh = time.Hour
	firstRetry     = 2 * time.Second
	lastRetry      = time.Minute
)

// discoveries reads metadata documents beside the loop that looks at the
// files, so that a vendor that does not answer delays no other's change.
type discoveries struct {
	client *discovery.Client
	now    func() time.Time
	// news has an item when a document was read.
	news chan struct{}

	running sync.WaitGroup
	mu      sync.Mutex
	entries map[string]*discovered // by vendor
	fresh   bool                   // something was read since the last start
}

// discovered is what is known of one vendor's document.
type discovered struct {
	key     string // what the document depends on
	result  translate.Discovered
	read    bool // an answer, good or bad, is there
	busy    bool
	due     time.Time
	backoff time.Duration
}

func newDiscoveries(c *discovery.Client, now func() time.Time) *discoveries {
	return &discoveries{client: c, now: now, news: make(chan struct{}, 1), entries: map[string]*discovered{}}
}

// wait reads the documents that are due and returns when all were tried.
func (d *discoveries) wait(ctx context.Context, vendors []*oauthv1alpha1.OAuthVendor) {
	d.start(ctx, vendors)
	d.running.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fresh = false
	select {
	case <-d.news:
	default:
	}
}

// stop waits for the reads in progress; their context has ended.
func (d *discoveries) stop() { d.running.Wait() }

// start begins to read the documents that are due. It tells whether one was
// read since the last call.
func (d *discoveries) start(ctx context.Context, vendors []*oauthv1alpha1.OAuthVendor) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	wanted := make(map[string]*discovered, len(vendors))
	for _, v := range vendors {
		if v.Spec.Discovery == nil {
			continue
		}
		e := d.entries[v.Name]
		if key := keyOf(&v.Spec); e == nil || e.key != key {
			e = &discovered{key: key}
		}
		wanted[v.Name] = e
		if !e.busy && !d.now().Before(e.due) {
			e.busy = true
			d.running.Add(1)
			go d.read(ctx, e, v.Spec.DeepCopy())
		}
	}
	d.entries = wanted
	fresh := d.fresh
	d.fresh = false
	return fresh
}

func (d *discoveries) read(ctx context.Context, e *discovered, spec *oauthv1alpha1.OAuthVendorSpec) {
	defer d.running.Done()
	result := d.client.Discover(ctx, spec)
	d.mu.Lock()
	defer d.mu.Unlock()
	e.busy = false
	if ctx.Err() != nil {
		return
	}
	e.read, d.fresh = true, true
	if result.Problem == "" {
		refresh := time.Duration(spec.Discovery.RefreshSeconds) * time.Second
		if refresh == 0 {
			refresh = defaultRefresh
		}
		e.result, e.backoff, e.due = result, 0, d.now().Add(refresh)
	} else {
		e.result.Problem = result.Problem // the last good endpoints stay
		e.backoff = min(max(2*e.backoff, firstRetry), lastRetry)
		e.due = d.now().Add(e.backoff)
	}
	select {
	case d.news <- struct{}{}:
	default:
	}
}

// results are what translate needs to know.
func (d *discoveries) results(vendors []*oauthv1alpha1.OAuthVendor) map[string]translate.Discovered {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[string]translate.Discovered, len(d.entries))
	for _, v := range vendors {
		if e := d.entries[v.Name]; e != nil && e.read && v.Spec.Discovery != nil && e.key == keyOf(&v.Spec) {
			out[v.Name] = e.result
		}
	}
	return out
}

// keyOf is what a document depends on; another key means another document.
func keyOf(spec *oauthv1alpha1.OAuthVendorSpec) string {
	b, _ := json.Marshal([]any{spec.Issuer, spec.Discovery, spec.Transport}) // API types always marshal
	return string(b)
}
