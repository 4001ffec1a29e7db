// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

func TestHealth(t *testing.T) {
	ref := translate.Ref{Kind: kindCredential, Namespace: "a", Name: "app"}
	at := func(s int64) time.Time { return time.Unix(1000+s, 0) }
	for name, c := range map[string]struct {
		news    []health
		want    CredentialVerdict // of sequence 5
		changes int
	}{
		"nothing":                  {nil, "", 0},
		"refused":                  {[]health{{5, CredentialRefused, at(0)}}, CredentialRefused, 1},
		"again":                    {[]health{{5, CredentialRefused, at(0)}, {5, CredentialRefused, at(9)}}, CredentialRefused, 1},
		"accepted since":           {[]health{{5, CredentialRefused, at(0)}, {5, CredentialAccepted, at(1)}}, CredentialAccepted, 2},
		"accepted before":          {[]health{{5, CredentialRefused, at(1)}, {5, CredentialAccepted, at(0)}}, CredentialRefused, 1},
		"the vendor is away now":   {[]health{{5, CredentialAccepted, at(0)}, {5, CredentialUnavailable, at(1)}}, CredentialAccepted, 1},
		"the vendor was away":      {[]health{{5, CredentialUnavailable, at(1)}, {5, CredentialRefused, at(0)}}, CredentialRefused, 2},
		"of a later sequence":      {[]health{{5, CredentialRefused, at(1)}, {6, CredentialUntold, at(1)}}, "", 2},
		"of an earlier sequence":   {[]health{{5, CredentialRefused, at(1)}, {4, CredentialAccepted, at(2)}}, CredentialRefused, 1},
		"away, then does not tell": {[]health{{5, CredentialUnavailable, at(0)}, {5, CredentialUntold, at(1)}}, CredentialUntold, 2},
	} {
		changes := 0
		h := &Health{Changed: func(translate.Ref) { changes++ }}
		for _, n := range c.news {
			h.learn(ref, n)
		}
		if got := h.of(ref, 5); got != c.want || changes != c.changes {
			t.Errorf("%s: %q after %d changes, want %q after %d", name, got, changes, c.want, c.changes)
		}
	}
}

// TestHealth_restore: a restarted operator goes on with what the status says,
// where that is about the same sequence.
func TestHealth_restore(t *testing.T) {
	ref := translate.Ref{Kind: kindVendor, Name: "acme"}
	for _, verdict := range []CredentialVerdict{CredentialAccepted, CredentialRefused, CredentialUntold} {
		written := *told(verdict)
		list := []metav1.Condition{*credentialsValid(&written)}
		for sequence, want := range map[int64]CredentialVerdict{written.sequence: verdict, written.sequence + 1: "", 0: ""} {
			if !verdict.definite() {
				want = ""
			}
			h := &Health{Changed: func(translate.Ref) { t.Error("a restored verdict is no change") }}
			h.restore(ref, sequence, list)
			if got := h.of(ref, sequence); got != want {
				t.Errorf("%s of sequence %d: %q, want %q", verdict, sequence, got, want)
			}
		}
	}
	// What is known by now stands.
	h := &Health{Changed: func(translate.Ref) {}}
	h.learn(ref, health{7, CredentialAccepted, time.Unix(1, 0)})
	h.restore(ref, 7, []metav1.Condition{*credentialsValid(told(CredentialRefused))})
	h.forget(targets{ref.Namespace: {ref: {}}})
	if got := h.of(ref, 7); got != CredentialAccepted {
		t.Errorf("got %q, want what was learned", got)
	}
	h.forget(nil)
	if got := h.of(ref, 7); got != "" {
		t.Errorf("got %q of an object that is gone", got)
	}
}

func TestCredentialsValid_withoutProbe(t *testing.T) {
	for verdict, want := range map[CredentialVerdict]string{"": "", CredentialAccepted: "", CredentialUntold: "", CredentialRefused: "CredentialsRefused"} {
		quiet := told(verdict)
		quiet.probed = false
		got := ""
		if c := credentialsValid(quiet); c != nil {
			got = c.Reason
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", verdict, got, want)
		}
	}
}
