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

// metric is one metric, as it is made in the code.
type metric struct {
	name, kind, help string
	labels           []string
}

const metricsHead = `# Metrics

Broker and operator serve them in Prometheus' text format: the broker on its admin
listener (` + "`--admin-listen`, `/metrics`" + `), the operator on port ` + "`metrics`" + `. Labels are
bounded: routes, statuses, outcomes, and names of configured objects; never a value
that a caller sent. The libraries' own metrics of Go, process and controller-runtime
are there besides.

The [alerts and the dashboard](../../charts/oauth-broker) use these; each alert has a
[runbook](../runbooks/README.md).
`

func metricsPage(s *source) ([]byte, error) {
	found := map[string]map[string]metric{"broker": {}, "operator": {}}
	err := s.calls(func(f file, call *ast.CallExpr) error {
		m, ok, err := metricOf(call)
		if err != nil || !ok {
			return err
		}
		program := found[f.program()]
		if program == nil {
			return fmt.Errorf("%s is in %s, which is of no program", m.name, f.folder)
		}
		program[m.name] = m
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString(notice + metricsHead)
	for _, program := range []string{"broker", "operator"} {
		fmt.Fprintf(&out, "\n## Of the %s\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n", program)
		for _, name := range sortedKeys(found[program]) {
			m := found[program][name]
			fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", m.name, m.kind, code(m.labels), cell(m.help))
		}
	}
	return out.Bytes(), nil
}

// metricOf reads a call that makes a metric.
func metricOf(call *ast.CallExpr) (m metric, ok bool, err error) {
	receiver, name := method(call)
	if receiver != "prometheus" {
		return m, false, nil
	}
	if name == "NewDesc" && len(call.Args) == 4 {
		m.kind = "gauge"
		m.name, ok = text(call.Args[0])
		help, also := text(call.Args[1])
		labels, too := texts(call.Args[2])
		m.help, m.labels = help, labels
		return m, true, complete(ok && also && too)
	}
	kind, vector := strings.CutSuffix(strings.TrimPrefix(name, "New"), "Vec")
	m.kind = strings.ToLower(strings.TrimSuffix(kind, "Func"))
	if !slices.Contains([]string{"counter", "gauge", "histogram"}, m.kind) || len(call.Args) == 0 {
		return m, false, nil
	}
	options, ok := call.Args[0].(*ast.CompositeLit)
	if !ok {
		return m, true, complete(false)
	}
	for _, element := range options.Elts {
		field, isField := element.(*ast.KeyValueExpr)
		if !isField {
			return m, true, complete(false)
		}
		switch chain(field.Key) {
		case "Name":
			m.name, _ = text(field.Value)
		case "Help":
			m.help, _ = text(field.Value)
		}
	}
	labelled := true
	if vector {
		m.labels, labelled = texts(call.Args[1])
	}
	return m, true, complete(labelled && m.name != "" && m.help != "")
}

func complete(ok bool) error {
	if !ok {
		return errors.New("write name, help and labels of a metric as literals: the reference is made of them")
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
