// SPDX-License-Identifier: Apache-2.0

package harness_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/canary"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// An innocent text is declared a secret, and must be found where it stands.
func TestCheckNoSecrets_findsWhatLeaks(t *testing.T) {
	for text, place := range map[string]string{
		`"/v1/vendors/{vendor}/authorize"`: "the log", "oauth_broker_requests_total": "the metrics",
		"This sign-in request is not valid": "an error answer or page", `"token_type":"Bearer"`: "a token answer", "state-that-is-in-no-answer": "",
	} {
		l := &canary.Heard{TB: t}
		h := harness.Standard(l, harness.Setup{})
		h.NewLogin("tenant-a.nobody").Authorize()
		if r := h.Login(harness.WebClient).Redeem(); r.Text("access_token") == "" {
			t.Fatalf("no tokens: %d %s", r.Status, r.Body)
		}
		h.CheckNoSecrets(l)
		if len(l.Errors) != 0 {
			t.Errorf("heard %q of an innocent broker", l.Errors)
		}
		h.Plant("a secret", text)
		h.CheckNoSecrets(l)
		if heard := strings.Join(l.Errors, "\n"); place == "" && heard != "" || !strings.Contains(heard, place) {
			t.Errorf("%q in %s: heard %q", text, place, heard)
		}
	}
}

func TestPin_choosesTheReplica(t *testing.T) {
	h := harness.Standard(t, harness.Setup{Options: harness.Options{Replicas: 3}})
	for n := 1; n <= 3; n++ {
		h.Pin(n)
		h.NewLogin(harness.WebClient).Authorize()
		if got := strings.Count(h.Logs(), fmt.Sprintf(`"replica":%d,`, n)); got != 1 {
			t.Errorf("replica %d served %d requests", n, got)
		}
	}
	h.Pin(0)
	h.Kill(2)
	for range 4 {
		h.NewLogin(harness.WebClient).Authorize()
	}
	if got := strings.Count(h.Logs(), `"replica":2,`); got != 1 {
		t.Errorf("a dead replica served %d requests", got)
	}
}
