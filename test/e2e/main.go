// SPDX-License-Identifier: Apache-2.0

// Command e2e proves an install on a real cluster: `make e2e`.
//
// It starts a single-node Kubernetes: by kind where kind and Docker are, else that
// of hack/cluster; or it uses KUBECONFIG with images that are there already. It
// installs charts/oauth-broker with three broker replicas and a vendor of our own
// in a pod, logs in through the Service, and then does to it what clusters do:
// edits, rolling restarts, killed pods, an API server that is away, upgrade,
// rollback, uninstall, the commands of the runbooks, and an install by kustomize.
// It prints what each step showed and exits with 0 or the reason.
//
// Read it in this order: main.go (the steps), install.go (what is installed),
// previous.go (what is upgraded), login.go (a login), load.go (logins while
// things break), edits.go, runbooks.go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/oauthbroker/oauth-broker/test/authority"
	"github.com/oauthbroker/oauth-broker/test/install"
)

// options are the command line.
type options struct {
	image, vendorImage string
	// previousImage and previousRef say what is installed first, to be upgraded.
	previousImage, previousRef string
	workers                    int
	outage                     time.Duration
	keep                       bool
	// runbooksOnly leaves out all but an install of this version and the commands
	// of the runbooks.
	runbooksOnly bool
}

func main() {
	var o options
	flag.StringVar(&o.image, "image", "", "with KUBECONFIG: tag of ghcr.io/oauthbroker/oauth-broker that the nodes have; nothing is built")
	flag.StringVar(&o.vendorImage, "vendor-image", "", "with KUBECONFIG: image of test/e2e/vendor that the nodes have")
	flag.StringVar(&o.previousRef, "previous-ref", "", "commit whose chart and image are installed first; default: the newest tag, or the first whole version")
	flag.StringVar(&o.previousImage, "previous-image", "", "with KUBECONFIG: tag of the image of --previous-ref that the nodes have")
	flag.IntVar(&o.workers, "workers", 4, "browsers that log in at the same time")
	flag.DurationVar(&o.outage, "outage", time.Minute, "how long the API server is stopped; only on the cluster of hack/cluster")
	flag.BoolVar(&o.keep, "keep", false, "leave cluster and install as they are at the end")
	flag.BoolVar(&o.runbooksOnly, "runbooks", false, "only install this version and run the commands of docs/runbooks")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	ctrllog.SetLogger(logr.Discard()) // the libraries have nothing to tell
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "\nmake e2e FAILED:", err)
		stop()
		os.Exit(1)
	}
}

// suite is what the steps share.
type suite struct {
	options
	tools install.Tools
	// scripts is the folder of the scripts that start and stop the cluster; empty
	// for somebody else's.
	scripts string
	// own is whether its processes are this machine's, to be killed.
	own        bool
	kubeconfig string
	kubectl    string
	dir        string
	// previous is the source tree of the version that is installed first.
	previous string
	began    time.Time
	trust    *authority.Authority
	// address of the brokers' Service, and what clients remember of them.
	service string
	tokens  remembered
}

func run(ctx context.Context, o options) (err error) {
	tools, err := install.Find(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "oauth-broker-e2e-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s := &suite{options: o, tools: tools, dir: dir, began: time.Now()}
	defer func() {
		if err != nil && s.kubeconfig != "" && ctx.Err() == nil {
			s.show(ctx)
		}
		if s.scripts != "" && !o.keep {
			s.title("Stopping the cluster")
			err = errors.Join(err, s.script(context.WithoutCancel(ctx), "down.sh"))
		}
	}()
	var failed []error
	for _, step := range s.steps() {
		s.title("%s", step.title)
		limited, cancel := context.WithTimeout(ctx, step.limit)
		err := step.do(limited)
		cancel()
		if err == nil {
			continue
		}
		failed = append(failed, fmt.Errorf("%s: %w", step.title, err))
		if step.needed || ctx.Err() != nil {
			return errors.Join(failed...)
		}
		s.line("FAILED: %v", err) // the other steps are tried, and the run fails
	}
	if len(failed) > 0 {
		return errors.Join(failed...)
	}
	s.title("All of it works")
	return nil
}

type step struct {
	title string
	limit time.Duration
	do    func(context.Context) error
	// needed is set where nothing after it makes sense without it.
	needed bool
}

func (s *suite) steps() []step {
	install := step{"helm install of the previous version, three brokers", 5 * time.Minute, s.installPrevious, true}
	if s.runbooksOnly {
		install = step{"helm install, three brokers", 5 * time.Minute, s.install, true}
	}
	begin := []step{
		{"Cluster", 20 * time.Minute, s.startCluster, true},
		{"Images", 15 * time.Minute, s.loadImages, true},
		{"Namespaces, certificates, vendor", 3 * time.Minute, s.prepare, true},
		install,
		{"Vendor, clients, BYOC credential; catalog chart", 3 * time.Minute, s.applyObjects, true},
		{"Logins through the Service", time.Minute, s.logins, true},
	}
	runbooks := []step{
		{"The commands of the runbooks", 15 * time.Minute, s.runbooks, false},
		{"The command line, and helm test", 5 * time.Minute, func(ctx context.Context) error { return errors.Join(s.people(ctx), s.helmTest(ctx)) }, false},
	}
	if s.runbooksOnly {
		return append(begin, runbooks...)
	}
	begin = append(begin, []step{
		{"kubectl apply to served by all three pods, 20 edits", 5 * time.Minute, s.measureEdits, false},
		{"Logins without end, while pods come and go", 15 * time.Minute, s.breakThings, false},
		{"API server away", 5*time.Minute + s.outage, s.stopAPIServer, false},
		{"helm upgrade, with logins", 5 * time.Minute, s.upgrade, false},
		{"helm rollback, with logins", 5 * time.Minute, s.rollback, false},
		{"helm uninstall keeps keys and objects; install again", 5 * time.Minute, s.reinstall, false},
	}...)
	return append(append(begin, runbooks...), step{"The same by kustomize", 5 * time.Minute, s.kustomize, false})
}

func (s *suite) title(format string, args ...any) {
	fmt.Printf("\n==> [%4.0f s] %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

func (s *suite) line(format string, args ...any) { fmt.Printf("    "+format+"\n", args...) }

func (s *suite) file(name string) string { return filepath.Join(s.dir, name) }
