// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/oauthbroker/oauth-broker/broker/audit"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/tracing"
)

// watching is what tells others of what happens, besides log and metrics.
type watching struct {
	traces trace.TracerProvider
	// audit is nil where no audit log is asked for.
	audit *audit.Log
	// stop sends and writes what is left.
	stop func()
}

// lastWords bounds the time for what is left at the end.
const lastWords = 5 * time.Second

func watch(ctx context.Context, o options, registry *prometheus.Registry, log *slog.Logger) (watching, error) {
	traces, flush, err := tracing.New(ctx, o.otlpEndpoint, log)
	if err != nil {
		return watching{}, fmt.Errorf("--otlp-endpoint: %w", err)
	}
	w := watching{traces: traces}
	var written <-chan struct{}
	// Both go on while the last requests drain.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	if o.auditLog != "" {
		to, err := auditWriter(o.auditLog)
		if err != nil {
			cancel()
			return watching{}, fmt.Errorf("--audit-log: %w", err)
		}
		w.audit = audit.New(to, registry, log)
		done := make(chan struct{})
		go func() { w.audit.Run(ctx); close(done) }()
		written = done
	}
	w.stop = func() {
		cancel()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
		defer cancel()
		if err := flush(last); err != nil {
			log.WarnContext(last, "the last traces are lost", "error", err)
		}
		if written != nil {
			select {
			case <-written:
			case <-last.Done():
				log.WarnContext(last, "the last records of the audit log are lost: it is not written in time")
			}
		}
	}
	return w, nil
}

func auditWriter(to string) (io.Writer, error) {
	switch to {
	case "stdout":
		return os.Stdout, nil
	case "stderr":
		return os.Stderr, nil
	}
	return audit.OpenFile(to)
}

// keyRingChanged and configurationChanged are for the audit log.
func (w watching) keyRingChanged(ids []string) {
	w.audit.Add(audit.Record{Time: time.Now(), Action: audit.KeyRingChange, Outcome: "success", KeyIDs: ids})
}

func (w watching) configurationChanged(s *runtimeconfig.Snapshot) {
	vendors, credentials, clients := s.Counts()
	w.audit.Add(audit.Record{Time: time.Now(), Action: audit.ConfigurationChange, Outcome: "success", Configuration: &audit.Configuration{
		Sequence: s.Sequence, Revision: s.Revision, Vendors: vendors, Credentials: credentials, Clients: clients,
	}})
}
