// SPDX-License-Identifier: Apache-2.0

// Command dev is `make run`: the whole product on one machine, with nothing
// installed but Go and make.
//
// It builds manager and broker, starts a control plane (etcd and
// kube-apiserver), an OpenID provider that is not ours (zitadel/oidc), the
// manager and two brokers, applies config/samples with kubectl, logs in as a
// headless browser with an unmodified OAuth client, and measures how long an
// edit takes to be served everywhere. Then it stays up until Ctrl-C, or, with
// --once, exits with 0 or the reason.
//
// Read it in this order: main.go (the steps), cluster.go and processes.go
// (what runs), walk.go and browser.go (a login), measure.go (edits).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/oauthbroker/oauth-broker/test/authority"
)

// options are the command line.
type options struct {
	once         bool
	port         int
	providerPort int
	keep         bool
	envFile      string
}

func main() {
	var o options
	flag.BoolVar(&o.once, "once", false, "exit after the demonstration, with 0 or the reason")
	flag.IntVar(&o.port, "port", 8443, "port of the broker's public URL; a free one when it is taken, 0 for any")
	flag.IntVar(&o.providerPort, "provider-port", samplePort, "port of the OpenID provider; a free one when it is taken, 0 for any")
	flag.BoolVar(&o.keep, "keep", false, "keep the temporary directory with logs and certificates")
	flag.StringVar(&o.envFile, "env-file", "", "write what a second terminal needs to this file while everything is up")
	flag.Parse()
	log.SetLogger(logr.Discard()) // else envtest asks for one, with a stack trace, where the machine is slow
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	err := run(ctx, o, os.Stdout)
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "\nmake run FAILED:", err)
		os.Exit(1)
	}
}

// run does the demonstration and takes everything down again.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "oauth-broker-dev-")
	if err != nil {
		return fmt.Errorf("making a temporary directory: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d := &demo{options: o, report: report{out: out, start: time.Now()}, dir: dir, fail: cancel}
	defer func() {
		if err != nil && !interrupted(ctx) {
			d.showLogs()
		}
		d.title("Stopping")
		err = errors.Join(err, d.stop())
		if o.keep {
			d.line("kept %s", dir)
		} else {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if err := d.demonstrate(ctx); err != nil {
		if interrupted(ctx) {
			return errors.New("interrupted")
		}
		if cause := context.Cause(ctx); cause != nil {
			return cause // a process died, and that is why the step failed
		}
		return err
	}
	d.title("All of it works (%s)", d.elapsed())
	if !o.once {
		return d.stayUp(ctx)
	}
	return nil
}

// interrupted tells whether the user stopped it, rather than a failure.
func interrupted(ctx context.Context) bool { return errors.Is(context.Cause(ctx), context.Canceled) }

// demo is everything that runs.
type demo struct {
	options
	report

	dir string
	// fail ends the demonstration, for example when a process dies.
	fail      context.CancelCauseFunc
	cluster   *cluster
	provider  *provider
	front     *front
	processes []*process
	ports     ports
	trust     *authority.Authority
	staying   atomic.Bool
}

// demonstrate does the steps, each within its own time.
func (d *demo) demonstrate(ctx context.Context) error {
	for _, step := range []struct {
		title string
		limit time.Duration
		do    func(context.Context) error
	}{
		{"Building manager, broker and oauth-broker", 20 * time.Minute, d.build},
		{"Starting the OpenID provider (zitadel/oidc)", time.Minute, d.startProvider},
		{"Starting etcd and kube-apiserver", 4 * time.Minute, d.startCluster},
		{"Starting manager and two brokers", 2 * time.Minute, d.startProduct},
		{"Applying config/samples with kubectl", 2 * time.Minute, d.applySamples},
		{"Login 1: public client acme.cli, with the platform's OAuth app", time.Minute, d.loginShared},
		{"Login 2: confidential client globex.web, with globex's own OAuth app", time.Minute, d.loginBYOC},
		{"Editing the OAuthVendor: how long until both brokers serve it?", 3 * time.Minute, d.measureEdits},
	} {
		d.title("%s", step.title)
		stepCtx, cancel := context.WithTimeout(ctx, step.limit)
		err := step.do(stepCtx)
		cancel()
		if err != nil {
			return fmt.Errorf("%s: %w", step.title, err)
		}
	}
	return nil
}

// stayUp leaves everything running for trying by hand. A process that dies is
// told of, and no failure: killing a broker is one of the things to try.
func (d *demo) stayUp(ctx context.Context) error {
	d.staying.Store(true)
	if d.envFile != "" {
		if err := os.WriteFile(d.envFile, []byte(d.environment()), 0o600); err != nil {
			return fmt.Errorf("writing the environment file: %w", err)
		}
		defer func() { _ = os.Remove(d.envFile) }() // it names what is going away
	}
	d.handOver()
	<-ctx.Done()
	if !interrupted(ctx) {
		return context.Cause(ctx)
	}
	return nil
}

// stop takes everything down, the newest first.
func (d *demo) stop() error {
	var errs []error
	if d.front != nil {
		errs = append(errs, d.front.close())
	}
	for _, p := range slices.Backward(d.processes) {
		errs = append(errs, p.stop())
	}
	if d.cluster != nil {
		errs = append(errs, d.cluster.stop())
	}
	if d.provider != nil {
		errs = append(errs, d.provider.stop())
	}
	return errors.Join(errs...)
}
