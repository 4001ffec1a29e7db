// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"strings"
	"testing"
	"time"
)

// Every check of OpenID Connect Core section 3.1.3.7, one at a time: the token
// is good but for what a case changes.
func TestExpected_judge(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	at := now.Unix()
	for name, c := range map[string]struct {
		change func(*expected, *claims)
		want   string // part of the error, empty for none
	}{
		"as it should be": {func(*expected, *claims) {}, ""},
		"no iss":          {func(_ *expected, c *claims) { c.issuer = "" }, "iss"},
		"iss of another":  {func(_ *expected, c *claims) { c.issuer = "https://acme.example/" }, "iss"},
		"Google's short iss": {func(x *expected, c *claims) {
			x.issuer, c.issuer = "https://accounts.google.com", "accounts.google.com"
		}, ""},
		"Google's iss elsewhere":  {func(_ *expected, c *claims) { c.issuer = "accounts.google.com" }, "iss"},
		"another's short iss":     {func(_ *expected, c *claims) { c.issuer = "acme.example" }, "iss"},
		"no aud":                  {func(_ *expected, c *claims) { c.audience = nil }, "aud does not hold"},
		"aud of another":          {func(_ *expected, c *claims) { c.audience = []string{"other"} }, "aud does not hold"},
		"two aud, no azp":         {func(_ *expected, c *claims) { c.audience, c.authorizedParty = []string{"app", "api"}, "" }, ""},
		"no azp, one unknown":     {func(_ *expected, c *claims) { c.audience, c.authorizedParty = []string{"app", "api", "other"}, "" }, "identity.audiences"},
		"two aud, one unknown":    {func(_ *expected, c *claims) { c.audience = []string{"app", "other"} }, "identity.audiences"},
		"two aud, both known":     {func(_ *expected, c *claims) { c.audience = []string{"app", "api"} }, ""},
		"no azp":                  {func(_ *expected, c *claims) { c.authorizedParty = "" }, ""},
		"azp of another":          {func(_ *expected, c *claims) { c.authorizedParty = "other" }, "azp"},
		"no exp":                  {func(_ *expected, c *claims) { c.expires = 0 }, "expired"},
		"just ended":              {func(_ *expected, c *claims) { c.expires = at - 60 }, ""},
		"ended":                   {func(_ *expected, c *claims) { c.expires = at - 61 }, "expired"},
		"no iat":                  {func(_ *expected, c *claims) { c.issuedAt = 0 }, "no iat"},
		"issued in a moment":      {func(_ *expected, c *claims) { c.issuedAt = at + 60 }, ""},
		"issued in the future":    {func(_ *expected, c *claims) { c.issuedAt = at + 61 }, "future"},
		"valid in a moment":       {func(_ *expected, c *claims) { c.notBefore = at + 60 }, ""},
		"not valid yet":           {func(_ *expected, c *claims) { c.notBefore = at + 61 }, "not valid yet"},
		"no sub":                  {func(_ *expected, c *claims) { c.subject = "" }, "no sub"},
		"the same sub":            {func(x *expected, _ *claims) { x.login.Subject = "alice" }, ""},
		"another sub":             {func(x *expected, _ *claims) { x.login.Subject = "bob" }, "another subject"},
		"no nonce":                {func(_ *expected, c *claims) { c.nonce = "" }, "nonce"},
		"another nonce":           {func(_ *expected, c *claims) { c.nonce = "other" }, "nonce"},
		"a nonce nobody sent":     {func(x *expected, _ *claims) { x.login.Nonce = "" }, ""},
		"at_hash":                 {func(_ *expected, c *claims) { c.accessTokenHash = "77QmUPtjPfzWtF2AnpK9RQ" }, ""},
		"at_hash of another":      {func(_ *expected, c *claims) { c.accessTokenHash = "AA" }, "at_hash"},
		"no tid for the template": {func(x *expected, _ *claims) { x.issuer += "/{tid}" }, "tid"},
		"tenant": {func(x *expected, c *claims) {
			x.issuer += "/{tid}"
			c.tenant = "11111111-2222-3333-4444-555555555555"
			c.issuer += "/" + c.tenant
		}, ""},
	} {
		x := expected{issuer: "https://acme.example", clientID: "app", audiences: []string{"api"}, accessToken: "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", login: IDTokenCheck{Nonce: "n"}, now: now}
		token := &idToken{algorithm: "RS256", claims: claims{
			issuer: "https://acme.example", subject: "alice", nonce: "n", authorizedParty: "app", audience: []string{"app"}, expires: at + 300, issuedAt: at,
		}}
		c.change(&x, &token.claims)
		err := x.judge(token)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// The first is the example of OpenID Connect Core appendix A.3.
func TestHalfHash(t *testing.T) {
	const token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
	for algorithm, want := range map[string]int{"RS256": 16, "PS384": 24, "ES512": 32, "EdDSA": 32} {
		if got := halfHash(algorithm, token); len(got) != (want*8+5)/6 {
			t.Errorf("%s: %q", algorithm, got)
		}
	}
	if got := halfHash("ES256", token); got != "77QmUPtjPfzWtF2AnpK9RQ" {
		t.Errorf("ES256: %q", got)
	}
}

func TestExpandTenant(t *testing.T) {
	const guid = "0123abcd-4567-89EF-0123-456789abcdef"
	if got, err := expandTenant("https://login.example/{tid}/v2.0", guid); err != nil || got != "https://login.example/"+guid+"/v2.0" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := expandTenant("https://login.example", "anything"); err != nil || got != "https://login.example" {
		t.Errorf("without a template: %q, %v", got, err)
	}
	for _, tid := range []string{"", "x", strings.Repeat("-", 36), strings.Repeat("a", 36), guid + "0", guid[:35], "0123abcd/4567-89ef-0123-456789abcdef", "0123abcg-4567-89ef-0123-456789abcdef", "0123abcd-4567-89ef-0123-456789abc/..", "../23abcd-4567-89ef-0123-456789abcd", strings.Repeat("é", 18)} {
		if _, err := expandTenant("https://login.example/{tid}", tid); err == nil {
			t.Errorf("accepted %q", tid)
		}
	}
}
