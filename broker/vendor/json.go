// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

const maxDepth = 32

// decodeObject reads a JSON object and keeps its members as they are. Repeated
// member names, trailing bytes and deep nesting are refused: parsers disagree
// about them.
func decodeObject(b []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("not valid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := checkValue(d, 0); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("trailing bytes")
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil || m == nil {
		return nil, errors.New("not a JSON object")
	}
	return m, nil
}

func checkValue(d *json.Decoder, depth int) error {
	if depth > maxDepth {
		return errors.New("nested too deeply")
	}
	t, err := d.Token()
	if err != nil {
		return errors.New("not valid JSON")
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	names := map[string]bool{}
	for d.More() {
		if delim == '{' {
			t, err := d.Token()
			name, ok := t.(string)
			if err != nil || !ok {
				return errors.New("not valid JSON")
			}
			if names[name] {
				return errors.New("a member is repeated")
			}
			names[name] = true
		}
		if err := checkValue(d, depth+1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return errors.New("not valid JSON")
	}
	return nil
}

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

func isNull(v json.RawMessage) bool { return string(v) == "null" }

// text is the value as text: a string's content, or the literal itself.
func text(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	return string(v)
}

func quoted(s string) json.RawMessage {
	b, err := json.Marshal(s)
	if err != nil {
		return json.RawMessage(`""`)
	}
	return b
}
