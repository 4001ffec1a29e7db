// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sizes of the two configurations.
const (
	fewTenants  = 10
	manyTenants = 10_000
)

// usual is how many users log in at once where the number is not the point.
const usual = 8

// bench is everything that runs.
type bench struct {
	options
	report

	trust *tls.Config
	http  *http.Client

	vendor, null *target
	few, many    *target
	running      []*process
}

// section is one part of the report.
type section struct {
	name, title string
	do          func(*bench, context.Context) error
}

func sections() []section {
	return []section{
		{"floor", "What cryptography alone costs", (*bench).floor},
		{"memory", "Memory with 10 and with 10,000 credentials", (*bench).memories},
		{"logins", "Complete logins on connections that are kept: broker and null broker in turns", (*bench).logins},
		{"visits", "Complete logins from browsers that connect anew, over HTTP/2", (*bench).visits},
		{"refreshes", "Refreshes", (*bench).refreshes},
		{"credentials", "10 and 10,000 credentials", (*bench).credentials},
		{"reload", "Ten new configurations a second", (*bench).reload},
		{"profile", "Where the broker's CPU time goes", (*bench).profiled},
	}
}

func sectionNames() []string {
	var names []string
	for _, s := range sections() {
		names = append(names, s.name)
	}
	return names
}

