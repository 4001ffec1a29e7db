// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"cmp"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/vendor"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

const (
	// credentialsRemembered bounds how many credentials are remembered. Past it one
	// of them, no matter which, is forgotten until its next use.
	credentialsRemembered = 16384
	// refusalsReported bounds the answer of /credentials, newest first.
	refusalsReported = 500
)

// credentialUse remembers of each published credential when its vendor last
// refused and last accepted it. The operator asks for it at the admin port and
// puts it into the object's status.
//
// A credential is named by the id of its item and by the sequence in which it,
// or its vendor, was last changed. So a report never speaks of a Secret that was
// replaced meanwhile, and holds nothing that a secret could be guessed from.
type credentialUse struct {
	now func() time.Time

	mu   sync.Mutex
	seen map[string]lastUse
}

type lastUse struct {
	sequence          int64
	refused, accepted time.Time
}

// observe takes the outcome of a call that authenticates the client.
func (u *credentialUse) observe(c vendor.Call) {
	credential := c.Endpoint.Credential
	refused := c.Outcome == vendor.OutcomeCredentialRefused
	switch {
	case c.Leg != "code" && c.Leg != "refresh": // 401 elsewhere may mean the token
	case c.Outcome != vendor.OutcomeOK && !refused: // says nothing of the credential
	case credential.Source == runtimeconfig.SourceEnvironment || credential.Sequence == 0: // no object has a status for it
	default:
		u.note(credential.ID(), max(credential.Sequence, c.Endpoint.Vendor.Sequence), refused)
	}
}

func (u *credentialUse) note(id string, sequence int64, refused bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	last, known := u.seen[id]
	switch {
	case sequence < last.sequence:
		return // a request that began before the last change
	case sequence > last.sequence:
		last = lastUse{sequence: sequence}
	}
	if refused {
		last.refused = u.now()
	} else {
		last.accepted = u.now()
	}
	if u.seen == nil {
		u.seen = map[string]lastUse{}
	}
	if !known && len(u.seen) >= credentialsRemembered {
		for other := range u.seen {
			delete(u.seen, other)
			break
		}
	}
	u.seen[id] = last
}

// CredentialReport is what the admin port's /credentials answers.
type CredentialReport struct {
	// Refused are the credentials that their vendor refused the last time.
	Refused []CredentialUse `json:"refused"`
	// Accepted are, of those named by ?accepted=ID, the ones that their vendor
	// accepted, even where it refused them since.
	Accepted []CredentialUse `json:"accepted"`
}

// CredentialUse is one use of a credential.
type CredentialUse struct {
	// ID of the credential's item: byoc/NAMESPACE/NAME or shared/VENDOR.
	ID string `json:"id"`
	// Sequence in which credential or vendor were last changed.
	Sequence int64 `json:"sequence"`
	// SecondsAgo it was; clocks of replicas differ.
	SecondsAgo float64 `json:"secondsAgo"`
}

func (u *credentialUse) serve(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, u.report(r.URL.Query()["accepted"]))
}

func (u *credentialUse) report(asked []string) CredentialReport {
	report := CredentialReport{Refused: []CredentialUse{}, Accepted: []CredentialUse{}}
	now := u.now()
	u.mu.Lock()
	for id, last := range u.seen {
		if last.refused.After(last.accepted) {
			report.Refused = append(report.Refused, CredentialUse{ID: id, Sequence: last.sequence, SecondsAgo: now.Sub(last.refused).Seconds()})
		}
	}
	for _, id := range asked {
		if last := u.seen[id]; !last.accepted.IsZero() {
			report.Accepted = append(report.Accepted, CredentialUse{ID: id, Sequence: last.sequence, SecondsAgo: now.Sub(last.accepted).Seconds()})
		}
	}
	u.mu.Unlock()
	slices.SortFunc(report.Refused, func(a, b CredentialUse) int {
		return cmp.Or(cmp.Compare(a.SecondsAgo, b.SecondsAgo), cmp.Compare(a.ID, b.ID))
	})
	report.Refused = report.Refused[:min(len(report.Refused), refusalsReported)]
	return report
}
