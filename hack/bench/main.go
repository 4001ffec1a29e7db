// SPDX-License-Identifier: Apache-2.0

// Command bench is `make bench`: what a login through the broker costs, beside
// what it would cost without a single check.
//
// It starts, as processes of their own so that their CPU time is told apart:
//
//   - the vendor: a fake that does no work worth speaking of (vendor.go),
//   - the null broker: bare handlers that make the same calls and check nothing
//     (null.go),
//   - two brokers as they are shipped, one that serves 10 credentials and one
//     that serves 10,000, fed by the published document over the Kubernetes API,
//     as in a cluster (apiserver.go).
//
// The users (user.go, load.go) are in this process: each is a browser and a
// client with connections of its own. What is compared is measured in turns, a
// short stretch each and many rounds (rounds.go), so that whatever else the
// machine does hits all alike; ratios are made within a round, and their
// minimum, median and maximum are told. CPU time is the process's own, from the
// kernel; allocations are the Go runtime's.
//
// Read it in this order: run.go (the sections), rounds.go, user.go, report.go.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are the command line's.
type options struct {
	quick    bool
	rounds   int
	stretch  time.Duration
	sections string
	users    string
	out      string
	profile  string
	broker   string
	// role and dir are for the processes that this one starts.
	role, dir, listen string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := start(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func start(ctx context.Context, args []string) error {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.BoolVar(&o.quick, "quick", false, "a minute instead of several: 3 rounds of half a second")
	f.IntVar(&o.rounds, "rounds", 9, "rounds of each comparison")
	f.DurationVar(&o.stretch, "stretch", 1500*time.Millisecond, "how long each is measured in a round")
	f.StringVar(&o.sections, "sections", strings.Join(sectionNames(), ","), "which parts to run")
	f.StringVar(&o.users, "users", "1,8,64,256", "how many log in at once, one after another, in the sections logins and visits")
	f.StringVar(&o.out, "out", "dist/bench.json", "file for the figures as JSON; empty writes none")
	f.StringVar(&o.profile, "profile", "dist/bench.cpu.pprof", "file for the broker's CPU profile, for go tool pprof; empty writes none")
	f.StringVar(&o.broker, "broker", "", "broker binary to measure; empty builds ./cmd/broker")
	f.StringVar(&o.role, "role", "", "internal: vendor or null")
	f.StringVar(&o.dir, "dir", "", "internal: directory with certificates")
	f.StringVar(&o.listen, "listen", "", "internal: address to listen on")
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.quick {
		o.rounds, o.stretch = 3, 500*time.Millisecond
	}
	switch o.role {
	case "vendor":
		return serveVendor(ctx, o.dir, o.listen)
	case "null":
		return serveNull(ctx, o.dir, o.listen)
	}
	return run(ctx, o)
}
