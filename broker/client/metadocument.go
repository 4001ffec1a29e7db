// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/oauthbroker/oauth-broker/broker/guard"
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
	// maxFetches bounds the fetches under way at once, and those that one caller
	// caused: else a few slow hosts of a stranger's would keep everybody out. Once half
	// of all are taken, a caller holds one.
	maxFetches       = 64
	maxCallerFetches = 4
)

func documentAges() oauth.CacheAges {
	return oauth.CacheAges{Least: time.Minute, Usual: 5 * time.Minute, Most: 24 * time.Hour}
}

// ErrDocument is a client id metadata document that cannot be used.
var ErrDocument = errors.New("client id metadata document not usable")

// ErrAway is a document that could not be read just now, which says nothing of
// the client.
var ErrAway = fmt.Errorf("%w at the moment", ErrDocument)

// Documents fetches and keeps client id metadata documents (OAuth Client ID
// Metadata Document, draft). Make one with NewDocuments.
type Documents struct {
	http    *http.Client
	now     func() time.Time
	flights singleflight.Group

	mu       sync.Mutex
	entries  map[string]documentEntry
	fetching int            // fetches under way
	callers  map[string]int // the same by who caused them
}

// documentEntry is a client, or why there is none.
type documentEntry struct {
	client *runtimeconfig.Client
	err    error
	until  time.Time
}

// NewDocuments makes Documents that fetch through a guarded client.
func NewDocuments(guarded *http.Client, now func() time.Time) *Documents {
	return &Documents{http: guarded, now: now, entries: map[string]documentEntry{}, callers: map[string]int{}}
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

// Client returns the client that a metadata document describes. caller is the
// address that asks for it.
func (d *Documents) Client(ctx context.Context, id, caller string) (*runtimeconfig.Client, error) {
	if err := checkDocumentURL(id); err != nil {
		return nil, err
	}
	if e, ok := d.cached(id); ok {
		return e.client, e.err
	}
	v, err, _ := d.flights.Do(id, func() (any, error) {
		// One caller that goes away must not fail the others.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		c, age, err := d.enterAndFetch(ctx, id, caller)
		if age > 0 {
			d.keep(id, documentEntry{client: c, err: err, until: d.now().Add(age)})
		}
		return c, err
	})
	c, ok := v.(*runtimeconfig.Client)
	if err == nil && !ok {
		err = ErrDocument
	}
	return c, err
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
			if old.err != nil || !now.Before(old.until) {
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
func (d *Documents) enter(caller string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	share := maxCallerFetches
	if d.fetching >= maxFetches/2 {
		share = 1
	}
	if d.fetching >= maxFetches || d.callers[caller] >= share {
		return false
	}
	d.fetching++
	d.callers[caller]++
	return true
}

func (d *Documents) leave(caller string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fetching--
	if d.callers[caller]--; d.callers[caller] == 0 {
		delete(d.callers, caller)
	}
}

// network is whose place a caller takes. An IPv6 caller comes as its /64; who has a
// /48 has 65,536 of them, so these are one, as they are where the guard connects to.
func network(caller string) string {
	p, err := netip.ParsePrefix(caller)
	if err != nil {
		return caller
	}
	return guard.Site(p.Addr()).String()
}

// enterAndFetch fetches where there is a place, and tells how long the outcome
// is kept.
func (d *Documents) enterAndFetch(ctx context.Context, id, caller string) (*runtimeconfig.Client, time.Duration, error) {
	caller = network(caller)
	if !d.enter(caller) {
		return nil, 0, errors.Join(ErrAway, errors.New("too many fetches are under way"))
	}
	defer d.leave(caller)
	return d.fetch(ctx, id)
}

func (d *Documents) fetch(ctx context.Context, id string) (*runtimeconfig.Client, time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, id, nil)
	if err != nil {
		return nil, failureAge, ErrDocument
	}
	req.Header.Set("Accept", "application/json")
	resp, err := d.http.Do(req)
	switch {
	case errors.Is(err, guard.ErrBusy):
		return nil, 0, errors.Join(ErrAway, errors.New("too many fetches from its host are under way"))
	case err != nil:
		return nil, failureAge, errors.Join(ErrAway, errors.New("no answer from its host"))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil || resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError {
		return nil, failureAge, errors.Join(ErrAway, errors.New("its host does not answer with a document"))
	}
	mt, _, mtErr := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if mtErr != nil || resp.StatusCode != http.StatusOK || len(body) > maxDocument || mt != "application/json" && !strings.HasSuffix(mt, "+json") {
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
	case textOf(method) != authNone && textOf(method) != authPrivateKeyJWT:
		return nil, errors.New("token_endpoint_auth_method needs a shared secret")
	}
	passOverGrants(members)
	if body, err = json.Marshal(members); err != nil {
		return nil, err
	}
	m, err := ParseMetadata(body)
	if err != nil {
		return nil, err
	}
	return m.client(id), nil
}

// passOverGrants leaves out the grant types that the broker has not. A document is
// no request to this server, where that would be a mistake: it is for all servers.
func passOverGrants(members map[string]json.RawMessage) {
	var grants []string
	if json.Unmarshal(members["grant_types"], &grants) != nil || !slices.Contains(grants, grantAuthorizationCode) {
		return // as it is, to be refused or completed
	}
	grants = slices.DeleteFunc(grants, func(g string) bool { return g != grantAuthorizationCode && g != grantRefreshToken })
	if b, err := json.Marshal(grants); err == nil {
		members["grant_types"] = b
	}
}

// textOf is the text of a JSON string, and empty for anything else.
func textOf(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) != nil {
		return ""
	}
	return s
}
