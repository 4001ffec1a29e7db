// SPDX-License-Identifier: Apache-2.0

// Package audit writes the audit log: one JSON object a line for each thing that
// somebody was given or refused, apart from the log of the program. Records are an
// allow-list like those: names of objects, outcomes, ids, never a secret, a token
// or a text that a caller chose. Their form is docs/reference/audit.schema.json.
//
// A log that cannot be written never holds up or fails a login: records wait in a
// bounded queue, and what is lost is counted.
package audit

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Version of the form of records. Members may be added under the same version.
const Version = 1

// Action is what was done or asked for.
type Action string

// The actions.
const (
	// Authorization ends at the callback, or where it is refused before.
	Authorization Action = "authorization"
	// Consent is the user's answer on the broker's page.
	Consent Action = "consent"
	// TokenIssue is a code that was redeemed, TokenRefresh a refresh token.
	TokenIssue   Action = "token.issue"
	TokenRefresh Action = "token.refresh"
	TokenRevoke  Action = "token.revoke"
	// ClientRegister is a client that registers itself at the broker, and
	// VendorRegister an app that is registered at a vendor.
	ClientRegister Action = "client.register"
	VendorRegister Action = "vendor.register"
	// KeyRingChange and ConfigurationChange are of the broker itself.
	KeyRingChange       Action = "keyring.change"
	ConfigurationChange Action = "configuration.change"
)

// Record is one line.
type Record struct {
	Version int       `json:"version"`
	Time    time.Time `json:"time"`
	Action  Action    `json:"action"`
	// Outcome is success, denied or failure: denied is a refusal that somebody
	// meant, the user, the vendor or the broker's rules; failure is anything else.
	Outcome string `json:"outcome"`
	// Reason is the OAuth error code of what is no success, or page_STATUS.
	Reason string `json:"reason,omitempty"`
	// RequestID is that of the log and of error pages.
	RequestID string `json:"requestID,omitempty"`
	// Client is the id of a registered client, or self-registered:DIGEST; Tenant
	// its namespace.
	Client string `json:"client,omitempty"`
	Tenant string `json:"tenant,omitempty"`
	// Vendor and Credential are names of objects.
	Vendor     string `json:"vendor,omitempty"`
	Credential string `json:"credential,omitempty"`
	// KeyIDs are those of the ring after a change.
	KeyIDs []string `json:"keyIDs,omitempty"`
	// Configuration that is served after a change.
	Configuration *Configuration `json:"configuration,omitempty"`
}

// Configuration names what is served.
type Configuration struct {
	Sequence    int64  `json:"sequence"`
	Revision    string `json:"revision"`
	Vendors     int    `json:"vendors"`
	Credentials int    `json:"credentials"`
	Clients     int    `json:"clients"`
}

// queued bounds the records that wait to be written.
const queued = 4096

// Log takes records. Make one with New and let Run write them. A nil Log takes
// and writes nothing.
type Log struct {
	to    io.Writer
	log   *slog.Logger
	queue chan Record
	lost  *prometheus.CounterVec
}

// New makes a log that writes to w.
func New(w io.Writer, reg *prometheus.Registry, log *slog.Logger) *Log {
	l := &Log{to: w, log: log, queue: make(chan Record, queued), lost: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "oauth_broker_audit_records_lost_total", Help: "Records of the audit log that were lost, by reason: write (the file cannot be written), queue (it is written too slowly). Absent without an audit log.",
	}, []string{"reason"})}
	for _, reason := range []string{"write", "queue"} { // an alert on the increase must see the first one, too
		l.lost.WithLabelValues(reason)
	}
	reg.MustRegister(l.lost)
	return l
}

// Add takes a record. It never waits.
func (l *Log) Add(r Record) {
	if l == nil {
		return
	}
	r.Version = Version
	select {
	case l.queue <- r:
	default:
		l.lost.WithLabelValues("queue").Inc()
	}
}

// Run writes records until ctx ends, and then what is left.
func (l *Log) Run(ctx context.Context) {
	broken := false
	for {
		select {
		case r := <-l.queue:
			broken = l.write(ctx, r, broken)
		case <-ctx.Done():
			for {
				select {
				case r := <-l.queue:
					broken = l.write(ctx, r, broken)
				default:
					return
				}
			}
		}
	}
}

// write writes one record; a problem is logged when it begins and when it ends.
func (l *Log) write(ctx context.Context, r Record, broken bool) bool {
	line, err := json.Marshal(r)
	if err == nil {
		_, err = l.to.Write(append(line, '\n'))
	}
	switch {
	case err != nil:
		l.lost.WithLabelValues("write").Inc()
		if !broken {
			l.log.ErrorContext(ctx, "audit log is not written, and records are lost", "error", err)
		}
	case broken:
		l.log.InfoContext(ctx, "audit log is written again")
	}
	return err != nil
}
