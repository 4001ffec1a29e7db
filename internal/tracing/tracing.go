// SPDX-License-Identifier: Apache-2.0

// Package tracing exports spans to an OpenTelemetry collector over OTLP/HTTP. What
// a span holds is decided where it is made, in broker.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/oauthbroker/oauth-broker/internal/version"
)

// New exports spans where endpoint, a collector's base URL, or OpenTelemetry's own
// variables (OTEL_EXPORTER_OTLP_ENDPOINT, ..._TRACES_ENDPOINT) name a collector,
// and is nil otherwise. Headers, timeout, sampler and resource are set by the
// other OTEL_ variables. stop sends what is left.
func New(ctx context.Context, endpoint string, log *slog.Logger) (p trace.TracerProvider, stop func(context.Context) error, err error) {
	if endpoint == "" && os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" ||
		strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return nil, func(context.Context) error { return nil }, nil
	}
	var options []otlptracehttp.Option
	if endpoint != "" {
		u, err := collector(endpoint)
		if err != nil {
			return nil, nil, err
		}
		options = append(options, otlptracehttp.WithEndpointURL(u))
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, nil, fmt.Errorf("making the exporter of traces: %w", err)
	}
	// A collector that is away is worth a line now and then, and nothing else.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.WarnContext(ctx, "traces are not exported", "error", err) }))
	described, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", "oauth-broker"), attribute.String("service.version", version.Get().Version),
	), resource.WithHost(), resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		return nil, nil, fmt.Errorf("describing this process for traces: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter, sdktrace.WithBatchTimeout(2*time.Second)), sdktrace.WithResource(described))
	return provider, provider.Shutdown, nil
}

// collector is the address of the traces at a collector's base URL.
func collector(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("must be the base URL of a collector, http(s)://host[:port], without user or query; headers go into OTEL_EXPORTER_OTLP_HEADERS")
	}
	return u.JoinPath("v1", "traces").String(), nil
}
