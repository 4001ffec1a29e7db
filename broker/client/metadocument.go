// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// Limits of client id metadata documents.
const (
	maxDocument    = 5 << 10
	maxDocumentURL = 512
	// failureAge is how long a URL that failed is not asked again. No error is
	// served as a document; it only keeps the broker from being an amplifier.
	failureAge = 10 * time.Second
	// maxDocuments bounds the cache, which outsiders can fill.
	maxDocuments = 1024
	// maxFetches bounds the fetches under way at once, and those of one host.
	maxFetches     = 32
	maxHostFetches = 2
)

func documentAges() oauth.CacheAges {
	return oauth.CacheAges{Least: time.Minute, Usual: 5 * time.Minute, Most: 24 * time.Hour}
}

// ErrDocument is a client id metadata document that cannot be used.
var ErrDocument = errors.New("client id metadata document not usable")

// Documents fetches and keeps client id metadata documents (OAuth Client ID
// Metadata Document, draft). Make one with NewDocuments.
type Documents struct {
	http    *http.Client
	now     func() time.Time
	flights singleflight.Group
	slots   chan struct{}

	mu      sync.Mutex
	entries map[string]documentEntry
	// fetching counts the fetches under way by host, so that one slow host cannot
	// hold up the documents of others.
	fetching map[string]int
}

type documentEntry struct {
	client *runtimeconfig.Client
	until  time.Time
}

// NewDocuments makes Documents that fetch through a guarded client.
func NewDocuments(guarded *http.Client, now func() time.Time) *Documents {
	return &Documents{http: guarded, now: now, slots: make(chan struct{}, maxFetches), entries: map[string]documentEntry{}, fetching: map[string]int{}}
}

// IsDocumentURL tells whether a client id is the URL of a metadata document.
func IsDocumentURL(id string) bool { return strings.HasPrefix(id, "https://") }

// checkDocumentURL holds a client id to the draft: https, a path, no dot
// segments, no fragment, no user information; and no IP literal.
func checkDocumentURL(id string) error {
	u, err := url.Parse(id)
	if err != nil || len(id) > maxDocumentURL || !ascii(id) || u.Scheme != "https" || u.User != nil ||
		strings.Contains(id, "#") || strings.Contains(id, "\\") || u.Path == "" || u.Path == "/" || !plainHost(u) || dotSegments(u) {
		return ErrDocument
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil || u.Hostname() == "" || !strings.Contains(u.Hostname(), ".") {
		return ErrDocument
	}
	return nil
}

// Client returns the client that a metadata document describes.
func (d *Documents) Client(ctx context.Context, id string) (*runtimeconfig.Client, error) {
	if err := checkDocumentURL(id); err != nil {
		return nil, err
	}
	if e, ok := d.cached(id); ok {
		if e.client == nil {
			return nil, ErrDocument
		}
		return e.client, nil
	}
	v, err, _ := d.flights.Do(id, func() (any, error) {
		// One caller that goes away must not fail the others.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		c, age, err := d.fetch(ctx, id)
		if age > 0 {
			d.keep(id, documentEntry{client: c, until: d.now().Add(age)})
		}
		return c, err
	})
	if err != nil {
		return nil, err
	}
	c, ok := v.(*runtimeconfig.Client)
	if !ok || c == nil {
		return nil, ErrDocument
	}
	return c, nil
}

func (d *Documents) cached(id string) (documentEntry, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, ok := d.entries[id]
	return e, ok && d.now().Before(e.until)
}

// keep stores e; a full cache drops what has expired and what failed, then
// anything.
func (d *Documents) keep(id string, e documentEntry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.entries) >= maxDocuments {
		now := d.now()
		for k, old := range d.entries {
			if old.client == nil || !now.Before(old.until) {
				delete(d.entries, k)
			}
		}
		for k := range d.entries {
			if len(d.entries) < maxDocuments {
				break
			}
			delete(d.entries, k)
		}
	}
	d.entries[id] = e
}

// enter takes a place among the fetches. It does not wait: who is refused may
// try again at once, and nothing is remembered of it.
func (d *Documents) enter(id string) (leave func(), ok bool) {
	host := id
	if u, err := url.Parse(id); err == nil {
		host = u.Hostname()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.slots) == cap(d.slots) || d.fetching[host] >= maxHostFetches {
		return nil, false
	}
	d.slots <- struct{}{}
	d.fetching[host]++
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		<-d.slots
		if d.fetching[host]--; d.fetching[host] == 0 {
			delete(d.fetching, host)
		}
	}, true
}

func (d *Documents) fetch(ctx context.Context, id string) (*runtimeconfig.Client, time.Duration, error) {
	leave, ok := d.enter(id)
	if !ok {
		return nil, 0, errors.Join(ErrDocument, errors.New("too many fetches are under way"))
	}
	defer leave()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, id, nil)
	if err != nil {
		return nil, failureAge, ErrDocument
	}
	req.Header.Set("Accept", "application/json")
	resp, err := d.http.Do(req)
	if err != nil {
		return nil, failureAge, errors.Join(ErrDocument, errors.New("no answer from its host"))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	mt, _, mtErr := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || mtErr != nil || resp.StatusCode != http.StatusOK || len(body) > maxDocument || mt != "application/json" && !strings.HasSuffix(mt, "+json") {
		return nil, failureAge, errors.Join(ErrDocument, errors.New("not a short JSON document with status 200"))
	}
	c, err := parseDocument(id, body)
	if err != nil {
		return nil, failureAge, errors.Join(ErrDocument, err)
	}
	return c, documentAges().Of(resp.Header.Get("Cache-Control")), nil
}

// parseDocument reads a document. The id in it must be its own URL, and it
// cannot hold a shared secret: everybody can read it.
func parseDocument(id string, body []byte) (*runtimeconfig.Client, error) {
	members, err := oauth.DecodeObject(body)
	if err != nil {
		return nil, errors.New("not a JSON object")
	}
	_, hasSecret := members["client_secret"]
	method, hasMethod := members["token_endpoint_auth_method"]
	switch {
	case textOf(members["client_id"]) != id:
		return nil, errors.New("client_id in it is not its URL")
	case hasSecret:
		return nil, errors.New("it holds a client_secret")
	case !hasMethod:
		// The default of RFC 7591, client_secret_basic, cannot be meant here.
		members["token_endpoint_auth_method"] = json.RawMessage(`"` + authNone + `"`)
		if body, err = json.Marshal(members); err != nil {
			return nil, err
		}
	case textOf(method) != authNone && textOf(method) != authPrivateKeyJWT:
		return nil, errors.New("token_endpoint_auth_method needs a shared secret")
	}
	m, err := ParseMetadata(body)
	if err != nil {
		return nil, err
	}
	return m.client(id), nil
}

// textOf is the text of a JSON string, and empty for anything else.
func textOf(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) != nil {
		return ""
	}
	return s
}
