// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

// DumpPath is where the metrics endpoint answers with a Dump.
const DumpPath = "/debug/dump"

// Dump is the operator's view for people who look for a fault: no content of
// any Secret is in it.
type Dump struct {
	Settings  translate.Settings `json:"settings"`
	Published DumpPublished      `json:"published"`
	Brokers   Served             `json:"brokers"`
	Objects   []DumpObject       `json:"objects"`
	Secrets   []DumpSecret       `json:"secrets"`
}

// DumpPublished is the index that was last written or read.
type DumpPublished struct {
	Sequence int64       `json:"sequence"`
	Revision string      `json:"revision"`
	KeyIDs   []string    `json:"keyIDs"`
	Shards   []DumpShard `json:"shards"`
	Retired  int         `json:"retired"`
}

// DumpShard is one shard, by the part of the trie that it holds.
type DumpShard struct {
	Prefix string `json:"prefix"`
	Items  int    `json:"items"`
}

// DumpObject is what the operator decided on an object.
type DumpObject struct {
	translate.Verdict
	// Sequence that first published it as it is; 0 where it is not published, and
	// then Problem says why.
	Sequence int64  `json:"sequence"`
	Problem  string `json:"problem,omitempty"`
	// Waits is true while some ready broker does not serve it.
	Waits bool `json:"waits,omitempty"`
}

// DumpSecret is a Secret that something refers to.
type DumpSecret struct {
	Namespace       string `json:"namespace"`
	Name            string `json:"name"`
	Presence        string `json:"presence"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
}

// Dumper answers requests for a Dump.
type Dumper struct {
	Settings  translate.Settings
	Publisher *Publisher
	Reporter  *Reporter
	Secrets   *SecretStore
}

// ServeHTTP implements http.Handler.
func (d *Dumper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(d.Dump()) // the reader went away
}

// Dump collects what the parts know.
func (d *Dumper) Dump() Dump {
	return Dump{
		Settings: d.Settings, Published: d.Publisher.dump(), Brokers: d.Reporter.Served(),
		Objects: d.Reporter.dump(), Secrets: d.Secrets.dump(),
	}
}

func (p *Publisher) dump() DumpPublished {
	published := p.shown.Load()
	if published == nil {
		return DumpPublished{}
	}
	d := DumpPublished{Sequence: published.Index.Sequence, Revision: published.Index.Revision(), KeyIDs: published.Index.KeyIDs, Retired: len(published.Index.Retired)}
	for _, ref := range published.Index.Shards {
		d.Shards = append(d.Shards, DumpShard{Prefix: ref.Prefix, Items: len(published.Shards[ref.Name])})
	}
	return d
}

func (r *Reporter) dump() []DumpObject {
	r.mu.Lock()
	defer r.mu.Unlock()
	objects := []DumpObject{}
	for ref, t := range r.targets.each {
		objects = append(objects, DumpObject{Verdict: t.verdict, Sequence: t.sequence, Problem: t.problem, Waits: r.pending[ref]})
	}
	slices.SortFunc(objects, func(a, b DumpObject) int { return strings.Compare(a.Ref.String(), b.Ref.String()) })
	return objects
}

func (s *SecretStore) dump() []DumpSecret {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := map[presence]string{unknown: "unknown", absent: "absent", present: "present"}
	secrets := make([]DumpSecret, 0, len(s.entries))
	for key, e := range s.entries {
		secrets = append(secrets, DumpSecret{Namespace: key.Namespace, Name: key.Name, Presence: names[e.presence], ResourceVersion: e.version.ResourceVersion})
	}
	slices.SortFunc(secrets, func(a, b DumpSecret) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	return secrets
}
