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
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/broker/client"
	"github.com/oauthbroker/oauth-broker/broker/guard"
	"github.com/oauthbroker/oauth-broker/broker/live"
	"github.com/oauthbroker/oauth-broker/broker/once"
	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/filesource"
	"github.com/oauthbroker/oauth-broker/internal/kms"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
	"github.com/oauthbroker/oauth-broker/internal/version"
)

// options are the flags of `broker serve`.
type options struct {
	publicURL          string
	listen             string
	tlsCert, tlsKey    string
	adminListen        string
	keyRing            string
	keyRingKMS         string
	config             string
	namespace          string
	brokerClass        string
	publishedNamespace string
	kubeconfig         string
	lastGood           string
	redisURL           string
	development        bool
	registration       string
	registrationToken  string
	metadataDocuments  bool
	corsOrigins        []string
	trustedProxies     []string
	limits             broker.Limits
	shutdownDelay      time.Duration
	shutdownTimeout    time.Duration
	logLevel           string
	pprof              bool
	otlpEndpoint       string
	auditLog           string
	theme              broker.Theme
	logo               string
	landingVendors     bool
}

func newServe() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve logins, from published objects of a cluster or from a directory of manifests",
		Args:  arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.validate(c.Flags().Changed); err != nil {
				return err
			}
			return serve(c.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.publicURL, "public-url", "", "base URL of the broker, https://host[:port]; issuers and redirect URIs are built from it (required)")
	f.StringVar(&o.listen, "listen", ":8443", "address of the public listener")
	f.StringVar(&o.tlsCert, "tls-cert", "", "TLS certificate file of the public listener, re-read on change; none means plain http behind a proxy that ends TLS")
	f.StringVar(&o.tlsKey, "tls-key", "", "TLS key file of the public listener")
	f.StringVar(&o.adminListen, "admin-listen", ":9090", "address of the admin listener (metrics, health, served revision); keep it inside")
	f.StringVar(&o.keyRing, "keyring", "", "key ring file, re-read on change (required; make one with: broker keys new FILE)")
	f.StringVar(&o.keyRingKMS, kms.Flag, "", kms.Usage)
	f.StringVar(&o.config, "config", "", "directory of manifests: serve without a cluster")
	f.StringVar(&o.namespace, "namespace", filesource.DefaultNamespace, "with --config: the namespace of the Secrets that OAuthVendors name")
	f.StringVar(&o.brokerClass, "broker-class", "default", "with --config: the brokerClass that is served")
	f.StringVar(&o.publishedNamespace, "published-namespace", "", "namespace of the objects that the operator publishes: serve from a cluster")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "with --published-namespace: kubeconfig file; none means the pod's own")
	f.StringVar(&o.lastGood, "last-good", "", "with --published-namespace: file that keeps the last good configuration, sealed, for a start while the API server is away; its parts are in files beside it, whose names begin with its name")
	f.StringVar(&o.redisURL, "redis-url", "", "file that holds the URL of a Redis (redis://, rediss://, redis+sentinel://, redis+cluster://) through which replicas take codes, states and client assertions exactly once")
	f.StringVar(&o.registration, "registration", string(broker.RegistrationDisabled), "who may register clients at the broker (RFC 7591): Disabled, Open or InitialAccessToken; such clients reach only vendors whose selfRegisteredClients is Allowed")
	f.StringVar(&o.registrationToken, "registration-token", "", "with --registration InitialAccessToken: file that holds the token, at least 32 characters")
	f.BoolVar(&o.metadataDocuments, "client-id-metadata-documents", false, "accept client ids that are https URLs of client metadata documents, for the same vendors")
	f.StringSliceVar(&o.corsOrigins, "cors-origin", nil, "origins whose scripts may call token, register, revoke, introspect and par (repeatable; * is all)")
	f.StringSliceVar(&o.trustedProxies, "trusted-proxy", nil, "CIDRs of proxies whose X-Forwarded-For is believed, for limits by address (repeatable)")
	f.Float64Var(&o.limits.AddressRate, "address-rate", 200, "requests a second that one address may send (IPv6: one /64), ten seconds' worth of them at once; clients that authenticate do not count here; 0 is no limit")
	f.Float64Var(&o.limits.ClientRate, "client-rate", 500, "requests a second that one client that authenticates may send, ten seconds' worth of them at once; 0 is no limit")
	f.IntVar(&o.limits.VendorCalls, "vendor-calls", 256, "calls to one vendor that may be under way at once; as many again wait up to 2 s, and the rest is answered with 503; 0 is no limit")
	f.BoolVar(&o.development, "development", false, "allow plain http for a loopback --public-url")
	f.DurationVar(&o.shutdownDelay, "shutdown-delay", 5*time.Second, "time between becoming not ready and closing the listener")
	f.DurationVar(&o.shutdownTimeout, "shutdown-timeout", 65*time.Second, "time that requests under way have to end after that; a vendor may take 60 s")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	f.BoolVar(&o.pprof, "pprof", false, "serve CPU and memory profiles at /debug/pprof/ on the admin listener, for go tool pprof")
	themeFlags(f, &o)
	f.StringVar(&o.auditLog, "audit-log", "", "where the audit log goes: stdout, stderr or a file, which may be moved away at any time; none writes none")
	f.StringVar(&o.otlpEndpoint, "otlp-endpoint", "", "base URL of an OpenTelemetry collector that takes traces over OTLP/HTTP, http(s)://host[:port]; none exports nothing, unless OTEL_EXPORTER_OTLP_ENDPOINT is set")
	return c
}

