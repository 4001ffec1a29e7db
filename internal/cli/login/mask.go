// SPDX-License-Identifier: Apache-2.0

package login

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/oauthbroker/oauth-broker/internal/cli/terminal"
)

// plain are the members of a token response whose strings are no secrets.
func plain(name string) bool {
	return slices.Contains([]string{"token_type", "scope", "issued_token_type", "error", "error_description"}, name)
}

// Mask hides every string of a token response but those that are known to be
// harmless: what a vendor adds may be a token too. Numbers and booleans stay.
func Mask(name string, value any) any {
	switch v := value.(type) {
	case string:
		if plain(name) {
			return v
		}
		return masked(v)
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, inner := range v {
			out[k] = Mask(k, inner)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = Mask(name, inner)
		}
		return out
	}
	return value
}

// masked shows the beginning of a long token, by which its kind is known.
func masked(token string) string {
	const shown, least = 4, 24
	if len(token) < least {
		return fmt.Sprintf("******** (%d characters)", len(token))
	}
	return fmt.Sprintf("%s******** (%d characters)", token[:shown], len(token))
}

// Text is a member for people: JSON for what is no string, and nothing that
// would steer a terminal.
func Text(value any) string {
	if s, ok := value.(string); ok {
		return terminal.Plain(s)
	}
	b, err := json.Marshal(value)
	if err != nil {
		return "?"
	}
	return terminal.Plain(string(b))
}

// Names lists the members of a token response, the standard ones first.
func Names(token map[string]any) []string {
	order := []string{"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
	names := slices.Sorted(maps.Keys(token))
	slices.SortStableFunc(names, func(a, b string) int { return rank(order, a) - rank(order, b) })
	return names
}

func rank(order []string, name string) int {
	if i := slices.Index(order, name); i >= 0 {
		return i
	}
	return len(order)
}
