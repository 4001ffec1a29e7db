// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"net/http"

	"go.opentelemetry.io/otel/trace"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// request is one HTTP request with the configuration and the keys as they were
// when it came in, and the event that will tell of it.
type request struct {
	*http.Request
	config *runtimeconfig.Snapshot
	keys   *seal.Ring
	event  event
	answer statusWriter
	// span is the request's part of a trace; nil until it begins.
	span trace.Span
	// address is the caller's, for limits; ask addressOf.
	address string
	// counted is true once the request was counted by address; slow is what came
	// of that.
	counted bool
	slow    error
	// language of pages that the client asked for; "" leaves it to the browser.
	language string
	// params are the form, for handlers that pass it on.
	params oauth.Params
}

// handler answers a request or returns an error for render.
type handler func(http.ResponseWriter, *request) error

// observe makes an http.Handler of h: it fixes snapshot and keys, sets the
// headers of every answer, renders the error, and writes the event.
func (s *Server) observe(pattern string, h handler) http.Handler {
	to := sharing(pattern)
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		r := &request{
			Request: hr, config: s.Config.Config.Get(), keys: s.Keys.Ring(), event: s.newEvent(pattern, hr), answer: statusWriter{ResponseWriter: w},
		}
		rw := &r.answer
		s.commonHeaders(rw.Header(), r.event.id)
		s.allowOrigin(rw.Header(), hr.Header.Get("Origin"), to)
		defer s.finish(r) //nolint:contextcheck // the request carries it
		if missing := r.missing(); missing != "" && !r.event.probe() {
			s.render(rw, r, &pageError{status: http.StatusServiceUnavailable, title: "Not ready", text: "The broker has " + missing + ". Try again in a moment."})
			return
		}
		if err := s.admit(r, h, rw); err != nil { //nolint:contextcheck // the request carries it
			s.render(rw, r, err)
		}
	})
}

// admit serves the request of a caller that does not ask too often.
func (s *Server) admit(r *request, h handler, w http.ResponseWriter) error {
	if !r.event.probe() && !countsLater(r.Method, r.event.pattern) {
		if err := s.limitAddress(r); err != nil {
			return err
		}
	}
	return h(w, r)
}

// missing tells what the broker lacks to serve, "" where it lacks nothing.
func (r *request) missing() string {
	switch {
	case r.keys == nil:
		return "no key ring yet"
	case r.config == nil:
		return "no configuration yet"
	}
	return ""
}

// header is one that answers share: whoever changes it in one replaces or adds to
// it, which leaves the others' as they are.
type header struct {
	name   string
	values []string
}

// everyAnswer is the headers of every answer. They are few: with those of a
// redirect or a token response there are eight, which is what fits into a map
// before it grows.
func everyAnswer(development bool) []header {
	headers := []header{
		{"Cache-Control", []string{"no-store"}},
		{"Content-Security-Policy", []string{"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}}, // pages have their own
		{"Referrer-Policy", []string{"no-referrer"}},
		{"X-Content-Type-Options", []string{"nosniff"}},
	}
	if !development {
		headers = append(headers, header{"Strict-Transport-Security", []string{"max-age=31536000"}})
	}
	return headers
}

func (s *Server) commonHeaders(h http.Header, id string) {
	for _, every := range s.headers {
		h[every.name] = every.values
	}
	h.Set("X-Request-Id", id)
	if s.draining.Load() {
		// The client's next request goes to another replica; the connection is not
		// cut under a request that is on its way.
		h.Set("Connection", "close")
	}
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}
