// SPDX-License-Identifier: Apache-2.0

// Command broker serves OAuth logins: one host with the one redirect URI that
// vendors allow-list. `broker serve --help` lists its flags.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/oauthbroker/oauth-broker/internal/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "broker:", err)
		stop()
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	root := group(&cobra.Command{
		Use:           "broker",
		Short:         "One approved redirect URI for many deployments: an OAuth broker",
		Version:       version.Get().String(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}, newServe(), newKeys(), newVendors())
	root.SetFlagErrorFunc(seeHelp)
	return root
}

// group makes c a command that only has others: alone it shows its help, and
// what it does not have is an error.
func group(c *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	names := make([]string, 0, len(commands))
	for _, sub := range commands {
		names = append(names, sub.Name())
	}
	c.AddCommand(commands...)
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return seeHelp(c, fmt.Errorf("unknown command %q, there is: %s", args[0], strings.Join(names, ", ")))
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	return c
}

// arguments makes wrong arguments an error that says where to read on.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return seeHelp(c, err)
		}
		return nil
	}
}

func seeHelp(c *cobra.Command, err error) error {
	return fmt.Errorf("%w; see: %s --help", err, c.CommandPath())
}
