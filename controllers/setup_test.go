// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

// TestRetries: after a moment in which no status could be written, thousands of objects
// are due at once; and after an hour of it none waits long. With controller-runtime's
// own limiter either took a quarter of an hour.
func TestRetries(t *testing.T) {
	l := retries[translate.Ref]()
	for n := range 10_000 {
		if wait := l.When(translate.Ref{Kind: kindClient, Name: fmt.Sprint(n)}); wait > time.Second {
			t.Fatalf("object %d waits %v after its first failure", n, wait)
		}
	}
	one := translate.Ref{Kind: kindVendor, Name: "acme"}
	for range 100 {
		l.When(one)
	}
	if wait := l.When(one); wait > time.Minute {
		t.Errorf("an object waits %v", wait)
	}
}
