// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/oauthbroker/oauth-broker/hack/machine"
)

// The targets that issue 7 sets.
const (
	maxCostRatio    = 1.5
	maxAddedLatency = time.Millisecond
	maxGrowth       = 1.05
	maxReloadLoss   = 1.05
)

// report is what is printed, and written as JSON.
type report struct {
	Machine     computer    `json:"machine"`
	Primitives  []primitive `json:"primitives,omitempty"`
	Memory      []memory    `json:"memory,omitempty"`
	Comparisons []row       `json:"comparisons,omitempty"`
	// Reloads is what new configurations cost a broker that does nothing else.
	Reloads []reloadCost `json:"reloads,omitempty"`
	Profile []share      `json:"profile,omitempty"`
	Targets []verdict    `json:"targets"`

	out io.Writer
}

type computer struct {
	CPU        string `json:"cpu"`
	CPUs       int    `json:"cpus"`
	Kernel     string `json:"kernel"`
	Go         string `json:"go"`
	Commit     string `json:"commit,omitempty"`
	Start      string `json:"start"`
	LoadBefore string `json:"loadBefore"`
	LoadAfter  string `json:"loadAfter"`
}

// memory is what a broker holds when it is idle.
type memory struct {
	Credentials int   `json:"credentials"`
	RSS         int64 `json:"rssBytes"`
	Heap        int64 `json:"heapBytes"`
}

// reloadCost is the CPU time of one new configuration in which one client changed.
type reloadCost struct {
	Credentials int     `json:"credentials"`
	Mean        float64 `json:"cpuMicrosMean"`
	Micros      spread  `json:"cpuMicros"`
}

// row is one comparison: the second contender beside the first.
type row struct {
	What  string `json:"what"`
	Users int    `json:"users"`
	Base  side   `json:"base"`
	Side  side   `json:"side"`
	// Cost and Rate are the side's CPU time per piece of work and throughput,
	// divided by the base's of the same round.
	Cost spread `json:"costRatio"`
	Rate spread `json:"rateRatio"`
}

// side is one contender's figures.
type side struct {
	Name      string             `json:"name"`
	PerSecond spread             `json:"perSecond"`
	Micros    spread             `json:"cpuMicros"`
	Allocs    float64            `json:"allocs"`
	KiB       float64            `json:"allocKiB"`
	Reloads   int64              `json:"reloads,omitempty"`
	Steps     map[string]latency `json:"steps"`
}

type latency struct {
	P50 time.Duration `json:"p50NS"`
	P99 time.Duration `json:"p99NS"`
}

// verdict is a target and whether it is met.
type verdict struct {
	Target string `json:"target"`
	Got    string `json:"got"`
	Met    bool   `json:"met"`
}

func newReport(out io.Writer) report { return report{out: out} }

func (r *report) say(format string, a ...any) { _, _ = fmt.Fprintf(r.out, format+"\n", a...) }

func (r *report) title(s string) { r.say("\n== %s", s) }

func (r *report) describe(ctx context.Context) {
	m := &r.Machine
	m.CPU, m.CPUs, m.Go, m.Start, m.LoadBefore = machine.CPU(), runtime.NumCPU(), runtime.Version(), time.Now().UTC().Format(time.RFC3339), machine.Load()
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(b))
	}
	if b, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output(); err == nil {
		m.Commit = strings.TrimSpace(string(b))
	}
	r.say("%s, %d CPUs, Linux %s, %s, commit %s, load average before: %s", m.CPU, m.CPUs, m.Kernel, m.Go, m.Commit, m.LoadBefore)
	r.say("Users, vendor and broker share these CPUs, so that throughput is of all three; CPU time is the named process's alone.")
}

func (r *report) addPrimitive(p primitive) {
	r.Primitives = append(r.Primitives, p)
	r.say("  %7.2f µs × %d  %s", p.Micros, p.PerLogin, p.Name)
}

// floorMicros is the sum of what no broker of this design can do without.
func (r *report) floorMicros() float64 {
	sum := 0.0
	for _, p := range r.Primitives {
		if !p.Product {
			sum += p.Micros * float64(p.PerLogin)
		}
	}
	return sum
}

