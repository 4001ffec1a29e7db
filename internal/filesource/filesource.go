// SPDX-License-Identifier: Apache-2.0

// Package filesource runs the broker from a directory of the manifests that
// kubectl applies, with no cluster: on a laptop, on ECS, in tests.
//
// It does what the operator does, in one process: manifests are validated as
// the API server would (internal/manifest), metadata documents are read
// (internal/discovery), the same pure function decides (controllers/translate),
// and the result becomes a snapshot. A change that cannot be read leaves the
// last good snapshot in place.
package filesource

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/oauthbroker/oauth-broker/config/crd"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/discovery"
	"github.com/oauthbroker/oauth-broker/internal/manifest"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// settle is how long changed files must stay as they are before they are read.
const settle = 50 * time.Millisecond

// DefaultNamespace is where Secrets without a namespace are.
const DefaultNamespace = "oauth-broker-system"

// Options of a source. Dir and Settings.PublicURL are required.
type Options struct {
	// Dir holds the manifests: *.yaml, *.yml and *.json, also in directories below.
	Dir string
	// Settings of the install. OperatorNamespace is where the Secrets of vendors
	// are, and Secrets that name no namespace.
	Settings translate.Settings
	// HTTPClient reads metadata documents; nil is a client of its own.
	HTTPClient *http.Client
	// LookupEnv finds environment credentials; nil finds none.
	LookupEnv func(string) (string, bool)
	// Now is the clock (time.Now); it is required.
	Now func() time.Time
	// Logger says which objects are not good; nil says nothing.
	Logger *slog.Logger
	// OnCurrent is called after every look that found what is served to be what
	// the directory says; may be nil.
	OnCurrent func()
	// Interval between looks at the directory; zero is a second.
	Interval time.Duration
}

// Source makes snapshots of a directory. It is for one goroutine at a time.
type Source struct {
	o         Options
	decoder   *manifest.Decoder
	discovery *discoveries
	memo      translate.Memo

	// What was seen last: the sum of the files and of the discovered endpoints,
	// what they held, the snapshot that was handed out, and what was logged.
	seen       [sha256.Size]byte
	manifests  manifest.Set
	looked     bool
	broken     bool // what was seen last cannot be used
	last       *runtimeconfig.Snapshot
	problem    string
	unresolved map[translate.Ref]translate.Verdict
}

// New makes a source; nothing is read yet.
func New(o Options) (*Source, error) {
	if o.Dir == "" || o.Settings.PublicURL == "" || o.Now == nil {
		return nil, errors.New("the file source needs a directory, the public URL and a clock")
	}
	if o.Settings.OperatorNamespace == "" {
		o.Settings.OperatorNamespace = DefaultNamespace
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OnCurrent == nil {
		o.OnCurrent = func() {}
	}
	if o.Interval == 0 {
		o.Interval = time.Second
	}
	d, err := manifest.New(crd.Bases)
	if err != nil {
		return nil, fmt.Errorf("preparing the manifest decoder: %w", err)
	}
	return &Source{
		o: o, decoder: d, unresolved: map[translate.Ref]translate.Verdict{},
		discovery: newDiscoveries(&discovery.Client{HTTP: o.HTTPClient}, o.Now),
	}, nil
}

// Load reads the directory once, and waits for the metadata documents that
// are due. A vendor whose document is away is no error: it is not served yet.
func (s *Source) Load(ctx context.Context) (*runtimeconfig.Snapshot, error) {
	files, err := readDir(s.o.Dir)
	if err != nil {
		return nil, err
	}
	set, err := s.decode(ctx, files)
	if err != nil {
		return nil, err
	}
	s.discovery.wait(ctx, set.Vendors)
	if err := s.build(set); err != nil {
		return nil, err
	}
	s.manifests, s.seen, s.looked, s.broken = set, files.sum(), true, false
	return s.last, nil
}

// Run looks at the directory until ctx ends, and hands each snapshot that
// differs from the last, whether Load or Run made it, to apply. It returns nil
// when ctx ends.
func (s *Source) Run(ctx context.Context, apply func(*runtimeconfig.Snapshot)) error {
	tick := time.NewTicker(s.o.Interval)
	defer tick.Stop()
	defer s.discovery.stop()
	for {
		before := s.last
		err := s.look(ctx)
		s.report(err)
		if s.last != before {
			apply(s.last)
		}
		if err == nil {
			s.o.OnCurrent()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.discovery.news:
		}
	}
}

// look makes another snapshot the last where something changed.
func (s *Source) look(ctx context.Context) error {
	files, err := readDir(s.o.Dir)
	if err != nil {
		return err
	}
	changed := false
	if sum := files.sum(); !s.looked || sum != s.seen {
		if !s.settled(ctx, sum) {
			return errUnchanged
		}
		set, err := s.decode(ctx, files)
		if err == nil {
			_, err = inputs(set, s.o.Settings)
		}
		s.seen, s.looked, s.broken = sum, true, err != nil
		if err != nil {
			return err
		}
		s.manifests, changed = set, true
	} else if s.broken {
		return errUnchanged
	}
	if s.discovery.start(ctx, s.manifests.Vendors) || changed {
		return s.build(s.manifests)
	}
	return nil
}

// settled tells whether the files are still as sum says after a moment: who
// writes a file in place empties it first, and an empty file is valid.
func (s *Source) settled(ctx context.Context, sum [sha256.Size]byte) bool {
	moment := time.NewTimer(settle)
	defer moment.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-moment.C:
	}
	again, err := readDir(s.o.Dir)
	return err == nil && again.sum() == sum
}

