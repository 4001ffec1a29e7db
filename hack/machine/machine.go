// SPDX-License-Identifier: Apache-2.0

// Package machine tells what the machine is on which something was measured,
// and how busy it was: a figure says little without. Where the system does not
// tell, which is where there is no /proc, the answer is "unknown".
package machine

import (
	"os"
	"strings"
)

const unknown = "unknown"

// CPU is the processor's name.
func CPU() string {
	content, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(content)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return unknown
}

// Load are the load averages of the last 1, 5 and 15 minutes.
func Load() string {
	content, _ := os.ReadFile("/proc/loadavg")
	if figures := strings.Fields(string(content)); len(figures) > 3 {
		return strings.Join(figures[:3], " ")
	}
	return unknown
}
