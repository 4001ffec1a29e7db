// SPDX-License-Identifier: Apache-2.0

// Command broker serves OAuth logins: one host with the one redirect URI that
// vendors allow-list. `broker serve --help` lists its flags.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/oauthbroker/oauth-broker/internal/command"
	"github.com/oauthbroker/oauth-broker/internal/version"
)

// heapFloor is memory that is never touched, so that it is never resident, and
// that the garbage collector counts: the next collection is due at twice what
// lives. A broker's own heap is a few MiB, and without it most of the collector's
// work would be to look at these again and again. docs/performance.md has the
// figures; GOGC and GOMEMLIMIT work as ever.
const heapFloor = 32 << 20

func main() {
	floor := make([]byte, heapFloor)
	defer runtime.KeepAlive(floor)
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
