// SPDX-License-Identifier: Apache-2.0

// Package command holds what the command lines of this project share: groups of
// commands that refuse what they do not have, arguments that are checked with a
// message that says where to read on, JSON for programs, and `vendors check`,
// which `broker` and `oauth-broker` both offer.
package command

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// UsageError is a command line that makes no sense: wrong flags or arguments.
type UsageError struct{ err error }

// Usage marks an error as one of usage.
func Usage(err error) error { return &UsageError{err: err} }

func (e *UsageError) Error() string { return e.err.Error() }
func (e *UsageError) Unwrap() error { return e.err }

// IsUsage tells whether the command line was wrong.
func IsUsage(err error) bool {
	_, is := errors.AsType[*UsageError](err)
	return is
}

// Group makes c a command that only has others: alone it shows its help, and
// what it does not have is an error.
func Group(c *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	var names []string
	for _, sub := range commands {
		if !sub.Hidden {
			names = append(names, sub.Name())
		}
	}
	c.AddCommand(commands...)
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return SeeHelp(c, fmt.Errorf("unknown command %q, there is: %s", args[0], strings.Join(names, ", ")))
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	return c
}

// Arguments makes wrong arguments an error that says where to read on.
func Arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return SeeHelp(c, err)
		}
		return nil
	}
}

// SeeHelp makes err a usage error that names the help to read.
func SeeHelp(c *cobra.Command, err error) error {
	return Usage(fmt.Errorf("%w; see: %s --help", err, c.CommandPath()))
}
