// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Outcome classifies a vendor's failure, for callers and for metrics.
type Outcome string

// The outcomes.
const (
	// OutcomeOK: tokens came back.
	OutcomeOK Outcome = "ok"
	// OutcomeGrantRefused: the code or refresh token is not valid (any more).
	OutcomeGrantRefused Outcome = "grant_refused"
	// OutcomeCredentialRefused: the vendor does not accept the client credentials.
	OutcomeCredentialRefused Outcome = "credential_refused"
	// OutcomeScopeRefused and OutcomeTargetRefused: invalid_scope, invalid_target.
	OutcomeScopeRefused  Outcome = "scope_refused"
	OutcomeTargetRefused Outcome = "target_refused"
	// OutcomeRefused: another OAuth error.
	OutcomeRefused Outcome = "refused"
	// OutcomeUnavailable: the vendor is away, overloaded, or asks to come back.
	OutcomeUnavailable Outcome = "unavailable"
	// OutcomeShed: not called, because too many calls to it are under way.
	OutcomeShed Outcome = "shed"
	// OutcomeMalformed: an answer that makes no sense.
	OutcomeMalformed Outcome = "malformed"
	// OutcomeIDToken: the ID token is not valid.
	OutcomeIDToken Outcome = "id_token_invalid"
)

// Error is a vendor's failure. Reason is a fixed text of ours: nothing that the
// vendor sent is in it.
type Error struct {
	Outcome Outcome
	Reason  string
	// RetryAfter is what the vendor asked for, capped; 0 where it did not.
	RetryAfter time.Duration
	// NotSent is true where the request provably did not reach the vendor, or the
	// vendor said that it did not act on it (429, 503).
	NotSent bool
	// UnsupportedTokenType is true where the vendor does not revoke such tokens.
	UnsupportedTokenType bool
	// Status of the answer of a registration or management endpoint; 0 where there
	// was none, and for other endpoints.
	Status int
}

func (e *Error) Error() string { return string(e.Outcome) + ": " + e.Reason }

func failed(o Outcome, reason string) *Error { return &Error{Outcome: o, Reason: reason} }

// unsent is the failure of a request that could not be made.
func unsent(reason string) *Error {
	return &Error{Outcome: OutcomeMalformed, Reason: reason, NotSent: true}
}

// outcomeOf maps error codes of token endpoints: RFC 6749 section 5.2, RFC 8707,
// and what GitHub and Slack say instead, in any spelling: HubSpot writes
// BAD_REFRESH_TOKEN, Square "Invalid refresh token". Entra ID also asks here for
// the user, as OpenID Connect does at the authorization endpoint.
func outcomeOf(code string) (Outcome, string) {
	switch strings.ReplaceAll(strings.ToLower(code), " ", "_") {
	case "interaction_required", "login_required", "consent_required":
		return OutcomeGrantRefused, "the vendor wants the user to sign in again"
	case "invalid_grant", "bad_verification_code", "bad_refresh_token", "invalid_code", "code_already_used", "invalid_refresh_token", "token_revoked", "token_expired":
		return OutcomeGrantRefused, "the vendor refused the grant"
	case "invalid_client", "unauthorized_client", "incorrect_client_credentials", "bad_client_secret", "invalid_client_id", "bad_client_id":
		return OutcomeCredentialRefused, "the vendor refused the client credentials"
	case "invalid_scope":
		return OutcomeScopeRefused, "the vendor refused the scope"
	case "invalid_target", "invalid_resource":
		return OutcomeTargetRefused, "the vendor refused the resource"
	case "temporarily_unavailable", "slow_down", "ratelimited", "rate_limited":
		return OutcomeUnavailable, "the vendor is temporarily unavailable"
	case "server_error", "internal_error", "fatal_error":
		return OutcomeUnavailable, "the vendor reports an error of its own"
	}
	return OutcomeRefused, "the vendor refused the request"
}

// statusError judges an answer whose body says nothing of use.
func statusError(status int, header http.Header, now time.Time) *Error {
	switch {
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		return &Error{Outcome: OutcomeUnavailable, Reason: "the vendor answered " + strconv.Itoa(status), RetryAfter: retryAfter(header, now), NotSent: true}
	case status >= 500:
		return failed(OutcomeUnavailable, "the vendor answered "+strconv.Itoa(status))
	case status >= 300 && status < 400:
		return failed(OutcomeMalformed, "the vendor's token endpoint answered with a redirect, which is never followed")
	case status == http.StatusUnauthorized:
		return failed(OutcomeCredentialRefused, "the vendor answered 401")
	default:
		return failed(OutcomeMalformed, "the vendor answered "+strconv.Itoa(status)+" without an OAuth error")
	}
}

const maxRetryAfter = 10 * time.Minute

func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	d := time.Duration(0)
	// Shopify writes fractions.
	if s, err := strconv.ParseFloat(v, 64); err == nil && s > 0 && s < 1e6 {
		d = time.Duration(math.Ceil(s)) * time.Second
	} else if t, err := http.ParseTime(v); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
}

// withoutURL drops the URL that net/http puts into its errors.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
