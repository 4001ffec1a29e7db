// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/oauthbroker/oauth-broker/internal/cli/kube"
	"github.com/oauthbroker/oauth-broker/internal/cli/reach"
	"github.com/oauthbroker/oauth-broker/internal/cli/vendors"
	"github.com/oauthbroker/oauth-broker/internal/command"
)

// vendorsFlags are the flags of `vendors list` and `vendors show`.
type vendorsFlags struct {
	cluster                kube.Options
	broker, config, caFile string
	asJSON                 bool
}

func newVendors() *cobra.Command {
	return command.Group(&cobra.Command{Use: "vendors", Short: "List, show and check vendors"}, newVendorsList(), newVendorsShow(), command.VendorsCheck("oauth-broker"))
}

const vendorsPlaces = `They are read from the cluster of the kubeconfig, from a directory of manifests
(--config), or from the metadata documents of a broker (--broker), which tell
what its clients see`

func newVendorsList() *cobra.Command {
	var f vendorsFlags
	c := &cobra.Command{
		Use:     "list [NAME...]",
		Short:   "List vendors",
		Long:    "List vendors: all, or the named ones.\n\n" + vendorsPlaces + ".\nA broker that keeps its vendors off its landing page lists none: name them.",
		Example: "  oauth-broker vendors list\n  oauth-broker vendors list --config config/vendors --json\n  oauth-broker vendors list --broker https://broker.example.com",
		RunE: func(c *cobra.Command, names []string) error {
			found, err := f.read(c, names)
			if err != nil {
				return err
			}
			if f.asJSON {
				return command.JSON(c.OutOrStdout(), found)
			}
			return listVendors(c.OutOrStdout(), found)
		},
	}
	f.add(c)
	return c
}

func newVendorsShow() *cobra.Command {
	var f vendorsFlags
	c := &cobra.Command{
		Use:     "show NAME",
		Short:   "Show what is known of a vendor, and the redirect URI to register there",
		Long:    "Show a vendor: its endpoints, scopes, state, the issuer to give to clients, and the\nredirect URI to register there.\n\n" + vendorsPlaces + ".",
		Example: "  oauth-broker vendors show github\n  oauth-broker vendors show github --config config/vendors",
		Args:    command.Arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, names []string) error {
			found, err := f.read(c, names)
			if err != nil {
				return err
			}
			if f.asJSON {
				return command.JSON(c.OutOrStdout(), found[0])
			}
			return showVendor(c.OutOrStdout(), &found[0])
		},
	}
	f.add(c)
	return c
}

func (f *vendorsFlags) add(c *cobra.Command) {
	s := c.Flags()
	clusterFlags(s, &f.cluster)
	s.StringVar(&f.config, "config", "", "read manifests below this directory instead of a cluster")
	s.StringVar(&f.broker, "broker", "", "read the metadata documents of the broker at this URL instead of a cluster")
	s.StringVar(&f.caFile, "ca-file", "", "with --broker: PEM file of a CA to trust besides the system's")
	s.BoolVar(&f.asJSON, "json", false, "print JSON")
	c.MarkFlagsMutuallyExclusive("config", "broker")
}

// read gets the named vendors, or all; a name that is not there is an error.
func (f *vendorsFlags) read(c *cobra.Command, names []string) ([]vendors.Vendor, error) {
	if i := slices.IndexFunc(names, func(name string) bool { return strings.ContainsAny(name, "/.") }); i >= 0 {
		return nil, command.Usage(fmt.Errorf("%q is no vendor's name: manifests are read with --config DIR, and checked with vendors check", names[i]))
	}
	p := command.NewProgress(os.Stderr)
	defer p.Done()
	p.Step("reading vendors")
	found, err := f.all(c.Context(), names)
	if err != nil || len(names) == 0 {
		return found, err
	}
	var out []vendors.Vendor
	for _, name := range names {
		i := slices.IndexFunc(found, func(v vendors.Vendor) bool { return v.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("%w as %q: oauth-broker vendors list shows all", vendors.ErrUnknown, name)
		}
		out = append(out, found[i])
	}
	return out, nil
}

func (f *vendorsFlags) all(ctx context.Context, names []string) ([]vendors.Vendor, error) {
	switch {
	case f.config != "":
		return vendors.FromDirectory(ctx, f.config)
	case f.broker != "":
		hc, err := reach.Client(f.caFile)
		if err != nil {
			return nil, command.Usage(err)
		}
		return vendors.FromBroker(ctx, hc, f.broker, names)
	}
	cluster, err := kube.Connect(f.cluster)
	switch {
	case errors.Is(err, kube.ErrNoKubeconfig):
		return nil, fmt.Errorf("%w; or --config DIR for manifests, --broker URL for what a broker serves", err)
	case err != nil:
		return nil, err
	}
	return vendors.FromCluster(ctx, cluster)
}

func listVendors(out io.Writer, found []vendors.Vendor) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "NAME\tDISPLAY NAME\tREADY\tREDIRECT URI\tREASON")
	for _, v := range found {
		row := []string{v.Name, v.DisplayName, v.Ready, v.RedirectURI, v.Reason}
		for i, cell := range row {
			row[i] = cmp.Or(plain(cell), "-")
		}
		_, _ = fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

func showVendor(out io.Writer, v *vendors.Vendor) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range []struct{ name, value string }{
		{"name", v.Name}, {"display name", v.DisplayName}, {"category", v.Category}, {"ready", v.Ready}, {"reason", v.Reason},
		{"issuer for clients", v.BrokerIssuer}, {"redirect URI to register", v.RedirectURI}, {"register it at", v.SetupURL},
		{"vendor's issuer", v.Issuer}, {"authorization endpoint", v.Authorization}, {"token endpoint", v.Token},
		{"registration endpoint", v.Registration}, {"revocation endpoint", v.Revocation},
		{"default scopes", strings.Join(v.DefaultScopes, " ")}, {"scopes", strings.Join(v.Scopes, " ")}, {"documentation", v.DocumentationURL},
	} {
		if row.value != "" {
			_, _ = fmt.Fprintf(t, "%s\t%s\n", row.name, plain(row.value))
		}
	}
	return t.Flush()
}

// plain keeps what others wrote from steering the terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
