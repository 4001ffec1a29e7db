// SPDX-License-Identifier: Apache-2.0

// Command broker serves OAuth logins: one host with the one redirect URI that
// vendors allow-list. `broker serve --help` lists its flags.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/oauthbroker/oauth-broker/internal/command"
	"github.com/oauthbroker/oauth-broker/internal/version"
)

// How often the garbage collector runs. A broker's heap is a few MiB, or 20 with
// 10,000 credentials, and Go would look at all of it each time that it doubled:
// a fifth of the CPU time of logins. It may grow fivefold instead, as long as that
// stays well below the memory limit that the charts set. docs/performance.md has
// the figures. GOGC and GOMEMLIMIT go before.
const (
	heapGrowthPercent = 400
	softMemoryLimit   = 384 << 20
)

func tuneCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowthPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softMemoryLimit)
	}
}

func main() {
	tuneCollector()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A log that nobody reads any more is no reason to end.
	signal.Ignore(syscall.SIGPIPE)
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

// What wrong command lines are answered with.
func group(c *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	return command.Group(c, commands...)
}

func arguments(check cobra.PositionalArgs) cobra.PositionalArgs { return command.Arguments(check) }

func seeHelp(c *cobra.Command, err error) error { return command.SeeHelp(c, err) }
