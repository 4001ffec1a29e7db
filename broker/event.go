// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
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
	took := now.Sub(ev.start)
	s.metrics.observeRequest(ev, w.status, took)
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
	attrs := append(make([]slog.Attr, 0, maxAttrs),
		slog.String("requestID", ev.id), slog.String("method", ev.method), slog.String("route", ev.pattern),
		slog.Int("status", w.status), slog.Duration("took", took), slog.String("outcome", ev.outcome),
	)
	for _, a := range []slog.Attr{
		slog.String("client", ev.client), slog.String("vendor", ev.vendor), slog.String("credential", ev.credential),
		slog.String("grant", ev.grant), slog.String("cause", ev.cause),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	s.log(r.Context(), now, level, attrs)
}

// log writes a line without looking for the place in the source that wrote it,
// which Logger does at each call.
func (s *Server) log(ctx context.Context, at time.Time, level slog.Level, attrs []slog.Attr) {
	h := s.Logger.Handler()
	if !h.Enabled(ctx, level) {
		return
	}
	line := slog.NewRecord(at, level, "request", 0)
	line.AddAttrs(attrs...)
	_ = h.Handle(ctx, line) // as Logger does: nobody could do anything about it
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
