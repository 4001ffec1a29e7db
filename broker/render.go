// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
)

// The type of an error decides how it is shown (RFC 6749 section 4.1.2.1):
//
//   - *pageError: nothing of the request is trusted yet, so a person sees a page
//     and nobody is redirected anywhere;
//   - *redirectError: client and redirect URI are known to be good, so the client
//     gets the error;
//   - *oauth.Error (and anything else): JSON, at the token endpoint.

// pageError is shown to a person.
type pageError struct {
	status      int
	title, text string
	retryAfter  time.Duration
	cause       error
}

func (e *pageError) Error() string {
	if e.cause != nil {
		return e.title + ": " + e.cause.Error()
	}
	return e.title
}

func (e *pageError) Unwrap() error { return e.cause }

// answersJSON tells whether programs and not people call a route.
func answersJSON(pattern string) bool {
	people := strings.HasSuffix(pattern, "/authorize") || strings.HasPrefix(pattern, "/v1/callback") || pattern == "/v1/consent" || pattern == "/{$}" || pattern == "other"
	return !people
}

// asOAuth is the same error for a program.
func (e *pageError) asOAuth() *oauth.Error {
	code := oauth.InvalidRequest
	switch {
	case e.status == http.StatusServiceUnavailable || e.status == http.StatusTooManyRequests:
		code = oauth.TemporarilyUnavailable
	case e.status >= http.StatusInternalServerError:
		code = oauth.ServerError
	}
	return &oauth.Error{Code: code, Description: e.text, Status: e.status, RetryAfter: e.retryAfter}
}

// badRequest is a page for a request that cannot be trusted.
func badRequest(text string, cause error) *pageError {
	return &pageError{status: http.StatusBadRequest, title: "This sign-in request is not valid", text: text, cause: cause}
}

// redirectError goes to the client's redirect URI.
type redirectError struct {
	to  returnAddress
	err *oauth.Error
	// ask shows a page with a link first: nobody vouches for the redirect URI of a
	// client that registered itself, and before consent the user has agreed to
	// nothing (RFC 9700 section 4.11.2).
	ask bool
}

func (e *redirectError) Error() string { return e.err.Error() }
func (e *redirectError) Unwrap() error { return e.err }

// returnAddress is where and how an authorization response goes.
type returnAddress struct {
	redirectURI string
	state       string
	issuer      string
}

// location makes the authorization response: state exactly as it came, and iss
// (RFC 9207) always.
func (a returnAddress) location(params oauth.Query) (string, error) {
	if a.state != "" {
		params.Add("state", a.state)
	}
	params.Add("iss", a.issuer)
	return oauth.WithQuery(a.redirectURI, params)
}

// render is the one place where errors become answers.
func (s *Server) render(w http.ResponseWriter, r *request, err error) {
	var page *pageError
	var redirect *redirectError
	switch {
	case errors.As(err, &page) && answersJSON(r.event.pattern):
		e := page.asOAuth()
		r.event.fail(e.Code, page)
		s.renderJSON(w, e)
	case errors.As(err, &page):
		r.event.fail("page_"+strconv.Itoa(page.status), page)
		s.renderPage(w, r, page)
	case errors.As(err, &redirect):
		r.event.fail(redirect.err.Code, redirect.err.Cause)
		s.renderRedirect(w, r, redirect)
	default:
		e := oauth.AsError(err)
		r.event.fail(e.Code, e.Cause)
		s.renderJSON(w, e)
	}
}

func (s *Server) renderRedirect(w http.ResponseWriter, r *request, e *redirectError) {
	var params oauth.Query
	params.Add("error", e.err.Code)
	if e.err.Description != "" && oauth.Printable(e.err.Description) {
		params.Add("error_description", e.err.Description)
	}
	location, err := e.to.location(params)
	if err != nil {
		s.renderPage(w, r, badRequest("The client's redirect URI cannot be used.", err))
		return
	}
	if e.ask {
		s.renderReturn(w, r, e, location)
		return
	}
	redirectTo(w, r, location)
}

// redirectTo sends the browser on. http.Redirect would write the URL into a
// body, where proxies and scanners read it.
func redirectTo(w http.ResponseWriter, r *request, location string) {
	w.Header().Set("Location", location)
	status := http.StatusFound
	if r.Method == http.MethodPost {
		status = http.StatusSeeOther // never 307: the form must not be sent on (RFC 9700 section 4.12)
	}
	w.WriteHeader(status)
}

func (s *Server) renderJSON(w http.ResponseWriter, e *oauth.Error) {
	body := map[string]string{"error": e.Code}
	if e.Description != "" && oauth.Printable(e.Description) {
		body["error_description"] = e.Description
	}
	setRetryAfter(w, e.RetryAfter)
	if e.Challenge {
		w.Header().Set("WWW-Authenticate", `Basic realm="oauth-broker", charset="UTF-8"`)
	}
	if e.Bearer {
		w.Header().Set("WWW-Authenticate", `Bearer realm="oauth-broker", error="`+e.Code+`"`)
	}
	writeJSON(w, e.HTTPStatus(), body)
}

// setRetryAfter says in whole seconds when to come back, rather late than early.
func setRetryAfter(w http.ResponseWriter, d time.Duration) {
	if d > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(d.Seconds()))))
	}
}

// writeJSON answers with a JSON document. An error of the connection is the
// caller's loss and nobody's news.
func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	writeBytes(w, status, b)
}

// writeBytes answers with JSON that is written already. The length is said, since
// else what is longer than a buffer goes out in pieces.
func writeBytes(w http.ResponseWriter, status int, b []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b)
}
