// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// Verdict is what a vendor's answer tells of client credentials.
type Verdict string

// The verdicts.
const (
	// VerdictAccepted: the vendor knows them, and refused only the code.
	VerdictAccepted Verdict = "Accepted"
	// VerdictRefused: the vendor does not accept them.
	VerdictRefused Verdict = "Refused"
	// VerdictUntold: the answer does not tell.
	VerdictUntold Verdict = "Untold"
	// VerdictUnavailable: the vendor is away, or asks to come back later.
	VerdictUnavailable Verdict = "Unavailable"
)

// Probed is the outcome of a probe.
type Probed struct {
	Verdict Verdict
	// RetryAfter is what the vendor asked for, capped; 0 where it did not.
	RetryAfter time.Duration
}

// Probe asks the token endpoint whether it knows the client credentials, by
// redeeming a code that cannot exist. RFC 6749 section 5.2 has a vendor answer
// invalid_client to wrong credentials and invalid_grant to right ones.
//
// A vendor that looks at the code first says invalid_grant to everybody. So
// where the answer is good, the same is asked once for a client that cannot
// exist: a vendor that says the same to that one tells nothing.
func (c *Client) Probe(ctx context.Context, e Endpoint, redirectURI string) Probed {
	p := c.probe(ctx, e, redirectURI)
	if p.Verdict != VerdictAccepted {
		return p
	}
	key := e.Target.Endpoints.Token
	control, known := c.controls.peek(key)
	if !known {
		stranger := *e.Credential
		stranger.ClientID = "oauth-broker-probe-" + rand.Text()
		stranger.ClientSecret = secret.New(rand.Text())
		e.Credential = &stranger
		asked := c.probe(ctx, e, redirectURI)
		if asked.Verdict == VerdictUnavailable {
			return asked
		}
		control = asked.Verdict
		c.controls.put(key, control)
	}
	if control == VerdictAccepted {
		return Probed{Verdict: VerdictUntold}
	}
	return p
}

func (c *Client) probe(ctx context.Context, e Endpoint, redirectURI string) Probed {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(e.Vendor.Transport.TimeoutSeconds)*time.Second)
	defer cancel()
	form := e.codeForm(CodeExchange{
		Code: secret.New("oauth-broker-probe-" + rand.Text()), Verifier: secret.New(oauth2.GenerateVerifier()), RedirectURI: redirectURI,
	})
	req, err := e.request(ctx, e.Target.Endpoints.Token, form, c.Now())
	if err != nil {
		return Probed{Verdict: VerdictUntold} // the private key cannot sign: nothing was asked
	}
	a, err := c.do(e, req)
	if failure, ok := errors.AsType[*Error](err); ok && failure.Outcome == OutcomeUnavailable {
		return Probed{Verdict: VerdictUnavailable}
	} else if err != nil {
		return Probed{Verdict: VerdictUntold}
	}
	return e.judgeProbe(a, c.Now())
}

// judgeProbe is stricter than what is done with a login's answer: a bare 401
// may come from anything in between, and unauthorized_client means a client that
// is known.
func (e Endpoint) judgeProbe(a answer, now time.Time) Probed {
	if a.status == http.StatusTooManyRequests || a.status >= 500 {
		return Probed{Verdict: VerdictUnavailable, RetryAfter: retryAfter(a.header, now)}
	}
	members, err := e.decode(a)
	if err != nil {
		return Probed{Verdict: VerdictUntold}
	}
	code, isError := e.errorCode(a.status, members)
	outcome, _ := outcomeOf(code)
	switch {
	case !isError || code == "" || code == "unauthorized_client":
		return Probed{Verdict: VerdictUntold}
	case outcome == OutcomeGrantRefused:
		return Probed{Verdict: VerdictAccepted}
	case outcome == OutcomeCredentialRefused:
		return Probed{Verdict: VerdictRefused}
	case outcome == OutcomeUnavailable:
		return Probed{Verdict: VerdictUnavailable, RetryAfter: retryAfter(a.header, now)}
	}
	return Probed{Verdict: VerdictUntold}
}
