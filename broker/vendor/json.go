// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"encoding/json"
	"strings"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
)

// decodeObject reads a token response strictly.
func decodeObject(b []byte) (map[string]json.RawMessage, error) { return oauth.DecodeObject(b) }

// at follows a dotted path; ok is false where something is missing on the way.
func at(m map[string]json.RawMessage, path string) (json.RawMessage, bool) {
	name, rest, deeper := strings.Cut(path, ".")
	v, ok := m[name]
	if !ok || !deeper {
		return v, ok && !isNull(v)
	}
	var next map[string]json.RawMessage
	if err := json.Unmarshal(v, &next); err != nil {
		return nil, false
	}
	return at(next, rest)
}

// replaceAt replaces the value at a dotted path, where there is one.
func replaceAt(m map[string]json.RawMessage, path string, v json.RawMessage) error {
	name, rest, deeper := strings.Cut(path, ".")
	old, ok := m[name]
	if !ok {
		return nil
	}
	if !deeper {
		m[name] = v
		return nil
	}
	var next map[string]json.RawMessage
	if err := json.Unmarshal(old, &next); err != nil || next == nil {
		return nil //nolint:nilerr // no object, so nothing stands at the path
	}
	if err := replaceAt(next, rest, v); err != nil {
		return err
	}
	changed, err := json.Marshal(next)
	m[name] = changed
	return err
}

func isNull(v json.RawMessage) bool { return string(v) == "null" }

// text is the value as text: a string's content, or the literal itself.
func text(v json.RawMessage) string {
	if len(v) > 0 && v[0] == '"' {
		return oauth.Unquote(v)
	}
	return string(v)
}

func quoted(s string) json.RawMessage { return oauth.Quote(s) }

// encoded writes a string or a list of strings, which cannot fail.
func encoded(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null")
	}
	return b
}
