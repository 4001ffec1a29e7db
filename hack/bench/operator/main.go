// SPDX-License-Identifier: Apache-2.0

// Command operator measures how long a change takes from the API server until
// status says that the brokers serve it, and what it costs: with 100 credentials
// and, in the same run, with 10,000.
//
// Everything is real: etcd and kube-apiserver, the manager's and the broker's own
// binaries, their own rights (config/rbac). Nothing leaves the machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

// options of a run.
type options struct {
	small, large size
	edits        int
	burst        int
	steady       time.Duration
	logs         string
}

// size is how many objects there are.
type size struct {
	namespaces, perNamespace int
	vendors, clients         int
}

func (s size) credentials() int { return s.namespaces * s.perNamespace }

func main() {
	o := options{small: size{namespaces: 50, perNamespace: 2, vendors: 2, clients: 10}, large: size{namespaces: 100, vendors: 200}}
	credentials := flag.Int("credentials", 10_000, "BYOCCredentials of the large run, a multiple of 100")
	flag.IntVar(&o.large.clients, "clients", 1_000, "BrokerClients of the large run")
	flag.IntVar(&o.edits, "edits", 50, "edits that are timed one by one")
	flag.IntVar(&o.burst, "burst", 20, "edits that are made back to back")
	flag.DurationVar(&o.steady, "steady", 60*time.Second, "how long writes are counted while nothing changes")
	flag.StringVar(&o.logs, "log", "", "directory for the logs of manager and broker (by default a temporary one)")
	flag.Parse()
	o.large.perNamespace = max(*credentials/o.large.namespaces, o.small.perNamespace)
	ctrl.SetLogger(logr.Discard()) // the libraries are chatty, and their work is measured
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench-operator:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (failure error) {
	ctx, cancel := context.WithCancel(ctx)
	b, err := start(ctx, o.logs)
	if err != nil {
		cancel()
		return err
	}
	defer func() {
		cancel() // an API server does not stop while somebody watches
		failure = errors.Join(failure, b.stop())
	}()
	small, err := b.measure(ctx, o, o.small)
	if err != nil {
		return fmt.Errorf("with %d credentials: %w", o.small.credentials(), err)
	}
	large, err := b.measure(ctx, o, o.large)
	if err != nil {
		return fmt.Errorf("with %d credentials: %w", o.large.credentials(), err)
	}
	return report(small, large)
}

// measure makes the objects of a size while no operator runs, starts one, and
// takes the figures.
func (b *bench) measure(ctx context.Context, o options, s size) (figures, error) {
	f := figures{size: s}
	b.say("%d BYOCCredentials with Secrets, %d BrokerClients, %d OAuthVendors", s.credentials(), s.clients, s.vendors)
	if err := b.grow(ctx, s); err != nil {
		return f, err
	}
	if err := b.firstPublish(ctx, &f); err != nil {
		return f, err
	}
	for _, step := range []func() error{
		func() error { return b.timeEdits(ctx, o.edits, &f) },
		func() error { return b.timeBurst(ctx, o.burst, &f) },
		func() error { return b.timeVendor(ctx, &f) },
		func() error { return b.countSteady(ctx, o.steady, &f) },
		func() error { return b.countRestart(ctx, &f) },
	} {
		if err := step(); err != nil {
			return f, err
		}
	}
	return f, b.stopManager()
}
