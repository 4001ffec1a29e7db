// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/broker/vendor"
	"github.com/oauthbroker/oauth-broker/controllers"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/discovery"
	"github.com/oauthbroker/oauth-broker/internal/kms"
	"github.com/oauthbroker/oauth-broker/internal/vendorapps"
	"github.com/oauthbroker/oauth-broker/internal/version"
)

// stopTimeout bounds a graceful stop.
const stopTimeout = 20 * time.Second

// run is the manager until ctx ends.
func run(ctx context.Context, f flags) error {
	log, err := newLogger(f.logLevel)
	if err != nil {
		return err
	}
	config, err := restConfig(f.kubeconfig)
	if err != nil {
		return err
	}
	options, err := f.options(log)
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := controllers.AddToScheme(scheme); err != nil {
		return err
	}
	m, err := ctrl.NewManager(config, managerOptions(f, options, scheme))
	if err != nil {
		return fmt.Errorf("making manager: %w", err)
	}
	operator, err := controllers.Setup(m, options)
	if err != nil {
		return err
	}
	if err := m.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("adding health check: %w", err)
	}
	if err := m.AddReadyzCheck("key-ring", operator.KeyRing.Check); err != nil {
		return fmt.Errorf("adding readiness check: %w", err)
	}
	if err := m.AddMetricsServerExtraHandler(controllers.DumpPath, operator.Dump); err != nil {
		return fmt.Errorf("adding the dump: %w", err)
	}
	log.InfoContext(ctx, "starting", "version", version.Get().String(), "publicURL", f.publicURL, "brokerClass", f.brokerClass,
		"namespace", f.namespace, "publishedNamespace", f.publishedNamespace, "watchNamespaces", f.watchNamespaces)
	if err := m.Start(ctx); err != nil {
		return fmt.Errorf("running: %w", err)
	}
	log.InfoContext(ctx, "stopped")
	return nil
}

// newLogger logs JSON to stderr, and so do the libraries.
func newLogger(level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level: %q is not debug, info, warn or error", level)
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: l}))
	sink := logr.FromSlogHandler(log.Handler())
	ctrl.SetLogger(sink)
	klog.SetLogger(sink)
	return log, nil
}

func restConfig(kubeconfig string) (*rest.Config, error) {
	var config *rest.Config
	var err error
	if kubeconfig == "" {
		config, err = rest.InClusterConfig()
	} else {
		config, err = clientcmd.BuildConfigFromFlags("", kubeconfig)
	}
	if err != nil {
		return nil, fmt.Errorf("finding the API server: %w", err)
	}
	config.UserAgent = "oauth-broker-manager/" + version.Get().Version
	return controllers.RestConfig(config), nil
}

func (f flags) options(log *slog.Logger) (controllers.Options, error) {
	documents := &discovery.Client{}
	codec, err := kms.Codec(f.keyRingKMS)
	if err != nil {
		return controllers.Options{}, fmt.Errorf("--%s: %w", kms.Flag, err)
	}
	vendors := vendor.NewClient(time.Now, nil)
	return controllers.Options{
		PublicURL: f.publicURL, Namespace: f.namespace, PublishedNamespace: f.publishedNamespace, BrokerClass: f.brokerClass,
		WatchNamespaces: f.watchNamespaces, BrokerAdmin: f.brokerAdmin, BrokerService: f.brokerService,
		KeyRingSecret: f.keyRingSecret, KeyRingCodec: codec, Log: log, Now: time.Now, Registrations: vendorapps.New(time.Now),
		Discover: func(ctx context.Context, v *oauthv1alpha1.OAuthVendor) translate.Discovered {
			return documents.Discover(ctx, &v.Spec)
		},
		Probe: func(ctx context.Context, r controllers.ProbeRequest) controllers.ProbeAnswer {
			return probe(ctx, vendors, r)
		},
	}, nil
}

// probe asks a vendor about a credential, by the client that brokers have.
func probe(ctx context.Context, vendors *vendor.Client, r controllers.ProbeRequest) controllers.ProbeAnswer {
	e, ok := vendor.NewEndpoint(r.Vendor, r.Credential)
	if !ok {
		return controllers.ProbeAnswer{Verdict: controllers.CredentialUntold}
	}
	p := vendors.Probe(ctx, e, r.RedirectURI)
	return controllers.ProbeAnswer{Verdict: controllers.CredentialVerdict(p.Verdict), RetryAfter: p.RetryAfter}
}

func managerOptions(f flags, own controllers.Options, scheme *runtime.Scheme) ctrl.Options {
	timeout := stopTimeout
	o := ctrl.Options{
		Scheme:                        scheme,
		Metrics:                       metricsserver.Options{BindAddress: f.metricsAddress},
		HealthProbeBindAddress:        f.probeAddress,
		LeaderElection:                f.leaderElect,
		LeaderElectionID:              "oauth-broker-" + f.brokerClass,
		LeaderElectionNamespace:       f.namespace,
		LeaderElectionReleaseOnCancel: true, // the process ends right after
		GracefulShutdownTimeout:       &timeout,
	}
	return controllers.ManagerOptions(o, own)
}
