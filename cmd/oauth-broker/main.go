// SPDX-License-Identifier: Apache-2.0

// Command oauth-broker is for people: it logs in from a terminal, checks an
// install and says what to fix, shows vendors, and explains the code that an
// error page shows. As `kubectl-oauth_broker` in the PATH it is a kubectl plugin.
//
// This folder holds flags, printing and exit codes; the work is in internal/cli.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/oauthbroker/oauth-broker/internal/command"
	"github.com/oauthbroker/oauth-broker/internal/version"
)

// Exit codes.
const (
	exitOK = iota
	// exitProblem: what was asked for failed, or problems were found.
	exitProblem
	// exitUsage: the command line makes no sense.
	exitUsage
)

// errProblems ends a command whose output has said what is wrong.
var errProblems = errors.New("there are problems")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	err := newCommand(filepath.Base(os.Args[0])).ExecuteContext(ctx)
	stop()
	code := exitCode(err)
	if err != nil && !errors.Is(err, errProblems) {
		fmt.Fprintln(os.Stderr, "oauth-broker:", err)
	}
	os.Exit(code)
}

func exitCode(err error) int {
	switch {
	case err == nil:
		return exitOK
	case command.IsUsage(err):
		return exitUsage
	}
	return exitProblem
}

const about = `oauth-broker looks at an OAuth Broker from outside, as its users and operators do.

Exit codes: 0 it worked, and nothing is wrong; 1 it failed, or problems were
found; 2 the command line makes no sense. What is asked for goes to standard
output (with --json as JSON), everything else to standard error.

As kubectl-oauth_broker in the PATH it is a plugin: kubectl oauth-broker doctor.`

func newCommand(program string) *cobra.Command {
	root := command.Group(&cobra.Command{
		Use:           "oauth-broker",
		Short:         "Log in through an OAuth Broker, check an install, explain errors",
		Long:          about,
		Version:       version.Get().String(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}, newLogin(), newDoctor(), newVendors(), newExplain(), newSelftest(), newVersion())
	if strings.HasPrefix(program, "kubectl-") {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl oauth-broker"}
	}
	root.SetFlagErrorFunc(command.SeeHelp)
	root.InitDefaultCompletionCmd("completion") // known before Group's arguments are looked at
	return root
}

func newVersion() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  command.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			v := version.Get()
			if asJSON {
				return command.JSON(c.OutOrStdout(), map[string]string{"version": v.Version, "commit": v.Commit, "go": v.Go})
			}
			_, err := fmt.Fprintln(c.OutOrStdout(), "oauth-broker version", v)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
