// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"net/url"
	"sort"
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

// shown is a URL without what is secret in it: of a query, the values of a few
// well-known parameters and the names of the others.
func shown(u *url.URL) string {
	var parts []string
	query := u.Query()
	names := make([]string, 0, len(query))
	for name := range query {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		switch name {
		case "client_id", "scope", "error", "iss":
			parts = append(parts, name+"="+query.Get(name))
		default:
			parts = append(parts, name+"=...")
		}
	}
	plain := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if len(parts) == 0 {
		return plain.String()
	}
	return plain.String() + "?" + strings.Join(parts, "&")
}
