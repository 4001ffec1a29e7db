// SPDX-License-Identifier: Apache-2.0

package oauth

import (
	"errors"
	"slices"
	"strings"
)

// maxScopes bounds the number of scopes in one request.
const maxScopes = 256

// ParseScope splits a scope parameter (RFC 6749 section 3.3), drops repeats and
// keeps the order.
func ParseScope(s string) ([]string, error) {
	var out []string
	for tok := range strings.SplitSeq(s, " ") {
		if tok == "" {
			continue
		}
		for i := range len(tok) {
			if c := tok[i]; c <= 0x20 || c > 0x7e || c == '"' || c == '\\' {
				return nil, errors.New("scope holds a character that is not allowed")
			}
		}
		if !slices.Contains(out, tok) {
			out = append(out, tok)
		}
	}
	if len(out) > maxScopes {
		return nil, errors.New("scope has too many values")
	}
	return out, nil
}

// Beyond returns the first of scopes that is not in allowed, or "".
func Beyond(scopes, allowed []string) string {
	for _, s := range scopes {
		if !slices.Contains(allowed, s) {
			return s
		}
	}
	return ""
}

// Union appends those of more that are not in scopes.
func Union(scopes, more []string) []string {
	out := slices.Clone(scopes)
	for _, s := range more {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
