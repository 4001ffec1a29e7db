// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/test/capture"
)

// Patience is how long a command may take on a busy machine.
const Patience = time.Minute

// Program is the built command line.
type Program struct {
	T    testing.TB
	Path string
	// Env is the environment besides the parent's, NAME=value.
	Env []string
	// Input is standard input.
	Input string
}

// Result is what a command printed, and its exit code.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// Run runs a command to its end.
func (p Program) Run(args ...string) Result {
	p.T.Helper()
	r, wait := p.Start(args...)
	wait()
	return Result{r.out.String(), r.errs.String(), r.code}
}

// Running is a command under way.
type Running struct {
	out, errs capture.Buffer
	code      int
}

// Stderr is what it has written so far.
func (r *Running) Stderr() string { return r.errs.String() }

// Result is for after the end.
func (r *Running) Result() Result { return Result{r.out.String(), r.errs.String(), r.code} }

// Start runs a command; wait waits for its end.
func (p Program) Start(args ...string) (running *Running, wait func()) {
	p.T.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.T.Context()), Patience)
	r := &Running{}
	cmd := exec.CommandContext(ctx, p.Path, args...)
	cmd.Env = append(os.Environ(), p.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(p.Input), io.Writer(&r.out), io.Writer(&r.errs)
	if err := cmd.Start(); err != nil {
		cancel()
		p.T.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		err := cmd.Wait()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			r.code = exit.ExitCode()
		} else if err != nil {
			r.code = -1
		}
	}()
	p.T.Cleanup(func() { cancel(); <-done })
	return r, func() { <-done }
}
