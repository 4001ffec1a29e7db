// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      75 * time.Second, // a vendor may take 60
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		// Who reads nothing keeps an HTTP/2 connection for ever: it has no other
		// deadline for what is not a request's own.
		HTTP2:    &http.HTTP2Config{WriteByteTimeout: 15 * time.Second},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// publicListener listens, and reads the certificate where there is one.
func publicListener(ctx context.Context, o options, p parts) (net.Listener, *tls.Config, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return nil, nil, fmt.Errorf("--listen: %w", err)
	}
	if o.tlsCert == "" {
		return l, nil, nil
	}
	certs, err := certwatcher.New(o.tlsCert, o.tlsKey)
	if err != nil {
		return nil, nil, fmt.Errorf("--tls-cert: %w", err)
	}
	go func() {
		if err := certs.Start(ctx); err != nil {
			p.log.ErrorContext(ctx, "TLS certificate is not watched any more", "error", err)
		}
	}()
	p.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "oauth_broker_tls_certificate_not_after_timestamp_seconds", Help: "When the certificate of the public listener expires. Absent where something else ends TLS.",
	}, func() float64 { return notAfter(certs) }))
	return l, &tls.Config{GetCertificate: certs.GetCertificate, MinVersion: tls.VersionTLS12}, nil
}

// notAfter is when the certificate that is served now expires; 0 where nobody
// can tell.
func notAfter(certs *certwatcher.CertWatcher) float64 {
	served, err := certs.GetCertificate(nil)
	if err != nil || len(served.Certificate) == 0 {
		return 0
	}
	leaf, err := x509.ParseCertificate(served.Certificate[0])
	if err != nil {
		return 0
	}
	return float64(leaf.NotAfter.Unix())
}