// errUnchanged: there is nothing new to say of the files.
var errUnchanged = errors.New("unchanged")

// report logs a problem once, until it changes or goes away.
func (s *Source) report(err error) {
	switch {
	case errors.Is(err, errUnchanged):
	case err == nil && s.problem != "":
		s.problem = ""
		s.o.Logger.Info("the configuration can be read again")
	case err != nil && err.Error() != s.problem:
		s.problem = err.Error()
		s.o.Logger.Error("the configuration cannot be read; the last good one stays", "problem", s.problem)
	}
}

func (s *Source) decode(ctx context.Context, files contents) (manifest.Set, error) {
	var set manifest.Set
	var errs []error
	for _, f := range files {
		errs = append(errs, s.decoder.Decode(ctx, &set, f.name, f.content))
	}
	if err := errors.Join(errs...); err != nil {
		return manifest.Set{}, err
	}
	return set, nil
}

// build decides, and makes the last snapshot where its content is another.
func (s *Source) build(set manifest.Set) error {
	in, err := inputs(set, s.o.Settings)
	if err != nil {
		return err
	}
	in.Discovered = s.discovery.results(set.Vendors)
	out := s.memo.Translate(in)
	revision, err := revisionOf(out.Document)
	if err != nil {
		return err
	}
	snapshot, err := runtimeconfig.NewSnapshot(out.Document, revision, 0, runtimeconfig.Options{LookupEnv: s.o.LookupEnv, Now: s.o.Now})
	if err != nil {
		return fmt.Errorf("making the snapshot: %w", err)
	}
	if s.last == nil || s.last.Revision != revision {
		s.last = snapshot
	}
	s.logVerdicts(out.Verdicts)
	return nil
}

// revisionOf names the content of a document, the same in every broker that
// reads the same files. The revision is shown to operators, so the sum is
// stretched: it must be of no use for testing guesses at a weak client secret.
func revisionOf(d runtimeconfig.Document) (string, error) {
	const iterations, size = 100_000, 12
	items, err := runtimeconfig.Encode(d)
	if err != nil {
		return "", fmt.Errorf("encoding the document: %w", err)
	}
	shard, err := runtimeconfig.EncodeShard(items)
	if err != nil {
		return "", fmt.Errorf("encoding the document: %w", err)
	}
	sum := sha256.Sum256(shard)
	key, err := pbkdf2.Key(sha256.New, hex.EncodeToString(sum[:]), []byte("oauth-broker file source revision"), iterations, size)
	if err != nil {
		return "", fmt.Errorf("naming the revision: %w", err)
	}
	return hex.EncodeToString(key), nil
}

// logVerdicts logs what is not good about an object, once until it changes.
func (s *Source) logVerdicts(verdicts []translate.Verdict) {
	bad := make(map[translate.Ref]translate.Verdict, len(s.unresolved))
	for _, v := range verdicts {
		old, was := s.unresolved[v.Ref]
		if v.Accepted.OK && v.ResolvedRefs.OK && v.ResolvedRefs.Note == "" {
			if was {
				s.log(v).Info("object is good now")
			}
			continue
		}
		bad[v.Ref] = v
		if !v.Accepted.OK && old.Accepted != v.Accepted {
			s.log(v).Warn("object is not accepted", "reason", v.Accepted.Reason, "message", v.Accepted.Message)
		}
		switch {
		case old.ResolvedRefs == v.ResolvedRefs:
		case !v.ResolvedRefs.OK:
			s.log(v).Warn("object has unresolved references", "reason", v.ResolvedRefs.Reason, "message", v.ResolvedRefs.Message)
		case v.ResolvedRefs.Note != "":
			s.log(v).Warn("object is good, with a note", "message", v.ResolvedRefs.Note)
		}
	}
	s.unresolved = bad
}

func (s *Source) log(v translate.Verdict) *slog.Logger {
	return s.o.Logger.With("kind", v.Ref.Kind, "namespace", v.Ref.Namespace, "name", v.Ref.Name)
}
