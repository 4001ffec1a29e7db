// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/broker/client"
	"github.com/oauthbroker/oauth-broker/broker/guard"
	"github.com/oauthbroker/oauth-broker/broker/live"
	"github.com/oauthbroker/oauth-broker/broker/once"
	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/kms"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
	"github.com/oauthbroker/oauth-broker/internal/version"
)

func serve(ctx context.Context, o options) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return errors.New("--log-level must be debug, info, warn or error")
	}
	if !o.pprof {
		runtime.MemProfileRate = 0 // else allocations are sampled, and nobody can ask for them
	}
	out := newLogWriter(os.Stderr)
	defer out.flush()
	log := slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level}))
	// The libraries log where we do: the certificate watcher, the API client.
	ctrllog.SetLogger(logr.FromSlogHandler(log.Handler()))
	klog.SetSlogLogger(log)
	once.LogTo(log)
	keys, err := openKeys(ctx, o)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), out.metric())
	registration, err := readRegistration(o)
	if err != nil {
		return err
	}
	proxies, err := parsePrefixes(o.trustedProxies)
	if err != nil {
		return err
	}
	taken, err := onceStore(o)
	if err != nil {
		return err
	}
	theme, err := readTheme(o)
	if err != nil {
		return err
	}
	w, err := watch(ctx, o, registry, log)
	if err != nil {
		return err
	}
	defer w.stop()
	keys.OnChange = w.keyRingChanged
	config := &live.Config{}
	server, err := broker.New(broker.Config{
		PublicURL: o.publicURL, Development: o.development, Config: config, Keys: keys,
		Once: taken.store, Shared: taken.shared, Registry: registry, Logger: log, Tracing: w.traces, Audit: w.audit, Now: time.Now,
		Registration: registration, Documents: documents(o), CORSOrigins: o.corsOrigins, TrustedProxies: proxies, Profiling: o.pprof,
		Limits: o.limits, Theme: theme,
	})
	if err != nil {
		return fmt.Errorf("--public-url: %w", err)
	}
	src, err := newSource(o, keys, registry, log)
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "starting", "version", version.Get().String(), "publicURL", o.publicURL, "listen", o.listen, "adminListen", o.adminListen)
	return run(ctx, o, parts{server: server, keys: keys, config: config, source: src, registry: registry, watching: w, log: log})
}

// openKeys reads the key ring. One that is wrapped is read while the broker runs:
// a KMS that is away makes it not ready, and is asked again.
func openKeys(ctx context.Context, o options) (*seal.Keys, error) {
	codec, err := kms.Codec(o.keyRingKMS)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", kms.Flag, err)
	}
	keys := seal.FromFile(o.keyRing, codec, time.Now)
	if codec.Keeper == nil {
		err = keys.Load(ctx)
	} else {
		_, err = os.Stat(o.keyRing)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("--keyring: %w; make one with: broker keys new FILE", err)
	case err != nil:
		return nil, fmt.Errorf("--keyring: %w", err)
	}
	return keys, nil
}

// readRegistration reads the policy for clients that register themselves.
func readRegistration(o options) (broker.Registration, error) {
	g := broker.Registration{Mode: broker.RegistrationMode(o.registration)}
	if o.registrationToken == "" {
		return g, nil
	}
	b, err := os.ReadFile(o.registrationToken)
	if err != nil {
		return g, fmt.Errorf("--registration-token: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if len(token) < 32 {
		return g, errors.New("--registration-token: the token must have at least 32 characters")
	}
	g.Token = secret.New(token)
	return g, nil
}

func parsePrefixes(texts []string) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(texts))
	for _, t := range texts {
		p, err := netip.ParsePrefix(t)
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxy: %q is not a CIDR such as 10.0.0.0/8", t)
		}
		out = append(out, p)
	}
	return out, nil
}

// taking is how one-time things are taken.
type taking struct {
	store  once.Store
	shared broker.Shared
}

// onceStore connects to Redis where there is one. The URL is in a file: it holds
// a password.
func onceStore(o options) (taking, error) {
	if o.redisURL == "" {
		return taking{store: once.Stateless{}}, nil
	}
	b, err := os.ReadFile(o.redisURL)
	if err != nil {
		return taking{}, fmt.Errorf("--redis-url: %w", err)
	}
	r, err := once.NewRedis(strings.TrimSpace(string(b)))
	if err != nil {
		return taking{}, fmt.Errorf("--redis-url: %w", err)
	}
	return taking{store: r, shared: r}, nil
}

// documents makes the fetcher of client id metadata documents, behind the guard
// against addresses that outsiders may not reach.
func documents(o options) *client.Documents {
	if !o.metadataDocuments {
		return nil
	}
	return client.NewDocuments(guard.NewClient(guard.Options{Timeout: 5 * time.Second}), time.Now)
}

type parts struct {
	server   *broker.Server
	keys     *seal.Keys
	config   *live.Config
	source   source
	registry *prometheus.Registry
	watching watching
	log      *slog.Logger
}

// startWait is how long the public listener waits for the first configuration
// before it answers that there is none. A container that is restarted in a pod
// that still counts as ready is sent requests from its first moment on.
const startWait = 5 * time.Second

func run(ctx context.Context, o options, p parts) error {
	public, certificate, err := publicListener(ctx, o, p)
	if err != nil {
		return err
	}
	admin, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.adminListen)
	if err != nil {
		return fmt.Errorf("--admin-listen: %w", err)
	}
	asked := ctx
	g, ctx := errgroup.WithContext(asked)
	configured := make(chan struct{})
	first := sync.OnceFunc(func() { close(configured) })
	g.Go(func() error { p.keys.Run(ctx, 2*time.Second, p.log); return nil })
	g.Go(func() error {
		select { // the last good configuration is sealed with the keys
		case <-p.keys.Ready():
		case <-ctx.Done():
			return nil
		}
		return p.source(ctx, func(s *runtimeconfig.Snapshot) {
			p.config.Set(s)
			first()
			p.watching.configurationChanged(s)
			vendors, credentials, clients := s.Counts()
			p.log.InfoContext(ctx, "serving configuration", "sequence", s.Sequence, "revision", s.Revision, "vendors", vendors, "credentials", credentials, "clients", clients)
		})
	})
	// The admin listener outlives the public one, so that readiness can be read
	// while requests drain.
	adminServer, publicServer := newHTTPServer(p.server.Admin(), p.log), newHTTPServer(p.server.Public(), p.log)
	g.Go(func() error { return closed(adminServer.Serve(admin)) })
	g.Go(func() error {
		select { // who comes early waits in the listener's queue
		case <-configured:
		case <-time.After(startWait):
		case <-ctx.Done():
		}
		if certificate == nil {
			return closed(publicServer.Serve(public))
		}
		publicServer.TLSConfig = certificate
		return closed(publicServer.ServeTLS(public, "", ""))
	})
	g.Go(func() error {
		<-ctx.Done()
		if asked.Err() == nil {
			o.shutdownDelay = 0 // a part failed: the sooner the reason is told, the better
		}
		return stop(o, p, publicServer, adminServer) //nolint:contextcheck // ctx is done by then
	})
	return g.Wait()
}

// stop drains: not ready first, then no new connections, then the end.
func stop(o options, p parts, public, admin *http.Server) error {
	p.server.Drain()
	p.log.Info("stopping", "delay", o.shutdownDelay, "timeout", o.shutdownTimeout)
	time.Sleep(o.shutdownDelay)
	ctx, cancel := context.WithTimeout(context.Background(), o.shutdownTimeout)
	defer cancel()
	err := public.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("--shutdown-timeout: requests were still under way after %s", o.shutdownTimeout)
	}
	return errors.Join(err, admin.Close())
}

func closed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
