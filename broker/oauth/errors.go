// SPDX-License-Identifier: Apache-2.0

// Package oauth is the protocol's vocabulary: error codes, strict parameters,
// scopes, PKCE and redirect URIs. It does no I/O and knows no vendor.
package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Error codes of RFC 6749 sections 4.1.2.1 and 5.2, RFC 8707 section 2, OpenID
// Connect Core section 3.1.2.6 and RFC 6750 section 3.1.
const (
	InvalidRequest          = "invalid_request"
	InvalidClient           = "invalid_client"
	InvalidGrant            = "invalid_grant"
	InvalidScope            = "invalid_scope"
	InvalidTarget           = "invalid_target"
	UnauthorizedClient      = "unauthorized_client"
	UnsupportedGrantType    = "unsupported_grant_type"
	UnsupportedResponseType = "unsupported_response_type"
	AccessDenied            = "access_denied"
	ServerError             = "server_error"
	TemporarilyUnavailable  = "temporarily_unavailable"
	InteractionRequired     = "interaction_required"
	RequestNotSupported     = "request_not_supported"
	RequestURINotSupported  = "request_uri_not_supported"
)

// Error is an OAuth error. Code and Description are for the other side;
// Cause is for the log and never leaves the process.
type Error struct {
	// Code is an error code of this package.
	Code string
	// Description is plain ASCII that tells what to do.
	Description string
	// Status overrides the HTTP status that goes with Code.
	Status int
	// RetryAfter is sent as Retry-After when positive.
	RetryAfter time.Duration
	// Challenge adds WWW-Authenticate: Basic (RFC 6749 section 5.2).
	Challenge bool
	// Bearer adds WWW-Authenticate: Bearer (RFC 6750 section 3).
	Bearer bool
	// Cause is the private reason.
	Cause error
}

// Errorf makes an Error whose description is formatted. Format only names and
// limits into it, never what the caller sent.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Description: fmt.Sprintf(format, args...)}
}

// Because sets the private cause and returns e.
func (e *Error) Because(cause error) *Error {
	e.Cause = cause
	return e
}

// Error implements error, for the log.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Code + ": " + e.Description + ": " + e.Cause.Error()
	}
	return e.Code + ": " + e.Description
}

// Unwrap returns the private cause.
func (e *Error) Unwrap() error { return e.Cause }

// HTTPStatus is the status of a JSON error answer (RFC 6749 section 5.2).
func (e *Error) HTTPStatus() int {
	switch {
	case e.Status != 0:
		return e.Status
	case e.Code == InvalidClient:
		return http.StatusUnauthorized
	case e.Code == TemporarilyUnavailable:
		return http.StatusServiceUnavailable
	case e.Code == ServerError:
		return http.StatusBadGateway
	default:
		return http.StatusBadRequest
	}
}

// AsError turns any error into an *Error; an unknown one becomes server_error
// with its text kept private.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: ServerError, Description: "the broker could not answer", Status: http.StatusInternalServerError, Cause: err}
}
