// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// parallelReads bounds the Secret reads that run at once.
const parallelReads = 16

// SecretStore knows of the Secrets that something refers to, and of no others.
//
// A watch (see secretwatch.go) feeds it metadata; contents are fetched live and
// kept as long as UID and resourceVersion are the same. A key is tracked before
// it is read, so a change after the read always arrives as an event.
type SecretStore struct {
	// Reader reads from the API server, uncached.
	Reader client.Reader
	// Touch is called with the namespace of a tracked Secret that changed; it is
	// empty where many may have.
	Touch func(namespace string)

	mu      sync.Mutex
	owners  map[string]map[types.NamespacedName]bool
	entries map[types.NamespacedName]*secretEntry
}

// version is one version of an object.
type version struct {
	UID             types.UID
	ResourceVersion string
}

// presence is what the watch (or a read) last said about a Secret.
type presence int

const (
	// unknown: nothing said anything yet, so a read must.
	unknown presence = iota
	absent
	present
)

type secretEntry struct {
	// owners is how many refer to it.
	owners   int
	presence presence
	version  version
	// change counts changes, so that a slow read does not overwrite news.
	change int
	// writing is true while this process writes the Secret: the watch's echo may
	// be faster than the answer. missed is true where the watch said something.
	writing, missed bool
	// memo is the content that was read, at memoVersion.
	memo        *translate.Secret
	memoVersion version
}

// Track replaces the keys that owner refers to.
func (s *SecretStore) Track(owner string, keys map[types.NamespacedName]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if before, known := s.owners[owner]; known && maps.Equal(before, keys) {
		return
	}
	if s.owners == nil {
		s.owners = map[string]map[types.NamespacedName]bool{}
		s.entries = map[types.NamespacedName]*secretEntry{}
	}
	for key := range keys {
		if s.entries[key] == nil {
			s.entries[key] = &secretEntry{}
		}
		s.entries[key].owners++
	}
	for key := range s.owners[owner] {
		if s.entries[key].owners--; s.entries[key].owners == 0 {
			delete(s.entries, key)
		}
	}
	if s.owners[owner] = keys; len(keys) == 0 {
		delete(s.owners, owner)
	}
}

// Len is the number of Secrets that the store knows of.
func (s *SecretStore) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries)
}

// Tracked tells whether something refers to key.
func (s *SecretStore) Tracked(key types.NamespacedName) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries[key] != nil
}

// seen tells what is known of a Secret without reading it.
func (s *SecretStore) seen(key types.NamespacedName) (version, presence) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	if e == nil {
		return version{}, unknown
	}
	return e.version, e.presence
}

// writes says that this process begins to write a Secret, or ended without
// knowing what it wrote.
func (s *SecretStore) writes(key types.NamespacedName, begin bool) {
	s.mu.Lock()
	e := s.entries[key]
	missed := e != nil && !begin && e.missed
	if e != nil {
		e.writing, e.missed = begin, false
	}
	s.mu.Unlock()
	if missed {
		s.Touch(key.Namespace)
	}
}

// note records a version that this process wrote itself, so that the watch's
// echo of it touches nothing, early or late.
func (s *SecretStore) note(key types.NamespacedName, v version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	if e == nil {
		return
	}
	if e.presence == present && e.version == v {
		e.missed = false // it was the echo
	}
	if !e.knowsNewer(v) {
		e.presence, e.version = present, v
		e.change++
	}
}

