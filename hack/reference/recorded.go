// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"io"
	"slices"
	"strings"
)

const kubernetesEvents = `
## Kubernetes events

The operator writes events of ` + "`events.k8s.io`" + ` about the objects of the three kinds, once per
change of a condition or registration, and about the Secrets of key ring and published index.

| action | about | type | reasons |
|---|---|---|---|
`

// recorded are the Kubernetes events of one action and type.
type recorded struct {
	action, kind string
	reasons      []string
}

// recordedTable writes the events that the operator's recorders are given.
func recordedTable(s *source, out io.StringWriter) error {
	var all []recorded
	err := s.calls(func(_ file, call *ast.CallExpr) error {
		e, ok, err := s.recordedBy(call)
		if !ok || err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(other recorded) bool { return other.action == e.action && other.kind == e.kind })
		if i < 0 {
			all = append(all, e)
			return nil
		}
		all[i].reasons = union(all[i].reasons, e.reasons)
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b recorded) int {
		return cmp.Or(strings.Compare(a.action, b.action), strings.Compare(a.kind, b.kind))
	})
	_, _ = out.WriteString(kubernetesEvents)
	for _, e := range all {
		about, more := explain(e.action)
		if about == "" {
			return fmt.Errorf("explain does not know the action %q of a Kubernetes event", e.action)
		}
		slices.Sort(e.reasons)
		reasons := strings.TrimPrefix(code(e.reasons)+": "+more, ": ")
		_, _ = out.WriteString(fmt.Sprintf("| %s | %s | %s | %s |\n", e.action, about, e.kind, reasons))
	}
	return nil
}

// recordedBy reads a call of an event recorder, or of say, through which the
// registrations record theirs. Reasons that a parameter gives are told by explain.
func (s *source) recordedBy(call *ast.CallExpr) (e recorded, ok bool, err error) {
	receiver, name := method(call)
	switch {
	case name == "say" && len(call.Args) == 4:
		reason, known := s.constant(call.Args[2])
		if !known {
			return e, true, errors.New("write the reason of a Kubernetes event as a literal or a constant of api: the reference is made of it")
		}
		e = recorded{action: "Register", reasons: []string{reason}}
		e.kind, ok = eventType(call.Args[1])
	case name == "Eventf" && strings.HasSuffix(receiver, "Events") && len(call.Args) > 4:
		e.action, _ = text(call.Args[4])
		if e.kind, ok = eventType(call.Args[2]); !ok {
			return e, false, nil // say itself: its callers are read
		}
		if reason, known := s.constant(call.Args[3]); known {
			e.reasons = []string{reason}
		}
	default:
		return e, false, nil
	}
	if !ok {
		return e, true, errors.New("write the type of a Kubernetes event as a constant: the reference is made of it")
	}
	return e, true, nil
}

// eventType reads corev1.EventTypeNormal or corev1.EventTypeWarning.
func eventType(e ast.Expr) (string, bool) { return strings.CutPrefix(chain(e), "corev1.EventType") }

// constant is the value of a literal, or of a constant of api/v1alpha1.
func (s *source) constant(e ast.Expr) (string, bool) {
	if value, ok := text(e); ok {
		return value, true
	}
	name, ok := strings.CutPrefix(chain(e), "oauthv1alpha1.")
	if !ok {
		return "", false
	}
	for _, f := range s.files {
		if f.folder != "api/v1alpha1" {
			continue
		}
		for _, d := range f.syntax.Decls {
			if value, ok := constantIn(d, name); ok {
				return value, true
			}
		}
	}
	return "", false
}

func constantIn(d ast.Decl, name string) (string, bool) {
	group, ok := d.(*ast.GenDecl)
	if !ok {
		return "", false
	}
	for _, spec := range group.Specs {
		v, ok := spec.(*ast.ValueSpec)
		if ok && len(v.Values) == 1 && v.Names[0].Name == name {
			return text(v.Values[0])
		}
	}
	return "", false
}

// explain says what events of an action are about, and where or what their reasons
// are.
func explain(action string) (about, reasons string) {
	switch action {
	case "Read":
		return "the Secret of the key ring", "`KeyRingMissing` and the like: see the [runbook](../runbooks/OAuthBrokerKeyRing.md)"
	case "Reconcile":
		return "an object of ours", "the reason of its [condition](conditions.md)"
	case "Register":
		return "a `BYOCCredential` with `dynamicRegistration`", "see the [guide](../guides/dynamic-registration.md)"
	case "Replace":
		return "the published index", "what was damaged; it is published again"
	case "Unregister":
		return "an `OAuthVendor`", "the list of apps that nobody can manage is full, or one more is left there"
	}
	return "", ""
}
