// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

// CredentialVerdict is what a vendor told of client credentials.
type CredentialVerdict string

// The verdicts. The empty one means that nobody asked yet.
const (
	// CredentialAccepted: the vendor knows them.
	CredentialAccepted CredentialVerdict = "Accepted"
	// CredentialRefused: the vendor does not accept them (any more).
	CredentialRefused CredentialVerdict = "Refused"
	// CredentialUntold: the vendor's answer does not tell.
	CredentialUntold CredentialVerdict = "Untold"
	// CredentialUnavailable: the vendor is away.
	CredentialUnavailable CredentialVerdict = "Unavailable"
)

func (v CredentialVerdict) definite() bool { return v == CredentialAccepted || v == CredentialRefused }

// Health keeps what is known of credentials: what vendors answered to probes,
// and what brokers met in logins and refreshes. It goes into status and nowhere
// else; in particular it never changes what is published.
//
// Each piece of news is about one sequence, so that it ends with the credential
// or vendor that it is about.
type Health struct {
	// Changed is called where the verdict on an object changed.
	Changed func(translate.Ref)

	mu    sync.Mutex
	known map[translate.Ref]health
}

type health struct {
	sequence int64
	verdict  CredentialVerdict
	at       time.Time
}

// learn takes news. What is definite gives way only to later news that is
// definite too: a vendor that is away does not make good credentials unknown.
func (h *Health) learn(ref translate.Ref, news health) {
	h.mu.Lock()
	last := h.known[ref]
	same := news.sequence == last.sequence && last.verdict != ""
	old := same && (last.verdict.definite() && !news.verdict.definite() || news.at.Before(last.at) && news.verdict.definite() == last.verdict.definite())
	if news.sequence < last.sequence || old {
		h.mu.Unlock()
		return
	}
	if h.known == nil {
		h.known = map[translate.Ref]health{}
	}
	h.known[ref] = news
	h.mu.Unlock()
	if !same || last.verdict != news.verdict {
		h.Changed(ref)
	}
}

// of is what is known of an object as a sequence published it.
func (h *Health) of(ref translate.Ref, sequence int64) CredentialVerdict {
	h.mu.Lock()
	defer h.mu.Unlock()
	if k := h.known[ref]; k.sequence == sequence {
		return k.verdict
	}
	return ""
}

// refused lists the objects whose credentials are refused as far as is known.
func (h *Health) refused() []translate.Ref {
	h.mu.Lock()
	defer h.mu.Unlock()
	var refs []translate.Ref
	for ref, k := range h.known {
		if k.verdict == CredentialRefused {
			refs = append(refs, ref)
		}
	}
	return refs
}

// restore takes what an earlier operator wrote into a status, where it is about
// the same sequence and nothing newer is known.
func (h *Health) restore(ref translate.Ref, sequence int64, list []metav1.Condition) {
	c := meta.FindStatusCondition(list, oauthv1alpha1.ConditionCredentialsValid)
	if c == nil || sequence == 0 || !strings.HasSuffix(c.Message, sequenceMark(sequence)) {
		return
	}
	verdict := CredentialRefused
	switch c.Status {
	case metav1.ConditionUnknown:
		return
	case metav1.ConditionTrue:
		verdict = CredentialAccepted
	case metav1.ConditionFalse:
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if k, ok := h.known[ref]; ok && k.sequence >= sequence {
		return
	}
	if h.known == nil {
		h.known = map[translate.Ref]health{}
	}
	h.known[ref] = health{sequence: sequence, verdict: verdict, at: c.LastTransitionTime.Time}
}

// forget drops objects that are gone.
func (h *Health) forget(all targets) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ref := range h.known {
		if all.get(ref) == nil {
			delete(h.known, ref)
		}
	}
}

// sequenceMark ends the message of a condition that holds for one sequence only.
func sequenceMark(sequence int64) string { return fmt.Sprintf(" (sequence %d)", sequence) }

// credentialsValid is the condition of the same name; nil where there is nothing
// to say: nobody asks, and no broker was refused.
func credentialsValid(t *target) *metav1.Condition {
	c := &metav1.Condition{Type: oauthv1alpha1.ConditionCredentialsValid, Status: metav1.ConditionUnknown}
	switch {
	case t.told == CredentialRefused:
		c.Status, c.Reason = metav1.ConditionFalse, oauthv1alpha1.ReasonCredentialsRefused
		c.Message = "The vendor refuses the client credentials of " + t.credential + ": they are wrong, expired or revoked, and logins with them fail. " + t.remedy
	case !t.probed:
		return nil
	case t.told == CredentialAccepted:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, oauthv1alpha1.ReasonCredentialsAccepted, "The vendor knows the client credentials of "+t.credential
	case t.told == CredentialUntold:
		c.Reason = oauthv1alpha1.ReasonVendorDoesNotTell
		c.Message = "The vendor's answer does not tell whether the client credentials of " + t.credential + " are right: a login will. Set credentialProbe.mode: Disabled in the OAuthVendor"
	case t.told == CredentialUnavailable:
		c.Reason = oauthv1alpha1.ReasonVendorUnavailable
		c.Message = "The vendor is away or asked to come back later, so nothing is known of the client credentials of " + t.credential + " yet. It is asked again"
	default:
		c.Reason, c.Message = oauthv1alpha1.ReasonProbePending, "The vendor will be asked about the client credentials of "+t.credential
	}
	c.Message += sequenceMark(t.sequence)
	return c
}
