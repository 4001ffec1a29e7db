// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"fmt"
	"slices"
	"strings"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
)

const (
	// maxProblems bounds a message, so that one object full of mistakes still gives a
	// status that can be read.
	maxProblems = 8
	// maxMessage bounds it in bytes: the API server refuses a status with a message of
	// 32 KiB, and then none is written.
	maxMessage = 4 << 10
)

// findings collects what is wrong, or worth a note, for one condition. The
// first reason stands for all.
type findings struct {
	reason   string
	problems []string
	notes    []string
}

// fail adds a problem. The message names the field and the fix, and never
// holds a value that could be secret.
func (f *findings) fail(reason, format string, args ...any) {
	if f.reason == "" {
		f.reason = reason
	}
	f.problems = append(f.problems, fmt.Sprintf(format, args...))
}

// note adds to the message without changing the outcome.
func (f *findings) note(format string, args ...any) {
	f.notes = append(f.notes, fmt.Sprintf(format, args...))
}

func (f *findings) failed() bool { return f.reason != "" }

// accepted is the outcome for the condition Accepted.
func (f *findings) accepted() Check {
	return f.check(oauthv1alpha1.ReasonAccepted, "the object is valid")
}

// resolved is the outcome for the condition ResolvedRefs.
func (f *findings) resolved() Check {
	return f.check(oauthv1alpha1.ReasonResolvedRefs, "all references are resolved")
}

func (f *findings) check(okReason, okMessage string) Check {
	if f.failed() {
		shown := f.problems
		if len(shown) > maxProblems {
			shown = append(shown[:maxProblems:maxProblems], "and more of this kind")
		}
		return Check{Reason: f.reason, Message: message(append(slices.Clip(shown), f.notes...))}
	}
	return Check{OK: true, Reason: okReason, Message: message(append([]string{okMessage}, f.notes...)), Note: message(f.notes)}
}

func message(parts []string) string { return Shorten(strings.Join(parts, "; "), maxMessage) }

// Shorten cuts text for people to so many bytes, and says so.
func Shorten(text string, limit int) string {
	const cut = " ... (shortened)"
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-len(cut)], "") + cut
}
