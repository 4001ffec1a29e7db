// SPDX-License-Identifier: Apache-2.0

package oauth

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

const maxDepth = 32

// DecodeObject reads a JSON object and keeps its members as they are: they are
// parts of b. Repeated member names, trailing bytes and deep nesting are refused:
// parsers disagree about them.
func DecodeObject(b []byte) (map[string]json.RawMessage, error) {
	switch {
	case !utf8.Valid(b):
		return nil, errors.New("not valid UTF-8")
	case !json.Valid(b):
		return nil, errors.New("not valid JSON, or bytes after its end")
	}
	w := walker{text: b}
	if w.next() != '{' {
		return nil, errors.New("not a JSON object")
	}
	members := map[string]json.RawMessage{}
	return members, w.object(0, func(name string, value json.RawMessage) { members[name] = value })
}

// walker walks through valid JSON: syntax is not its business.
type walker struct {
	text []byte
	at   int
}

// next skips white space and looks at what comes.
func (w *walker) next() byte {
	for strings.IndexByte(" \t\r\n", w.text[w.at]) >= 0 {
		w.at++
	}
	return w.text[w.at]
}

// object walks through an object. member is told of each member; it may be nil.
func (w *walker) object(depth int, member func(name string, value json.RawMessage)) error {
	names := map[string]bool{}
	w.at++
	for w.next() != '}' {
		if w.text[w.at] == ',' {
			w.at++
			w.next()
		}
		start := w.at
		w.literal()
		name := Unquote(w.text[start:w.at])
		if names[name] {
			return errors.New("a member is repeated")
		}
		names[name] = true
		w.next()
		w.at++ // the colon
		w.next()
		start = w.at
		if err := w.value(depth + 1); err != nil {
			return err
		}
		if member != nil {
			member(name, json.RawMessage(w.text[start:w.at:w.at]))
		}
	}
	w.at++
	return nil
}

func (w *walker) value(depth int) error {
	if depth > maxDepth {
		return errors.New("nested too deeply")
	}
	switch w.next() {
	case '{':
		return w.object(depth, nil)
	case '[':
		return w.array(depth)
	}
	w.literal()
	return nil
}

func (w *walker) array(depth int) error {
	w.at++
	for w.next() != ']' {
		if w.text[w.at] == ',' {
			w.at++
		}
		if err := w.value(depth + 1); err != nil {
			return err
		}
	}
	w.at++
	return nil
}

// literal passes a string, a number, true, false or null.
func (w *walker) literal() {
	if w.text[w.at] != '"' {
		for w.at < len(w.text) && strings.IndexByte(",]} \t\r\n", w.text[w.at]) < 0 {
			w.at++
		}
		return
	}
	for w.at++; w.text[w.at] != '"'; w.at++ {
		if w.text[w.at] == '\\' {
			w.at++
		}
	}
	w.at++
}

// Unquote is the content of a valid JSON string, and "" for anything else. Most
// strings hold no escapes and are not decoded.
func Unquote(v json.RawMessage) string {
	if len(v) >= 2 && v[0] == '"' && !slices.Contains(v, '\\') {
		return string(v[1 : len(v)-1])
	}
	var s string
	if json.Unmarshal(v, &s) != nil {
		return ""
	}
	return s
}

// Quote is s as a JSON string. Most strings need no escapes.
func Quote(s string) json.RawMessage {
	if !plain(s) {
		b, err := json.Marshal(s)
		if err != nil {
			return json.RawMessage(`""`)
		}
		return b
	}
	b := make([]byte, 0, len(s)+2)
	return append(append(append(b, '"'), s...), '"')
}

// plain tells whether encoding/json writes s as it is, also for HTML.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

// EncodeObject writes members as they are, sorted by name.
func EncodeObject(members map[string]json.RawMessage) []byte {
	size := 2
	for name, v := range members {
		size += len(name) + len(v) + 4
	}
	b := append(make([]byte, 0, size), '{')
	for i, name := range slices.Sorted(maps.Keys(members)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, Quote(name)...), ':'), members[name]...)
	}
	return append(b, '}')
}
