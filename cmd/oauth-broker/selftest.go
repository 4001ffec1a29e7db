// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"github.com/oauthbroker/oauth-broker/internal/cli/kube"
	"github.com/oauthbroker/oauth-broker/internal/cli/reach"
	"github.com/oauthbroker/oauth-broker/internal/cli/selftest"
	"github.com/oauthbroker/oauth-broker/internal/command"
)

// selftestFlags are the flags of `selftest`.
type selftestFlags struct {
	cluster                 kube.Options
	t                       selftest.Test
	client, service, caFile string
	plain                   bool
	timeout                 time.Duration
}

// newSelftest is what the chart's test pod runs; nobody else needs it.
func newSelftest() *cobra.Command {
	var f selftestFlags
	c := &cobra.Command{
		Use:    "selftest",
		Hidden: true,
		Short:  "Log in through the installed brokers, at a vendor that this process plays (helm test)",
		Args:   command.Arguments(cobra.NoArgs),
		RunE:   func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	s := c.Flags()
	clusterFlags(s, &f.cluster)
	s.StringVar(&f.t.PublicURL, "public-url", "", "public URL of the broker (required)")
	s.StringVar(&f.t.Vendor, "vendor", "", "OAuthVendor and Secret that this process may change (required)")
	s.StringVar(&f.client, "client", "", "BrokerClient, as namespace/name (required)")
	s.StringVar(&f.t.Listen, "listen", ":8443", "address of the vendor's listener")
	s.StringVar(&f.t.Host, "host", "", "IP address or name at which brokers reach this process (required)")
	s.StringVar(&f.service, "service", "", "Service of the brokers, in this namespace, instead of the public URL's host")
	s.BoolVar(&f.plain, "plain-http", false, "with --service: brokers speak plain http")
	s.StringVar(&f.caFile, "ca-file", "", "PEM file of certificates to trust, for the brokers")
	s.DurationVar(&f.timeout, "timeout", 90*time.Second, "how long all of it may take")
	return c
}

func (f *selftestFlags) run(c *cobra.Command) error {
	namespace, name, ok := strings.Cut(f.client, "/")
	if f.t.PublicURL == "" || f.t.Vendor == "" || f.t.Host == "" || !ok {
		return command.SeeHelp(c, errors.New("--public-url, --vendor, --host and --client NAMESPACE/NAME are required"))
	}
	f.t.Client, f.t.Namespace = types.NamespacedName{Namespace: namespace, Name: name}, f.cluster.Namespace
	hc, err := reach.Client(f.caFile)
	if err != nil {
		return command.Usage(err)
	}
	if transport, ok := hc.Transport.(*http.Transport); ok && f.service != "" {
		hc.Transport = &selftest.Via{Address: serviceAddress(f.service, f.plain), Plain: f.plain, Next: transport}
	}
	cluster, err := kube.Connect(f.cluster)
	if err != nil {
		return err
	}
	f.t.HTTP, f.t.Objects, f.t.Now, f.t.Out = hc, cluster.Objects, time.Now, c.OutOrStdout()
	ctx, cancel := context.WithTimeout(c.Context(), f.timeout)
	defer cancel()
	if err := f.t.Run(ctx); err != nil {
		return fmt.Errorf("selftest: %w", err)
	}
	return nil
}

// serviceAddress takes a Service's address from the environment that kubelet
// makes, so that no DNS is needed; else its name.
func serviceAddress(service string, plain bool) string {
	prefix := strings.ToUpper(strings.ReplaceAll(service, "-", "_")) + "_SERVICE_"
	host, port := os.Getenv(prefix+"HOST"), os.Getenv(prefix+"PORT")
	if host == "" {
		host = service
	}
	if port == "" && plain {
		port = "80"
	} else if port == "" {
		port = "443"
	}
	return net.JoinHostPort(host, port)
}
