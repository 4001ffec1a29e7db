// SPDX-License-Identifier: Apache-2.0

// Package terminal makes text that others chose (a vendor, a page, a log line, an
// object of a tenant) fit to be shown to people.
package terminal

import (
	"strings"
	"unicode"
)

// Plain has blanks where s has characters that nobody sees: such as steer a
// terminal, break the line, or turn the direction of the text around them.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

// Line is s on one line, with single blanks.
func Line(s string) string { return strings.Join(strings.Fields(Plain(s)), " ") }