// validate refuses flags that contradict each other; given tells which were set.
func (o options) validate(given func(string) bool) error {
	switch {
	case o.publicURL == "":
		return errors.New("--public-url is required, for example --public-url https://broker.example.com")
	case o.keyRing == "":
		return errors.New("--keyring is required; make one with: broker keys new FILE")
	case (o.config == "") == (o.publishedNamespace == ""):
		return errors.New("set exactly one of --config (a directory) and --published-namespace (a cluster)")
	case (o.tlsCert == "") != (o.tlsKey == ""):
		return errors.New("--tls-cert and --tls-key go together")
	case !slices.Contains([]string{string(broker.RegistrationDisabled), string(broker.RegistrationOpen), string(broker.RegistrationInitialAccessToken)}, o.registration):
		return errors.New("--registration must be Disabled, Open or InitialAccessToken")
	case (o.registration == string(broker.RegistrationInitialAccessToken)) != (o.registrationToken != ""):
		return errors.New("--registration-token goes with --registration InitialAccessToken, and that needs it")
	case o.lastGood != "" && o.publishedNamespace == "":
		return errors.New("--last-good goes with --published-namespace")
	case o.kubeconfig != "" && o.publishedNamespace == "":
		return errors.New("--kubeconfig goes with --published-namespace")
	case o.config == "" && given("namespace"):
		return errors.New("--namespace goes with --config")
	case o.config == "" && given("broker-class"):
		return errors.New("--broker-class goes with --config: the operator publishes one class")
	case o.development && strings.HasPrefix(o.publicURL, "https://"):
		return errors.New("--development is for a loopback --public-url that begins with http://: it takes the Secure attribute from cookies")
	case o.development && o.tlsCert != "":
		return errors.New("--tls-cert does not go with --development, where --public-url is plain http")
	case o.shutdownDelay < 0:
		return errors.New("--shutdown-delay must not be negative")
	case o.shutdownTimeout <= 0:
		return errors.New("--shutdown-timeout must be positive")
	case o.limits.AddressRate < 0 || o.limits.ClientRate < 0 || o.limits.VendorCalls < 0:
		return errors.New("--address-rate, --client-rate and --vendor-calls must not be negative; 0 is no limit")
	}
	return nil
}

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