func (r *report) addMemory(m memory) {
	r.Memory = append(r.Memory, m)
	r.say("  %6d credentials: %.1f MiB resident, %.1f MiB of it heap in use", m.Credentials, mib(m.RSS), mib(m.Heap))
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// add prints and keeps one comparison, and judges it.
func (r *report) add(what string, s, base series) {
	w := row{What: what, Users: s.Users, Base: sideOf(base), Side: sideOf(s)}
	w.Cost = ratios(s, base, sample.cost)
	w.Rate = ratios(s, base, sample.perSecond)
	r.Comparisons = append(r.Comparisons, w)
	for _, x := range []side{w.Base, w.Side} {
		r.say("  %-9s %7.0f/s  %6.0f µs CPU  %5.0f allocations of %4.0f KiB  p50/p99 %s", x.Name, x.PerSecond.Median, x.Micros.Median, x.Allocs, x.KiB, x.latencies())
	}
	r.say("  CPU %s of %s's; throughput %s", w.Cost.text("%.2f ×"), w.Base.Name, w.Rate.text("%.2f ×"))
	switch {
	case what == "logins", what == "visits":
		if floor := r.floorMicros(); floor > 0 {
			r.say("  floor: null broker + signatures and seals = %.0f µs; the broker is at %.2f × of it", w.Base.Micros.Median+floor, w.Side.Micros.Median/(w.Base.Micros.Median+floor))
		}
		how := map[string]string{"logins": "on a connection that is kept", "visits": "from a browser that connects anew"}[what]
		r.judge(fmt.Sprintf("a complete login %s costs at most %.1f × the null broker's CPU, %d users", how, maxCostRatio, s.Users), w.Cost.text("%.2f ×"), w.Cost.Median <= maxCostRatio)
	case what == "credentials":
		r.judge("a login costs at most 5 % more with 10,000 credentials than with 10", w.Cost.text("%.3f ×"), w.Cost.Median <= maxGrowth)
	case strings.HasPrefix(what, "reload"):
		r.say("  reloads during the measured time: %d", w.Side.Reloads)
		r.judge(fmt.Sprintf("ten reloads a second cost less than 5 %% of throughput, %s credentials", strings.TrimPrefix(what, "reload ")),
			"throughput "+w.Rate.text("%.3f ×")+", CPU "+w.Cost.text("%.3f ×"), 1/w.Rate.Median < maxReloadLoss)
	}
}

// latency judges the time of whole logins, one at a time.
func (r *report) latency(broker, null, vendor series) {
	p50 := func(s series) time.Duration {
		return percentile(durations(s, times.brokers), 50)
	}
	whole, base, call := p50(broker), p50(null), p50(vendor)
	r.say("  one login at a time, p50: broker %s, null broker %s, the vendor's token endpoint alone %s", micros(whole), micros(base), micros(call))
	r.judge("added latency of a whole login is under 1 ms at p50, 1 user (all three steps, less the vendor's round trip)",
		fmt.Sprintf("%s; %s of it more than the null broker adds", micros(whole-call), micros(whole-base)), whole-call < maxAddedLatency)
}

func (r *report) judge(target, got string, met bool) {
	r.Targets = append(r.Targets, verdict{target, got, met})
}

func (r *report) conclude() {
	r.Machine.LoadAfter = machine.Load()
	r.title("Targets (load average now " + r.Machine.LoadAfter + ")")
	for _, t := range r.Targets {
		met := "met    "
		if !t.Met {
			met = "NOT MET"
		}
		r.say("  %s  %s: %s", met, t.Target, t.Got)
	}
}

// save writes the figures.
func (r *report) save(file string) error {
	if file == "" {
		return nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("encoding the report: %w", err)
	}
	if err := writeFile(file, b.Bytes()); err != nil {
		return err
	}
	r.say("\nAll figures: %s", file)
	return nil
}

func writeFile(file string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return os.WriteFile(file, b, 0o600)
}

func sideOf(s series) side {
	x := side{Name: s.Name, Steps: map[string]latency{}}
	var rate, cost, allocs, bytes []float64
	for _, m := range s.Samples {
		rate, cost = append(rate, m.perSecond()), append(cost, m.cost())
		allocs, bytes = append(allocs, m.Allocs), append(bytes, m.Bytes/1024)
		x.Reloads += m.Reloads
	}
	x.PerSecond, x.Micros = spreadOf(rate), spreadOf(cost)
	x.Allocs, x.KiB = spreadOf(allocs).Median, spreadOf(bytes).Median
	for _, step := range steps() {
		all := durations(s, step.of)
		if len(all) > 0 && all[len(all)-1] > 0 {
			x.Steps[step.name] = latency{percentile(all, 50), percentile(all, 99)}
		}
	}
	return x
}

type step struct {
	name string
	of   func(times) time.Duration
}

func steps() []step {
	return []step{
		{"authorize", func(t times) time.Duration { return t.Authorize }},
		{"vendor's page", func(t times) time.Duration { return t.Vendor }},
		{"callback", func(t times) time.Duration { return t.Callback }},
		{"token", func(t times) time.Duration { return t.Token }},
		{"all at the broker", times.brokers},
	}
}

func (s side) latencies() string {
	var parts []string
	for _, step := range steps() {
		if l, ok := s.Steps[step.name]; ok && step.name != "vendor's page" {
			parts = append(parts, fmt.Sprintf("%s %s/%s", step.name, micros(l.P50), micros(l.P99)))
		}
	}
	return strings.Join(parts, ", ")
}

func micros(d time.Duration) string {
	if d >= 10*time.Millisecond {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%d µs", d.Microseconds())
}

// durations are all times of one step, sorted.
func durations(s series, of func(times) time.Duration) []time.Duration {
	var all []time.Duration
	for _, m := range s.Samples {
		for _, t := range m.times {
			all = append(all, of(t))
		}
	}
	slices.Sort(all)
	return all
}
