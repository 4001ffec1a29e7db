// SPDX-License-Identifier: Apache-2.0

package oauth_test

import (
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
)

// The example of RFC 7636 appendix B.
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

func TestVerifyS256(t *testing.T) {
	for _, c := range []struct {
		challenge, verifier string
		want                bool
	}{
		{challenge, verifier, true}, {challenge, verifier[:42] + "A", false}, {challenge, challenge, false}, {challenge, "", false}, {"", "", false}, {"", verifier, false},
		{challenge, verifier + "=", false}, {challenge + "=", verifier, false}, {strings.ToLower(challenge), verifier, false},
	} {
		if got := oauth.VerifyS256(c.challenge, c.verifier); got != c.want {
			t.Errorf("VerifyS256(%q, %q) = %v", c.challenge, c.verifier, got)
		}
	}
}

func TestValidVerifier(t *testing.T) {
	for s, want := range map[string]bool{
		strings.Repeat("a", 42): false, strings.Repeat("a", 43): true, strings.Repeat("~", 128): true, strings.Repeat("a", 129): false, "": false,
		strings.Repeat("a", 42) + "+": false, strings.Repeat("a", 42) + "é": false, strings.Repeat("a", 42) + "\n": false, strings.Repeat("a", 20) + " " + strings.Repeat("a", 30): false,
	} {
		if got := oauth.ValidVerifier(s); got != want {
			t.Errorf("ValidVerifier(%q) = %v", s, got)
		}
	}
}

func TestValidChallenge(t *testing.T) {
	for s, want := range map[string]bool{
		challenge: true, challenge[:42]: false, challenge + "A": false, challenge + "=": false, challenge[:42] + "+": false, challenge[:42] + "N": false, "": false,
		challenge + "\n": false, "\r\n" + challenge: false,
	} {
		if got := oauth.ValidChallenge(s); got != want {
			t.Errorf("ValidChallenge(%q) = %v", s, got)
		}
	}
}
