// SPDX-License-Identifier: Apache-2.0

package login_test

import (
	"context"
	"encoding/hex"
	"html"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/tracing"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// traced starts two replicas that export to one collector. flush sends what is left.
func traced(t *testing.T, edit func(*runtimeconfig.Document)) (h *harness.Harness, c *harness.Collector, flush func()) {
	t.Helper()
	c = harness.StartCollector(t)
	var stops []func(context.Context) error
	provider := func(int) trace.TracerProvider {
		p, stop, err := tracing.New(t.Context(), c.URL, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		stops = append(stops, stop)
		return p
	}
	h = harness.Standard(t, harness.Setup{
		Options: harness.Options{Tracing: provider, Look: map[string]func() string{"the traces": c.Text}}, Edit: edit,
	})
	return h, c, func() {
		for _, stop := range stops {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := stop(ctx); err != nil {
				t.Errorf("sending the last spans: %v", err)
			}
		}
	}
}

// named finds the one span of a name.
func named(t *testing.T, spans []*tracepb.Span, name string) *tracepb.Span {
	t.Helper()
	var found *tracepb.Span
	for _, s := range spans {
		if s.Name == name {
			if found != nil {
				t.Errorf("there are two spans %q", name)
			}
			found = s
		}
	}
	if found == nil {
		t.Fatalf("no span %q among %d", name, len(spans))
	}
	return found
}

const (
	strangerTrace = "0af7651916cd43dd8448eb211c80319c"
	stranger      = "00-" + strangerTrace + "-b7ad6b7169203331-01"
	vendorPath    = "/v1/vendors/{vendor}"
)

// consentForm is the form of a consent page, with a button pressed.
func consentForm(page *harness.Response, action string) url.Values {
	form := url.Values{"action": {action}}
	for _, m := range regexp.MustCompile(`name="(id|request)" value="([^"]*)"`).FindAllStringSubmatch(page.Body, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	return form
}

// TestTrace_isOneOverALogin: authorize, consent, callback and token on two
// replicas are one trace, with the call of the vendor in it. The vendor learns
// nothing of it, and a trace that a client sends is linked and no more.
func TestTrace_isOneOverALogin(t *testing.T) {
	h, c, flush := traced(t, func(d *runtimeconfig.Document) { d.Clients[1].AlwaysConsent = true })
	l := h.NewLogin(harness.WebClient)
	h.Pin(1)
	page := l.Authorize()
	h.Pin(2)
	toVendor := l.Browser.Post(harness.PublicURL+"/v1/consent", consentForm(page, "allow"))
	h.Pin(1)
	l.Finish(toVendor)
	h.Pin(2)
	tokens := good(t, h.Token(l.TokenURL, l.Form(), func(form url.Values, header http.Header) {
		h.Auth(l.Client)(form, header)
		header.Set("traceparent", stranger)
	}))
	good(t, l.Refresh(tokens.Text("refresh_token")))
	flush()

	spans := c.Spans()
	authorize := named(t, spans, "GET "+vendorPath+"/authorize")
	consent, callback := named(t, spans, "POST /v1/consent"), named(t, spans, "GET /v1/callback")
	call := named(t, spans, "vendor code")
	var token, refresh *tracepb.Span
	for _, s := range spans {
		if s.Name == "POST "+vendorPath+"/token" {
			if string(s.TraceId) == string(authorize.TraceId) {
				token = s
			} else {
				refresh = s
			}
		}
	}
	if token == nil || refresh == nil {
		t.Fatalf("the redemption is not in the login's trace, or the refresh is: %v, %v", token, refresh)
	}
	for name, pair := range map[string][2]*tracepb.Span{
		"consent": {consent, authorize}, "callback": {callback, authorize}, "token": {token, callback}, "vendor call": {call, token},
		"vendor call of the refresh": {named(t, spans, "vendor refresh"), refresh},
	} {
		if child, parent := pair[0], pair[1]; string(child.TraceId) != string(parent.TraceId) || string(child.ParentSpanId) != string(parent.SpanId) {
			t.Errorf("%s: trace %x below %x, want %x below %x", name, child.TraceId, child.ParentSpanId, parent.TraceId, parent.SpanId)
		}
	}
	if len(token.Links) != 1 || hex.EncodeToString(token.Links[0].TraceId) != strangerTrace {
		t.Errorf("the client's own trace is not linked: %v", token.Links)
	}
	if call.Kind != tracepb.Span_SPAN_KIND_CLIENT || token.Kind != tracepb.Span_SPAN_KIND_SERVER {
		t.Errorf("kinds: %v and %v", call.Kind, token.Kind)
	}
	checkVendorSawNoTrace(t, h, hex.EncodeToString(authorize.TraceId), toVendor)
	checkAttributes(t, spans)
}

func checkVendorSawNoTrace(t *testing.T, h *harness.Harness, id string, toVendor *harness.Response) {
	t.Helper()
	if state := toVendor.Query("state"); len(state) > 256 {
		t.Errorf("the state has %d bytes", len(state))
	}
	for _, r := range h.Fake.Requests() {
		all := r.Query.Encode() + r.Form.Encode()
		for name := range r.Header {
			if strings.HasPrefix(strings.ToLower(name), "trace") || strings.EqualFold(name, "baggage") {
				t.Errorf("the vendor got the header %s", name)
			}
		}
		if strings.Contains(all, id) {
			t.Errorf("the vendor got the trace's id at %s", r.Path)
		}
	}
	if len(h.Fake.Requests()) < 3 || h.Fake.Last(fakevendor.Token).ClientID == "" {
		t.Error("the vendor saw no login")
	}
}

// checkAttributes: spans hold an allow-list, and no address of a request.
func checkAttributes(t *testing.T, spans []*tracepb.Span) {
	t.Helper()
	allowed := regexp.MustCompile(`^(http\.request\.method|http\.route|http\.response\.status_code|oauth_broker\.(outcome|request_id|client|vendor|credential|grant|leg))$`)
	for _, s := range spans {
		for _, a := range s.Attributes {
			if !allowed.MatchString(a.Key) {
				t.Errorf("span %s has attribute %s", s.Name, a.Key)
			}
			if v := a.Value.GetStringValue(); strings.ContainsAny(v, "?&=") || strings.Contains(v, "://") {
				t.Errorf("span %s: %s is %q", s.Name, a.Key, v)
			}
		}
		if len(s.Events) != 0 {
			t.Errorf("span %s has events", s.Name)
		}
	}
}

// TestTrace_marksErrors: a vendor that is away marks its call and the request.
func TestTrace_marksErrors(t *testing.T) {
	h, c, flush := traced(t, nil)
	l := h.Login(harness.WebClient)
	h.Fake.Set(fakevendor.Token, fakevendor.OAuthError(http.StatusBadGateway, "server_error"))
	if r := l.Redeem(); r.Status != http.StatusServiceUnavailable {
		t.Errorf("got %d %s", r.Status, r.Body)
	}
	flush()
	for _, name := range []string{"vendor code", "POST " + vendorPath + "/token"} {
		if s := named(t, c.Spans(), name); s.Status.GetCode() != tracepb.Status_STATUS_CODE_ERROR {
			t.Errorf("%s: status %v", name, s.Status)
		}
	}
}

// TestTrace_offByDefault: nothing of a trace is sealed or sent.
func TestTrace_offByDefault(t *testing.T) {
	p, stop, err := tracing.New(t.Context(), "", slog.New(slog.DiscardHandler))
	if err != nil || stop(t.Context()) != nil {
		t.Fatal(err)
	}
	if p != nil {
		t.Error("there is a tracer")
	}
	for _, bad := range []string{"collector:4318", "https://user:password@collector", "https://collector?x=y", "grpc://collector"} {
		if _, _, err := tracing.New(t.Context(), bad, nil); err == nil || strings.Contains(err.Error(), "password") {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}
