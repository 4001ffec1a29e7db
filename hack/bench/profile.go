// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// share is one kind of work in a CPU profile.
type share struct {
	Work    string  `json:"work"`
	Percent float64 `json:"percent"`
}

// kind is a kind of work, recognised by a function anywhere in the stack.
type kind struct {
	name      string
	functions []string
}

// kinds in the order in which they are tried: a stack is of the first that fits.
func kinds() []kind {
	return []kind{
		{"garbage collection", []string{"runtime.gcBgMarkWorker", "runtime.gcAssistAlloc", "runtime.bgsweep", "runtime.bgscavenge", "runtime.gcStart"}},
		{"log (one line per request)", []string{"log/slog"}},
		{"metrics", []string{"client_golang/prometheus"}},
		{"ID token: RSA signature", []string{"crypto/rsa.", "fips140/rsa."}},
		{"ID token: all but the signature", []string{"verifyIDToken"}},
		{"vendor call: sockets, TLS, HTTP/2", []string{"http2ClientConn", "http2Transport", "http2clientStream", "http2clientConnReadLoop", "http2.(*ClientConn)", "http2.(*Transport)", "http2.(*clientStream)", "http2.(*clientConnReadLoop)", "net/http.(*Client)", "net/http.(*Transport)"}},
		{"vendor call: request and answer", []string{"broker/vendor."}},
		{"sealing, opening, state", []string{"broker/seal."}},
		{"sockets (system calls)", []string{"internal/poll.(*FD)"}},
		{"TLS to browsers and clients", []string{"crypto/tls."}},
		{"parameters and cookies", []string{"broker/oauth.", "net/http.readCookies", "net/http.SetCookie", "net/url."}},
		{"broker: the rest of the handlers", []string{"oauth-broker/broker"}},
		{"HTTP/1.1 server", []string{"net/http.(*conn).serve", "net/http.(*connReader)"}},
		{"configuration", []string{"internal/kubesource", "client-go"}},
		{"scheduler, timers, network poller", []string{"runtime.schedule", "runtime.findRunnable", "runtime.mcall", "runtime.park_m", "runtime.mstart", "runtime.netpoll", "runtime.sysmon", "runtime.goexit0", "runtime.goready", "runtime.wakep"}},
	}
}

// showProfile prints the profile by kinds of work. The file itself is for
// `go tool pprof`.
func (b *bench) showProfile(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-traces", b.profile).Output()
	if err != nil {
		return fmt.Errorf("reading the profile: %w", err)
	}
	b.Profile = shares(out)
	for _, s := range b.Profile {
		b.say("  %5.1f %%  %s", s.Percent, s.Work)
	}
	b.say("  more: go tool pprof -http=: %s", b.profile)
	return nil
}

// shares adds up the stacks of `pprof -traces`: blocks of one function a line,
// the innermost first and with the block's time before it.
func shares(traces []byte) []share {
	sums := map[string]time.Duration{}
	var total time.Duration
	for _, block := range bytes.Split(traces, []byte("-----------+"))[1:] {
		_, stack, _ := strings.Cut(string(block), "\n")
		fields := strings.Fields(stack)
		if len(fields) < 2 {
			continue
		}
		took, err := time.ParseDuration(fields[0])
		if err != nil {
			continue
		}
		total += took
		sums[kindOf(stack)] += took
	}
	var all []share
	for name, sum := range sums {
		all = append(all, share{name, 100 * float64(sum) / float64(total)})
	}
	slices.SortFunc(all, func(a, b share) int { return int(1000 * (b.Percent - a.Percent)) })
	return all
}

func kindOf(stack string) string {
	for _, k := range kinds() {
		if slices.ContainsFunc(k.functions, func(f string) bool { return strings.Contains(stack, f) }) {
			return k.name
		}
	}
	return "other"
}
