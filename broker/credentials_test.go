// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oauthbroker/oauth-broker/broker/vendor"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

func called(leg string, outcome vendor.Outcome, c runtimeconfig.Credential) vendor.Call {
	return vendor.Call{Leg: leg, Outcome: outcome, Endpoint: vendor.Endpoint{Vendor: &runtimeconfig.Vendor{Name: "acme", Sequence: 3}, Credential: &c}}
}

func TestCredentialUse(t *testing.T) {
	now := time.Unix(1000, 0)
	u := &credentialUse{now: func() time.Time { return now }}
	tick := func(calls ...vendor.Call) {
		for _, c := range calls {
			now = now.Add(time.Second)
			u.observe(c)
		}
	}
	own := runtimeconfig.Credential{Source: runtimeconfig.SourceBYOC, Namespace: "a", Name: "app", Vendor: "acme", Sequence: 2}
	shared := runtimeconfig.Credential{Source: runtimeconfig.SourceShared, Vendor: "acme", Sequence: 5}
	const ok, refused = vendor.OutcomeOK, vendor.OutcomeCredentialRefused
	check := func(want CredentialReport, asked ...string) {
		t.Helper()
		if diff := cmp.Diff(want, u.report(asked)); diff != "" {
			t.Error(diff)
		}
	}
	none := []CredentialUse{}
	check(CredentialReport{Refused: none, Accepted: none}, "byoc/a/app")

	// What says nothing of a credential with an object.
	tick(
		called("revoke", refused, own), called("introspect", ok, own), called("code", vendor.OutcomeGrantRefused, own), called("code", vendor.OutcomeUnavailable, own),
		called("code", refused, runtimeconfig.Credential{Source: runtimeconfig.SourceEnvironment, Vendor: "acme"}),
		called("code", refused, runtimeconfig.Credential{Source: runtimeconfig.SourceBYOC, Namespace: "file", Name: "source"}),
	)
	check(CredentialReport{Refused: none, Accepted: none}, "byoc/a/app")

	// The sequence is the later one of credential and vendor.
	tick(called("code", refused, own), called("refresh", refused, shared))
	check(CredentialReport{Refused: []CredentialUse{{"shared/acme", 5, 0}, {"byoc/a/app", 3, 1}}, Accepted: none}, "byoc/a/app", "nobody")

	// Accepted since.
	tick(called("refresh", ok, own))
	check(CredentialReport{Refused: []CredentialUse{{"shared/acme", 5, 1}}, Accepted: []CredentialUse{{"byoc/a/app", 3, 0}}}, "byoc/a/app")

	// Another version starts anew, and late news of the old one are none.
	rotated := own
	rotated.Sequence = 9
	tick(called("code", refused, rotated), called("code", ok, own))
	check(CredentialReport{Refused: []CredentialUse{{"byoc/a/app", 9, 1}, {"shared/acme", 5, 3}}, Accepted: none}, "byoc/a/app", "shared/acme")
}

func TestCredentialUse_isBounded(t *testing.T) {
	u := &credentialUse{now: time.Now}
	for n := range credentialsRemembered + 100 {
		u.note(fmt.Sprintf("byoc/a/%d", n), 1, true)
	}
	if len(u.seen) != credentialsRemembered {
		t.Errorf("%d are remembered, want %d", len(u.seen), credentialsRemembered)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/credentials", http.NoBody)
	w := httptest.NewRecorder()
	u.serve(w, r)
	if got := len(u.report(nil).Refused); got != refusalsReported || w.Body.Len() > 128<<10 {
		t.Errorf("%d are reported in %d bytes", got, w.Body.Len())
	}
}