func run(ctx context.Context, o options) (err error) {
	chosen := strings.Split(o.sections, ",")
	for _, name := range chosen {
		if !slices.Contains(sectionNames(), name) {
			return fmt.Errorf("-sections: there is no %q, there is %s", name, strings.Join(sectionNames(), ", "))
		}
	}
	dir, err := os.MkdirTemp("", "oauth-broker-bench-")
	if err != nil {
		return fmt.Errorf("making a temporary directory: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	o.dir = dir
	b := &bench{options: o, report: newReport(os.Stdout)}
	defer func() {
		for _, p := range slices.Backward(b.running) {
			p.stop()
		}
		cancel()
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	b.describe(ctx)
	b.title("Starting vendor, null broker and two brokers")
	if err := b.startAll(ctx); err != nil {
		return err
	}
	for _, s := range sections() {
		if !slices.Contains(chosen, s.name) {
			continue
		}
		b.title(s.title)
		if err := s.do(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	b.conclude()
	return b.save(o.out)
}

func (b *bench) startAll(ctx context.Context) error {
	if err := newCertificate(b.dir); err != nil {
		return err
	}
	var err error
	if b.trust, err = trusting(b.dir); err != nil {
		return err
	}
	b.http = callers(b.trust)
	if b.vendor, err = b.startRole(ctx, "vendor", ""); err != nil {
		return err
	}
	if err := b.vendor.answers(ctx, b.http, "https://"+b.vendor.address+"/jwks"); err != nil {
		return err
	}
	if b.null, err = b.startRole(ctx, "null", ","+b.vendor.address); err != nil {
		return err
	}
	b.null.memory = "https://" + b.null.address + "/memory"
	if err := b.null.answers(ctx, b.http, b.null.memory); err != nil {
		return err
	}
	if err := b.build(ctx); err != nil {
		return err
	}
	if b.few, err = b.startBroker(ctx, "broker", fewTenants, unprofiled); err != nil {
		return err
	}
	b.many, err = b.startBroker(ctx, "broker-10k", manyTenants, unprofiled)
	return err
}

// build makes the broker as releases have it.
func (b *bench) build(ctx context.Context) error {
	if b.broker != "" {
		return nil
	}
	b.broker = filepath.Join(b.dir, "broker-binary")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.broker, "github.com/oauthbroker/oauth-broker/cmd/broker")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the broker: %w\n%s", err, out)
	}
	return nil
}

// startRole starts this program in another role. more is added to the address
// that it is to listen on.
func (b *bench) startRole(ctx context.Context, role, more string) (*target, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	t := &target{tenants: fewTenants}
	if t.address, err = freeAddress(ctx); err != nil {
		return nil, err
	}
	if t.process, err = spawn(b.dir, role, exec.Command(self, "-role", role, "-dir", b.dir, "-listen", t.address+more)); err != nil {
		return nil, err
	}
	b.running = append(b.running, t.process)
	return t, nil
}

// unprofiled is how brokers run without --pprof, which these have to be told to
// collect their garbage: allocations are not sampled.
const unprofiled = "GODEBUG=memprofilerate=0"

// startBroker starts a broker with its API server.
func (b *bench) startBroker(ctx context.Context, name string, tenants int, environment ...string) (*target, error) {
	t := &target{tenants: tenants}
	var api, admin string
	for _, a := range []*string{&api, &admin, &t.address} {
		var err error
		if *a, err = freeAddress(ctx); err != nil {
			return nil, err
		}
	}
	d, err := document(b.dir, b.vendor.address, tenants)
	if err != nil {
		return nil, err
	}
	if t.api, err = newAPIServer(name, d); err != nil {
		return nil, err
	}
	go func() { _ = serveTLS(ctx, b.dir, api, t.api) }() // a broker that cannot reach it says so
	ring, kubeconfig := filepath.Join(b.dir, name+".keyring"), filepath.Join(b.dir, name+".kubeconfig")
	if out, err := exec.CommandContext(ctx, b.broker, "keys", "new", ring).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("making a key ring: %w: %s", err, out)
	}
	text := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"c","contexts":[{"name":"c","context":{"cluster":"c","user":"u"}}],`+
		`"clusters":[{"name":"c","cluster":{"server":"https://%s","certificate-authority":%q}}],"users":[{"name":"u","user":{}}]}`, api, filepath.Join(b.dir, certFile))
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("writing the kubeconfig: %w", err)
	}
	cmd := exec.Command(b.broker, "serve",
		"--public-url", "https://"+t.address, "--listen", t.address, "--admin-listen", admin,
		"--tls-cert", filepath.Join(b.dir, certFile), "--tls-key", filepath.Join(b.dir, keyFile), "--keyring", ring,
		"--published-namespace", name, "--kubeconfig", kubeconfig, "--shutdown-delay", "0s", "--pprof", "--last-good", filepath.Join(b.dir, name+".last-good"),
		"--address-rate", "1000000", "--client-rate", "1000000") // counted, and never refused: all callers are one address
	cmd.Env = append(os.Environ(), environment...)
	if t.process, err = spawn(b.dir, name, cmd); err != nil {
		return nil, err
	}
	b.running = append(b.running, t.process)
	t.admin, t.memory = "http://"+admin, "http://"+admin+"/metrics"
	return t, t.answers(ctx, b.http, t.admin+"/readyz")
}

func (b *bench) logins(ctx context.Context) error {
	return b.eachCrowd(func(users int) error {
		contenders := []*contender{
			{name: "null", target: b.null, work: (*user).login},
			{name: "broker", target: b.few, work: (*user).login},
		}
		if users == 1 {
			contenders = append(contenders, &contender{name: "vendor", target: b.vendor, work: (*user).direct})
		}
		all, err := b.compare(ctx, users, contenders...)
		if err != nil {
			return err
		}
		b.add("logins", all[1], all[0])
		if users == 1 {
			b.latency(all[1], all[0], all[2])
		}
		return nil
	})
}

func (b *bench) visits(ctx context.Context) error {
	return b.eachCrowd(func(users int) error {
		all, err := b.compare(ctx, users,
			&contender{name: "null", target: b.null, work: (*user).visit},
			&contender{name: "broker", target: b.few, work: (*user).visit})
		if err != nil {
			return err
		}
		b.add("visits", all[1], all[0])
		return nil
	})
}

// eachCrowd measures with as many users as -users says, one number after another.
func (b *bench) eachCrowd(measure func(users int) error) error {
	for text := range strings.SplitSeq(b.users, ",") {
		users, err := strconv.Atoi(text)
		if err != nil || users < 1 {
			return fmt.Errorf("-users: %q is not a number of users", text)
		}
		if err := measure(users); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) refreshes(ctx context.Context) error {
	all, err := b.compare(ctx, usual,
		&contender{name: "null", target: b.null, work: (*user).refresh},
		&contender{name: "broker", target: b.few, work: (*user).refresh})
	if err != nil {
		return err
	}
	b.add("refreshes", all[1], all[0])
	return nil
}

func (b *bench) credentials(ctx context.Context) error {
	all, err := b.compare(ctx, usual,
		&contender{name: "10", target: b.few, work: (*user).login},
		&contender{name: "10,000", target: b.many, work: (*user).login})
	if err != nil {
		return err
	}
	b.add("credentials", all[1], all[0])
	return nil
}

// memories reads what idle brokers hold after a collection.
func (b *bench) memories(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(3 * time.Second): // what a start needs is done by then
	}
	for _, t := range []*target{b.few, b.many} {
		if _, err := read(ctx, b.http, t.admin+"/debug/pprof/heap?gc=1"); err != nil {
			return err
		}
		text, err := read(ctx, b.http, t.memory)
		if err != nil {
			return err
		}
		m, err := numbers(text)
		if err != nil {
			return err
		}
		rss, err := t.rss()
		if err != nil {
			return err
		}
		b.addMemory(memory{Credentials: t.tenants, RSS: rss, Heap: int64(m["go_memstats_heap_alloc_bytes"])})
	}
	return nil
}

// profiled takes a CPU profile of the broker under load.
func (b *bench) profiled(ctx context.Context) error {
	if b.profile == "" {
		return nil
	}
	profiled, err := b.startBroker(ctx, "broker-profiled", fewTenants)
	if err != nil {
		return err
	}
	c := &contender{name: "broker", target: profiled, work: (*user).login}
	if err := c.gather(ctx, usual, b); err != nil {
		return err
	}
	defer c.leave()
	seconds := max(2, int(time.Duration(b.rounds)*b.stretch/time.Second))
	var profile []byte
	got := make(chan error, 1)
	go func() {
		var err error
		profile, err = read(ctx, b.http, fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", profiled.admin, seconds))
		got <- err
	}()
	if _, err := c.run(ctx, time.Duration(seconds)*time.Second, 0); err != nil {
		return err
	}
	if err := <-got; err != nil {
		return err
	}
	allocations, err := read(ctx, b.http, profiled.admin+"/debug/pprof/allocs")
	if err != nil {
		return err
	}
	if err := errors.Join(writeFile(b.profile, profile), writeFile(b.profile+".allocs", allocations)); err != nil {
		return err
	}
	return b.showProfile(ctx)
}