// knowsNewer tells whether v is older news than what is known: the late event
// of an earlier version, or of an earlier Secret of this name.
func (e *secretEntry) knowsNewer(v version) bool {
	if e.presence != present {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(v.ResourceVersion, e.version.ResourceVersion)
	return err == nil && order < 0
}

// see takes an event of the watch.
func (s *SecretStore) see(key types.NamespacedName, v version, deleted bool) {
	if s.observe(key, v, deleted) {
		s.Touch(key.Namespace)
	}
}

func (s *SecretStore) observe(key types.NamespacedName, v version, deleted bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	switch {
	case e == nil:
		return false
	case e.knowsNewer(v):
		return false
	case deleted && e.presence == absent, !deleted && e.presence == present && e.version == v:
		return false
	}
	e.presence, e.version = present, v
	if deleted {
		e.presence, e.version, e.memo = absent, version{}, nil
	}
	e.change++
	e.missed = e.missed || e.writing
	return !e.writing
}

// resync takes a full list of a namespace ("" for all). The list was filtered
// by what was tracked while it was read, so a key that it lacks is read again.
func (s *SecretStore) resync(namespace string, listed map[types.NamespacedName]version) {
	s.mu.Lock()
	changed := false
	for key, e := range s.entries {
		if namespace != "" && key.Namespace != namespace {
			continue
		}
		v, ok := listed[key]
		switch {
		case ok && (e.presence != present || e.version != v):
			e.presence, e.version = present, v
		case !ok && e.presence == present:
			e.presence = unknown
		default:
			continue
		}
		e.change++
		changed = true
	}
	s.mu.Unlock()
	if changed {
		s.Touch("")
	}
}

// Read returns the contents of tracked Secrets; those that do not exist are
// left out.
func (s *SecretStore) Read(ctx context.Context, keys map[types.NamespacedName]bool) (map[types.NamespacedName]translate.Secret, error) {
	var mu sync.Mutex
	found := make(map[types.NamespacedName]translate.Secret, len(keys))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	for key := range keys {
		if content, done := s.remembered(key); done {
			if content != nil {
				mu.Lock()
				found[key] = *content
				mu.Unlock()
			}
			continue
		}
		group.Go(func() error {
			content, err := s.fetch(ctx, key)
			if err != nil || content == nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			found[key] = *content
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return found, nil
}

// remembered answers without a read where that is possible.
func (s *SecretStore) remembered(key types.NamespacedName) (content *translate.Secret, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	switch {
	case e == nil:
		return nil, false
	case e.presence == absent:
		return nil, true
	case e.presence == present && e.memo != nil && e.memoVersion == e.version:
		return e.memo, true
	}
	return nil, false
}

// fetch reads one Secret live. It returns nil where there is none. Trouble with
// one Secret stays with its owner: the content that was read last stands in, and
// where there is none, the Secret is unreadable. Only an API server that cannot
// be reached at all is an error.
func (s *SecretStore) fetch(ctx context.Context, key types.NamespacedName) (*translate.Secret, error) {
	before := s.changes(key)
	var object corev1.Secret
	var content *translate.Secret
	err := s.Reader.Get(ctx, key, &object)
	switch {
	case err == nil:
		content = contentOf(&object)
	case apierrors.IsForbidden(err):
		return &translate.Secret{Unreadable: true}, nil
	case !apierrors.IsNotFound(err):
		return s.standIn(ctx, key, err)
	}
	s.learn(key, before, content)
	return content, nil
}

// standIn answers for a Secret whose read failed. Nothing is learned, so that
// the next pass reads again.
func (s *SecretStore) standIn(ctx context.Context, key types.NamespacedName, failure error) (*translate.Secret, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", key, ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[key]; e != nil && e.memo != nil {
		last := *e.memo
		last.Stale = true
		return &last, nil
	}
	if unreachable(failure) {
		return nil, fmt.Errorf("reading Secret %s: %w", key, failure)
	}
	return &translate.Secret{Unreadable: true}, nil
}

// unreachable tells whether no API server answered. That says nothing of the
// one Secret, and taking it for unreadable would stop its owner's logins.
func unreachable(err error) bool {
	_, transport := errors.AsType[*url.Error](err)
	return transport || apierrors.IsServiceUnavailable(err) || apierrors.IsUnauthorized(err)
}

func (s *SecretStore) changes(key types.NamespacedName) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[key]; e != nil {
		return e.change
	}
	return 0
}

// learn keeps what a read found. Where the watch said something in the
// meantime, the watch's word stands, and differs from the memo: it is read again.
func (s *SecretStore) learn(key types.NamespacedName, before int, content *translate.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	if e == nil {
		return
	}
	if content != nil {
		e.memo, e.memoVersion = content, version{UID: types.UID(content.UID), ResourceVersion: content.ResourceVersion}
	}
	if e.change != before {
		return
	}
	if content == nil {
		e.presence, e.version, e.memo = absent, version{}, nil
		return
	}
	e.presence, e.version = present, e.memoVersion
}

// contentOf keeps the values of the keys that objects can refer to, and the
// names of some others. Of a value that is too long for any use it keeps what is
// enough to tell: a Secret may have 1 MiB, and a tenant many Secrets.
func contentOf(object *corev1.Secret) *translate.Secret {
	content := &translate.Secret{UID: string(object.UID), ResourceVersion: object.ResourceVersion, Data: map[string]secret.Text{}}
	for _, key := range slices.Sorted(maps.Keys(object.Data)) {
		switch key {
		case oauthv1alpha1.SecretKeyClientID, oauthv1alpha1.SecretKeyClientSecret, oauthv1alpha1.SecretKeyPreviousClientSecret,
			oauthv1alpha1.SecretKeyPrivateKey, oauthv1alpha1.SecretKeyInitialAccessToken, oauthv1alpha1.SecretKeyTokenEndpointAuthMethod:
			value := object.Data[key]
			content.Data[key] = secret.New(string(value[:min(len(value), translate.MaxValue+1)]))
		default:
			if len(content.OtherKeys) <= translate.MaxKeyNames { // one more tells that there are more
				content.OtherKeys = append(content.OtherKeys, key)
			}
		}
	}
	return content
}
