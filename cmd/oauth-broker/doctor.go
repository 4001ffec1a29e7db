// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/oauthbroker/oauth-broker/internal/cli/doctor"
	"github.com/oauthbroker/oauth-broker/internal/cli/kube"
	"github.com/oauthbroker/oauth-broker/internal/cli/reach"
	"github.com/oauthbroker/oauth-broker/internal/command"
)

// doctorFlags are the flags of `doctor`.
type doctorFlags struct {
	cluster           kube.Options
	d                 doctor.Doctor
	caFile            string
	noCluster, asJSON bool
	timeout           time.Duration
}

const doctorHelp = `Check an install and say what to fix. Nothing is changed, and of Secrets only
names and keys are shown.

Checks, by the name that each line begins with:

    api-server    the API server answers
    clock         this machine, the API server and the broker agree on the time
    crds          the three kinds are installed
    deployment    operator and brokers are there and ready
    version       they run one image
    secret        key ring, certificate, index and vendors' Secrets have their keys
    key-ring      ids and ages of the sealing keys; every pod holds them all
    certificate   the broker's certificate is for its host, and not about to expire
    object        conditions of OAuthVendors, BYOCCredentials and BrokerClients
    redirect-uri  what to register at which vendor
    vendor-host   vendors' hosts can be reached, from this machine
    pod           each broker serves what is published
    broker-url    the public URL leads to a broker that is ready

A problem makes the exit code 1, a note does not. You need get and list on these
objects; what you may not see is a note. Pods are asked through the API server
(get on pods/proxy), or at --broker-admin.`

func newDoctor() *cobra.Command {
	var f doctorFlags
	c := &cobra.Command{
		Use:     "doctor",
		Short:   "Check an install and say what to fix",
		Long:    doctorHelp,
		Example: "  oauth-broker doctor\n  oauth-broker doctor -n auth --json | jq '.findings[] | select(.level == \"problem\")'\n  oauth-broker doctor --no-cluster --broker https://broker.example.com --broker-admin http://127.0.0.1:9090",
		Args:    command.Arguments(cobra.NoArgs),
		RunE:    func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	s := c.Flags()
	clusterFlags(s, &f.cluster)
	s.StringVar(&f.d.PublicURL, "broker", "", "public URL of the broker; by default that of the Deployment")
	s.StringVar(&f.d.BrokerClass, "broker-class", "", "class of the install; by default that of the Deployment")
	s.StringVar(&f.d.PublishedNamespace, "published-namespace", "", "namespace of what is published; by default that of the Deployment")
	s.StringSliceVar(&f.d.Admin, "broker-admin", nil, "admin URLs of brokers, asked instead of the pods (repeatable)")
	s.StringVar(&f.caFile, "ca-file", "", "PEM file of a CA to trust besides the system's, for the broker")
	s.BoolVar(&f.noCluster, "no-cluster", false, "only reach --broker and --broker-admin")
	s.DurationVar(&f.timeout, "timeout", 2*time.Minute, "how long all checks may take")
	s.BoolVar(&f.asJSON, "json", false, "print JSON")
	return c
}

func (f *doctorFlags) run(c *cobra.Command) error {
	if f.noCluster && f.d.PublicURL == "" {
		return command.Usage(errors.New("--no-cluster needs --broker"))
	}
	var err error
	if f.d.HTTP, err = reach.Client(f.caFile); err != nil {
		return command.Usage(err)
	}
	if !f.noCluster {
		if f.d.Cluster, err = kube.Connect(f.cluster); err != nil {
			return err
		}
	}
	p := command.NewProgress(os.Stderr)
	defer p.Done()
	f.d.Now, f.d.Step = time.Now, p.Step
	ctx, cancel := context.WithTimeout(c.Context(), f.timeout)
	defer cancel()
	report, err := f.d.Run(ctx)
	p.Done()
	if err != nil {
		return err
	}
	if f.asJSON {
		err = command.JSON(c.OutOrStdout(), report)
	} else {
		err = report.Text(c.OutOrStdout())
	}
	if err != nil {
		return err
	}
	if !report.OK {
		return errProblems
	}
	return nil
}
