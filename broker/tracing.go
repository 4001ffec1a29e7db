// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/oauthbroker/oauth-broker/broker/vendor"
)

// A login is one trace, from authorize to token, whichever replicas serve it:
// its context travels sealed, in the cookie and in the code, as everything else
// of a login does. It is never in the state, and no vendor gets it. A traceparent
// that a caller sends is only linked: an outsider chooses neither our trace ids
// nor what is sampled. Attributes are those of the event, and an allow-list like it.

const (
	tracerName = "github.com/oauthbroker/oauth-broker/broker"
	// traceParent is the header and its name in what is sealed (W3C Trace Context).
	traceParent = "traceparent"
)

// span begins the span of a request at its first call. parent is the sealed
// context of the login that the request belongs to; empty begins a new trace.
func (s *Server) span(r *request, parent string) trace.Span {
	switch {
	case r.span != nil:
		return r.span
	case s.Tracing == nil:
		r.span = noop.Span{}
		return r.span
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(r.event.start)}
	if from := spanContext(r.Header.Get(traceParent)); from.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: from}))
	}
	ctx := trace.ContextWithRemoteSpanContext(r.Context(), spanContext(parent))
	ctx, r.span = s.tracer.Start(ctx, r.event.method+" "+r.event.pattern, options...)
	r.Request = r.WithContext(ctx)
	return r.span
}

// traceContext is the context of the request's span, to be sealed; empty where nothing
// is traced.
func (s *Server) traceContext(r *request) string {
	if s.Tracing == nil {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpan(context.Background(), s.span(r, "")), carrier)
	return carrier.Get(traceParent)
}

// spanContext strictly reads a traceparent; it is not valid where that is not.
func spanContext(text string) trace.SpanContext {
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{traceParent: text})
	return trace.SpanContextFromContext(ctx)
}

// endSpan ends the span of a request with what its event tells.
func (s *Server) endSpan(r *request, status int) {
	ev := &r.event
	if ev.probe() || s.Tracing == nil {
		return
	}
	span := s.span(r, "")
	span.SetAttributes(
		attribute.String("http.request.method", ev.method), attribute.String("http.route", ev.pattern),
		attribute.Int("http.response.status_code", status), attribute.String("oauth_broker.outcome", ev.outcome),
		attribute.String("oauth_broker.request_id", ev.id),
	)
	for name, value := range map[string]string{"client": ev.client, "vendor": ev.vendor, "credential": ev.credential, "grant": ev.grant} {
		if value != "" {
			span.SetAttributes(attribute.String("oauth_broker."+name, value))
		}
	}
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, ev.outcome)
	}
	span.End(trace.WithTimestamp(s.Now()))
}

// observeCall tells metrics and trace of one call of a vendor.
func (s *Server) observeCall(ctx context.Context, c vendor.Call) {
	s.metrics.observeCall(c)
	s.credentials.observe(c)
	if s.Tracing == nil {
		return
	}
	end := s.Now()
	_, span := s.tracer.Start(ctx, "vendor "+c.Leg, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(end.Add(-c.Took)), trace.WithAttributes(
		attribute.String("oauth_broker.vendor", c.Vendor), attribute.String("oauth_broker.leg", c.Leg), attribute.String("oauth_broker.outcome", string(c.Outcome)),
	))
	if c.Outcome != vendor.OutcomeOK {
		span.SetStatus(codes.Error, string(c.Outcome))
	}
	span.End(trace.WithTimestamp(end))
}
