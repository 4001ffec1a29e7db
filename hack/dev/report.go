// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// report prints plain, aligned text.
type report struct {
	out   io.Writer
	start time.Time
	mu    sync.Mutex
}

func (r *report) elapsed() string { return time.Since(r.start).Round(time.Second).String() }

// title begins a step.
func (r *report) title(format string, args ...any) {
	r.print("\n==> " + fmt.Sprintf(format, args...) + "\n")
}

// line tells one thing about a step.
func (r *report) line(format string, args ...any) {
	r.print("    " + fmt.Sprintf(format, args...) + "\n")
}

// fact is a line of a name and a value, aligned.
func (r *report) fact(name, format string, args ...any) {
	r.line("%-22s %s", name, fmt.Sprintf(format, args...))
}

func (r *report) print(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, _ = io.WriteString(r.out, s)
}

// masked shows enough of a token to tell two apart.
func masked(token string) string {
	if len(token) < 24 {
		return fmt.Sprintf("******** (%d characters)", len(token))
	}
	return fmt.Sprintf("%s...%s (%d characters)", token[:4], token[len(token)-4:], len(token))
}

// hop prints one request: who serves it, what, and the answer's status.
func (r *report) hop(who, method, status string, u *url.URL) {
	plain := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	r.line("%-9s %-4s %-3s  %s", who, method, status, plain.String())
	if what := parameters(u.Query()); what != "" {
		r.line("%-9s %-4s %-3s  %s", "", "", "", what)
	}
}

// parameters shows a query without what is secret in it: the values of a few
// well-known parameters, and only the names of the others.
func parameters(query url.Values) string {
	var public, others []string
	for _, name := range slices.Sorted(maps.Keys(query)) {
		switch name {
		case "client_id", "scope", "error", "iss":
			public = append(public, name+"="+query.Get(name))
		default:
			others = append(others, name)
		}
	}
	if len(others) > 0 {
		public = append(public, "("+strings.Join(others, ", ")+")")
	}
	return strings.Join(public, " & ")
}
