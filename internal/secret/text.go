// SPDX-License-Identifier: Apache-2.0

// Package secret holds Text, a string that cannot be printed by accident.
//
// The value hides behind a pointer, so that even fmt's %+v and %#v over a
// struct that holds a Text in an unexported field show an address and never
// the value. Reveal is the only way out, and greppable.
package secret

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Text is a secret string. The zero value is empty.
type Text struct{ p *string }

// New wraps s.
func New(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{p: &s}
}

// Reveal returns the value. Call it only where the value leaves the process.
func (t Text) Reveal() string {
	if t.p == nil {
		return ""
	}
	return *t.p
}

// Empty tells whether there is no value.
func (t Text) Empty() bool { return t.p == nil }

// Equal compares in constant time for values of one length.
func (t Text) Equal(o Text) bool {
	return subtle.ConstantTimeCompare([]byte(t.Reveal()), []byte(o.Reveal())) == 1
}

// Format implements fmt.Formatter: every verb prints a placeholder.
func (t Text) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue implements slog.LogValuer.
func (t Text) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON redacts. The runtime document, which must carry secrets, wraps
// them in a type of its own (runtimeconfig.Sensitive).
func (t Text) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// MarshalText redacts.
func (t Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }
