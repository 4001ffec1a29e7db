// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/client"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
)

// TestLifetimes_keysOutliveWhatTheySealed: a key may be pruned once all that it
// sealed has expired, also by a clock that is some minutes off.
func TestLifetimes_keysOutliveWhatTheySealed(t *testing.T) {
	l := Lifetimes{}.withDefaults()
	for what, life := range map[string]time.Duration{"login": l.Login, "code": l.Code, "consent page": consentLife, "pushed request": pushedLife, "kept answer": answerSealed} {
		if life+5*time.Minute > keyring.FlowLife {
			t.Errorf("a %s lives %s, a flow key is pruned after %s", what, life, keyring.FlowLife)
		}
	}
	for what, life := range map[string]time.Duration{"refresh token": l.Grant, "remembered consent": rememberedLife, "registration": client.RegistrationLife} {
		if life+5*time.Minute > keyring.GrantLife {
			t.Errorf("a %s lives %s, a grant key is pruned after %s", what, life, keyring.GrantLife)
		}
	}
}
