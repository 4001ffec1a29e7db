// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

const (
	// refusalsInterval is how often brokers are asked what vendors refused.
	refusalsInterval = 10 * time.Second
	credentialsPath  = "/credentials"
	// askedAtOnce bounds how many credentials one request asks for.
	askedAtOnce = 200
)

// Refusals asks the brokers which credentials vendors refused in logins and
// refreshes, and whether they were accepted since, by whichever broker.
type Refusals struct {
	Brokers *Brokers
	Health  *Health
	Now     func() time.Time
}

// Start asks until ctx ends. It implements manager.Runnable.
func (r *Refusals) Start(ctx context.Context) error {
	ticker := r.Brokers.Clock.NewTicker(refusalsInterval)
	defer ticker.Stop()
	for {
		r.poll(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}

// use is one use of a credential, as brokers report it.
type use struct {
	ID         string  `json:"id"`
	Sequence   int64   `json:"sequence"`
	SecondsAgo float64 `json:"secondsAgo"`
}

// poll asks twice where there is something to ask: a credential that one broker
// was refused may work for another since.
func (r *Refusals) poll(ctx context.Context) {
	brokers, err := r.Brokers.Find(ctx)
	if err != nil {
		return // the poll of sequences tells
	}
	news := map[translate.Ref]health{}
	r.ask(ctx, brokers, nil, news)
	ids := make([]string, 0, askedAtOnce)
	for _, ref := range r.Health.refused() {
		if _, there := news[ref]; !there {
			news[ref] = health{}
		}
	}
	for ref := range news { // in a random order, so that all get their turn
		if len(ids) < askedAtOnce {
			ids = append(ids, itemOf(ref))
		}
	}
	if len(ids) > 0 {
		r.ask(ctx, brokers, ids, news)
	}
	if ctx.Err() != nil {
		return
	}
	for ref, n := range news {
		if n.verdict != "" {
			r.Health.learn(ref, n)
		}
	}
}

// ask puts the latest news of all brokers into news. A broker that does not
// answer, or is too old to know the question, has none.
func (r *Refusals) ask(ctx context.Context, brokers []Broker, ids []string, news map[translate.Ref]health) {
	query := ""
	if len(ids) > 0 {
		query = "?" + url.Values{"accepted": ids}.Encode()
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, pollsAtOnce)
	for _, broker := range brokers {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			asking, cancel := context.WithTimeout(ctx, pollTimeout)
			defer cancel()
			body, err := r.Brokers.get(asking, broker.URL+credentialsPath+query)
			var report struct{ Refused, Accepted []use }
			if err != nil || json.Unmarshal(body, &report) != nil {
				return
			}
			now := r.Now()
			mu.Lock()
			defer mu.Unlock()
			collect(news, report.Refused, CredentialRefused, now)
			collect(news, report.Accepted, CredentialAccepted, now)
		})
	}
	wg.Wait()
}

// collect keeps the newest of what is said about an object.
func collect(news map[translate.Ref]health, uses []use, verdict CredentialVerdict, now time.Time) {
	for _, u := range uses {
		ref := refOf(u.ID)
		n := health{sequence: u.Sequence, verdict: verdict, at: now.Add(-time.Duration(u.SecondsAgo * float64(time.Second)))}
		last := news[ref]
		if ref.Kind != "" && (n.sequence > last.sequence || n.sequence == last.sequence && n.at.After(last.at)) {
			news[ref] = n
		}
	}
}

// refOf is the object whose status tells of a credential; empty for other ids.
func refOf(id string) translate.Ref {
	kind, rest, _ := strings.Cut(id, "/")
	switch kind {
	case "byoc":
		namespace, name, _ := strings.Cut(rest, "/")
		return translate.Ref{Kind: kindCredential, Namespace: namespace, Name: name}
	case "shared":
		return translate.Ref{Kind: kindVendor, Name: rest}
	}
	return translate.Ref{}
}

// itemOf is the id of the credential that an object's status tells of.
func itemOf(ref translate.Ref) string {
	if ref.Kind == kindVendor {
		return runtimeconfig.SharedID(ref.Name)
	}
	return runtimeconfig.BYOCID(ref.Namespace, ref.Name)
}
