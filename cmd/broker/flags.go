// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/internal/filesource"
	"github.com/oauthbroker/oauth-broker/internal/kms"
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
