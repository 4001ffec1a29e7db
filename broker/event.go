// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// event is what the log and the metrics tell of one request. It is an
// allow-list: what has no field here is never logged. No field takes what a
// caller or a vendor sent, save the client id of a client that is registered.
type event struct {
	id      string
	start   time.Time
	method  string
	pattern string
	// client is the id of a client that the platform registered, or what stands
	// for one that registered itself.
	client string
	// vendor and credential are names of objects.
	vendor     string
	credential string
	// grant is the grant type, of those that are supported.
	grant string
	// outcome is an OAuth error code, or "ok".
	outcome string
	// cause is a fixed text of ours.
	cause string
}

// consentShown is the outcome of a request that was answered with the page.
const consentShown = "consent_shown"

func (s *Server) newEvent(pattern string, r *http.Request) event {
	return event{id: rand.Text(), start: s.Now(), method: knownMethod(r.Method), pattern: pattern, outcome: "ok"}
}

func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodPost, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch:
		return m
	}
	return "OTHER"
}

// probe tells of a request that only asks whether the broker is well.
func (e *event) probe() bool { return e.pattern == "/healthz" || e.pattern == "/readyz" }

// fail notes an error.
func (e *event) fail(code string, cause error) {
	e.outcome = code
	if cause != nil {
		e.cause = cause.Error()
	}
}

// maxAttrs is how many attributes an event has at most.
const maxAttrs = 11

// finish writes the event, also after a panic.
func (s *Server) finish(r *request) {
	ev, w := &r.event, &r.answer
	if p := recover(); p != nil {
		ev.fail("panic", errors.New("panic in the handler"))
		s.Logger.ErrorContext(r.Context(), "panic", "requestID", ev.id, "stack", string(debug.Stack()))
		if w.status == 0 {
			s.render(w, r, &pageError{status: http.StatusInternalServerError, title: "Something went wrong", text: "The broker could not answer."})
		}
	}
	now := s.Now()
	s.metrics.observeRequest(ev, w.status, now.Sub(ev.start))
	s.endSpan(r, w.status)
	if s.Audit != nil {
		s.auditRequest(r, w.status)
	}
	level := slog.LevelInfo
	switch {
	case ev.probe():
		level = slog.LevelDebug
	case w.status >= 500:
		level = slog.LevelError
	case ev.outcome != "ok":
		level = slog.LevelWarn
	}
	s.log(r, now, level)
}

// log writes the event. It does not look for the place in the source that wrote
// it, as Logger does at each call; the attributes are one group without a name, so
// that they are neither copied nor counted again.
func (s *Server) log(r *request, at time.Time, level slog.Level) {
	ctx, h := r.Context(), s.Logger.Handler()
	if !h.Enabled(ctx, level) {
		return
	}
	attrs, ok := s.lines.Get().(*[maxAttrs]slog.Attr)
	if !ok {
		attrs = &[maxAttrs]slog.Attr{}
	}
	defer s.lines.Put(attrs)
	line := slog.NewRecord(at, level, "request", 0)
	line.AddAttrs(slog.Attr{Value: slog.GroupValue(r.event.attrs(attrs[:0], r.answer.status, at.Sub(r.event.start))...)})
	_ = h.Handle(ctx, line) // as Logger does: nobody could do anything about it
}

// attrs appends what the event tells.
func (e *event) attrs(attrs []slog.Attr, status int, took time.Duration) []slog.Attr {
	attrs = append(attrs,
		slog.String("requestID", e.id), slog.String("method", e.method), slog.String("route", e.pattern),
		slog.Int("status", status), slog.Duration("took", took), slog.String("outcome", e.outcome),
	)
	for _, a := range [...]struct{ name, value string }{
		{"client", e.client}, {"vendor", e.vendor}, {"credential", e.credential}, {"grant", e.grant}, {"cause", e.cause},
	} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.name, a.value))
		}
	}
	return attrs
}

// clientName is what logs call a client. What a self-registered client chose for
// itself is not repeated; a digest tells such clients apart.
func clientName(c *runtimeconfig.Client) string {
	if !c.SelfRegistered {
		return c.ID
	}
	sum := sha256.Sum256([]byte(c.ID))
	return "self-registered:" + hex.EncodeToString(sum[:6])
}
