// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/internal/kms"
	"github.com/oauthbroker/oauth-broker/internal/version"
)

// flags of the manager.
type flags struct {
	publicURL          string
	namespace          string
	publishedNamespace string
	brokerClass        string
	watchNamespaces    []string
	brokerAdmin        []string
	brokerService      string
	leaderElect        bool
	metricsAddress     string
	probeAddress       string
	kubeconfig         string
	keyRingSecret      string
	keyRingKMS         string
	logLevel           string
}

func newCommand() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:           "manager",
		Short:         "The operator of OAuth Broker",
		Version:       version.Get().String(),
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.validate(); err != nil {
				return err
			}
			return run(c.Context(), f)
		},
	}
	s := c.Flags()
	s.SortFlags = false
	s.StringVar(&f.publicURL, "public-url", "", "base URL of the broker, https://host (required)")
	s.StringVar(&f.namespace, "namespace", "", "namespace of the operator: Secrets that OAuthVendors name, the key ring, the leader lease (required)")
	s.StringVar(&f.publishedNamespace, "published-namespace", "", "namespace that holds nothing but the published Secrets (required)")
	s.StringVar(&f.brokerClass, "broker-class", oauthv1alpha1.DefaultBrokerClass, "brokerClass of the objects to serve")
	s.StringSliceVar(&f.watchNamespaces, "watch-namespaces", nil, "serve these namespaces only and read no other (comma-separated)")
	s.StringSliceVar(&f.brokerAdmin, "broker-admin", nil, "admin base URLs of the brokers (comma-separated); replaces --broker-service")
	s.StringVar(&f.brokerService, "broker-service", "", "Service in --namespace whose EndpointSlices list the brokers; its admin port is named admin")
	s.StringVar(&f.keyRingSecret, "key-ring-secret", "oauth-broker-keyring", "Secret in --namespace that holds the brokers' key ring; made if absent")
	s.StringVar(&f.keyRingKMS, kms.Flag, "", kms.Usage+"; the operator needs the right to encrypt only")
	s.BoolVar(&f.leaderElect, "leader-elect", false, "work only while holding the leader lease; needed with more than one replica")
	s.StringVar(&f.metricsAddress, "metrics-bind-address", ":8080", "address of the metrics endpoint; 0 turns it off")
	s.StringVar(&f.probeAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz; 0 turns them off")
	s.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig file; by default the cluster that the manager runs in")
	s.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	return c
}

func (f *flags) validate() error {
	for _, required := range []struct{ name, value string }{
		{"public-url", f.publicURL}, {"namespace", f.namespace}, {"published-namespace", f.publishedNamespace}, {"key-ring-secret", f.keyRingSecret},
	} {
		if required.value == "" {
			return fmt.Errorf("--%s is required", required.name)
		}
	}
	f.publicURL = strings.TrimRight(f.publicURL, "/")
	if err := checkPublicURL(f.publicURL); err != nil {
		return fmt.Errorf("--public-url: %w", err)
	}
	if f.publishedNamespace == f.namespace || slices.Contains(f.watchNamespaces, f.publishedNamespace) {
		return errors.New("--published-namespace must be a namespace of its own: brokers may read every Secret in it")
	}
	for _, admin := range f.brokerAdmin {
		if u, err := url.Parse(admin); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.User != nil {
			return errors.New("--broker-admin: each must be a URL like http://host:9090")
		}
	}
	return nil
}

// checkPublicURL wants https, or http of a loopback address for development.
func checkPublicURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" {
		return errors.New("must be a URL like https://broker.example.com, without path, query, fragment or user information")
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return errors.New("must begin with https://")
	}
	return nil
}
