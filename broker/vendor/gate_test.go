// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// TestGate_eachHostHasItsOwn: where tenants name the vendor's host, one whose host
// hangs takes no places from the others.
func TestGate_eachHostHasItsOwn(t *testing.T) {
	arrived, hang := make(chan struct{}, 1), make(chan struct{})
	slow := (&tokenEndpoint{answer: func(http.ResponseWriter, bool, bool) { arrived <- struct{}{}; <-hang }}).start(t)
	t.Cleanup(func() { close(hang) })
	good := (&tokenEndpoint{answer: func(w http.ResponseWriter, _, _ bool) { says(http.StatusBadRequest, "invalid_grant")(w) }}).start(t)
	c := NewClient(time.Now, nil)
	c.Calls = 1
	redeem := func(e Endpoint) error {
		_, err := c.Exchange(t.Context(), e, CodeExchange{Code: secret.New("code"), Verifier: secret.New("verifier")}, IDTokenCheck{})
		return err
	}
	go func() { _ = redeem(slow) }()
	<-arrived
	if err, ok := errors.AsType[*Error](redeem(good)); !ok || err.Outcome != OutcomeGrantRefused {
		t.Errorf("at another host: %v", err)
	}
	if err, ok := errors.AsType[*Error](redeem(slow)); !ok || err.Outcome != OutcomeShed {
		t.Errorf("at the same host: %v", err)
	}
}
