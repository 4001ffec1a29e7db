// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// logged is one event of the log.
type logged struct {
	program, message string
	levels, members  []string
}

const eventsHead = `# Events

Both programs log JSON, one object a line, to standard error. ` + "`time`, `level` and `msg`" + ` are
always there; the tables list what else. No event holds a secret, an address with its
query, or a text that a caller chose. A few libraries (controller-runtime, client-go) log
in the same format with messages of their own.

The broker writes one event ` + "`request`" + ` for each request. ` + "`requestID`" + ` is in the header
` + "`X-Request-Id`" + ` of the answer and on every error page; ` + "`outcome`" + ` is ` + "`ok`" + ` or what the
[request failed with](errors.md); ` + "`cause`" + ` is the broker's private reason.
Durations (` + "`took`, `delay`, `timeout`" + `) are in nanoseconds.
`

func eventsPage(s *source) ([]byte, error) {
	var all []logged
	err := s.calls(func(f file, call *ast.CallExpr) error {
		l, ok, err := logOf(call)
		if !ok || err != nil {
			return err
		}
		if l.program = f.program(); l.program == "" {
			l.program = "both"
		}
		all = merge(all, l)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b logged) int { return strings.Compare(a.program+a.message, b.program+b.message) })
	var out bytes.Buffer
	out.WriteString(notice + eventsHead)
	program := ""
	for _, l := range all {
		if l.program != program {
			program = l.program
			title := map[string]string{"broker": "the broker", "operator": "the operator", "both": "both"}[program]
			fmt.Fprintf(&out, "\n## Log of %s\n\n| msg | level | members |\n|---|---|---|\n", title)
		}
		fmt.Fprintf(&out, "| %s | %s | %s |\n", cell(l.message), strings.Join(l.levels, ", "), code(l.members))
	}
	err = recordedTable(s, &out)
	return out.Bytes(), err
}

// merge puts events with the same message together.
func merge(all []logged, l logged) []logged {
	for i := range all {
		if all[i].program == l.program && all[i].message == l.message {
			all[i].levels = union(all[i].levels, l.levels)
			all[i].members = union(all[i].members, l.members)
			return all
		}
	}
	return append(all, l)
}

func union(a, b []string) []string {
	for _, x := range b {
		if !slices.Contains(a, x) {
			a = append(a, x)
		}
	}
	return a
}

// requestMembers are those that broker/event.go puts together.
func requestMembers() []string {
	return []string{"requestID", "method", "route", "status", "took", "outcome", "client", "vendor", "credential", "grant", "cause"}
}

// logOf reads a call of a *slog.Logger. Which receivers are one is told by their
// names, which the code keeps: log, Log, Logger. The event of a request is a record
// that broker/event.go makes itself.
func logOf(call *ast.CallExpr) (l logged, ok bool, err error) {
	receiver, name := method(call)
	last := receiver[strings.LastIndex(receiver, ".")+1:]
	if receiver == "slog" && name == "NewRecord" && len(call.Args) == 4 {
		l.message, ok = text(call.Args[2])
		l.levels, l.members = []string{"by status"}, requestMembers()
		if !ok {
			return l, true, errors.New("write the message of a log event as a literal: the reference is made of it")
		}
		return l, true, nil
	}
	if !slices.Contains([]string{"log", "Log", "Logger", "log()"}, last) {
		return l, false, nil
	}
	level, withContext := strings.CutSuffix(name, "Context")
	args := call.Args
	if withContext {
		args = args[1:]
	}
	switch {
	case slices.Contains([]string{"Debug", "Info", "Warn", "Error"}, level):
		l.levels = []string{strings.ToUpper(level)}
	default:
		return l, false, nil
	}
	if l.message, ok = text(args[0]); !ok {
		return l, true, errors.New("write the message of a log event as a literal: the reference is made of it")
	}
	for i := 1; i < len(args); i += 2 {
		if key, ok := text(args[i]); ok {
			l.members = append(l.members, key)
		}
	}
	return l, true, nil
}
