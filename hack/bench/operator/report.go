// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/oauthbroker/oauth-broker/hack/machine"
)

// What the worst of the single edits may take at most, and how many times as
// long the median may be in the large run.
const (
	worstLimit = 2 * time.Second
	ratioLimit = 2.0
)

// report prints the figures as a table in Markdown, and fails where a target
// is missed.
func report(small, large figures) error {
	row := func(what string, value func(figures) string) {
		fmt.Printf("| %s | %s | %s |\n", what, value(small), value(large))
	}
	fmt.Printf("\n%s, %d cores, %s, %s/%s; load average at the end %s.\n\n",
		machine.CPU(), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, machine.Load())
	row("", func(f figures) string { return fmt.Sprintf("%d credentials", f.size.credentials()) })
	row("---", func(figures) string { return "---:" })
	row("BrokerClients, OAuthVendors", func(f figures) string { return fmt.Sprintf("%d, %d", f.size.clients, f.size.vendors) })
	row("manager's start to the first index", func(f figures) string { return ms(f.published) })
	row("... to served by the broker", func(f figures) string { return ms(f.served) })
	row("... to `Programmed` on every object", func(f figures) string { return ms(f.programmed) })
	row("one edit to `Programmed`, median", func(f figures) string { return ms(median(f.edits)) })
	row("one edit to `Programmed`, worst", func(f figures) string { return ms(slices.Max(f.edits)) })
	row("edits back to back, median", func(f figures) string { return ms(median(f.burst)) })
	row("edits back to back, worst", func(f figures) string { return ms(slices.Max(f.burst)) })
	row("edit of a vendor, median of 5", func(f figures) string { return ms(median(f.vendor)) })
	row("published Secrets written for each edit", func(f figures) string { return fmt.Sprintf("%.1f", f.objects) })
	row("... in KiB", func(f figures) string { return fmt.Sprintf("%.0f", f.bytes/1024) })
	row("CPU for each edit, manager", func(f figures) string { return ms(f.managerCPU) })
	row("CPU for each edit, broker", func(f figures) string { return ms(f.brokerCPU) })
	row("memory of the manager (at most)", func(f figures) string { return fmt.Sprintf("%d (%d) MiB", f.manager.now, f.manager.most) })
	row("memory of the broker (at most)", func(f figures) string { return fmt.Sprintf("%d (%d) MiB", f.broker.now, f.broker.most) })
	row("writes while nothing changes", func(f figures) string { return fmt.Sprintf("%s in %s", counts(f.steady), f.steadyFor) })
	row("writes of a manager's restart and one edit", func(f figures) string { return counts(f.restart) })
	ratio := float64(median(large.edits)) / float64(median(small.edits))
	worst := float64(slices.Max(large.edits)) / float64(slices.Max(small.edits))
	fmt.Printf("\nRatio of the medians: %.2f; of the worst: %.2f.\n", ratio, worst)
	fmt.Printf("Writes for the %d edits, the edits themselves among them: %s.\n", len(large.edits), counts(large.requests))
	fmt.Printf("Single edits in ms, small: %s; large: %s.\n", listed(small.edits), listed(large.edits))
	var missed []error
	if w := slices.Max(large.edits); w >= worstLimit {
		missed = append(missed, fmt.Errorf("the worst edit took %s, want less than %s", ms(w), worstLimit))
	}
	if ratio >= ratioLimit {
		missed = append(missed, fmt.Errorf("the median is %.2f times that of the small run, want less than %.0f", ratio, ratioLimit))
	}
	for name, n := range large.steady {
		missed = append(missed, fmt.Errorf("%d times %s although nothing changed", n, name))
	}
	return errors.Join(missed...)
}

func counts(m map[string]int) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		words = append(words, fmt.Sprintf("%d %s", m[name], name))
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

func listed(all []time.Duration) string {
	var words []string
	for _, d := range all {
		words = append(words, fmt.Sprint(d.Milliseconds()))
	}
	return strings.Join(words, " ")
}
