// SPDX-License-Identifier: Apache-2.0

package oauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
)

const maxDepth = 32

// DecodeObject reads a JSON object and keeps its members as they are: they are
// parts of b. Repeated member names, trailing bytes and deep nesting are refused:
// parsers disagree about them.
func DecodeObject(b []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("not valid UTF-8")
	}
	w := walker{text: b, names: string(b)}
	if w.next() != '{' {
		if json.Valid(b) {
			return nil, errors.New("not a JSON object")
		}
		return nil, errSyntax
	}
	members, err := w.object(0)
	if err != nil {
		return nil, err
	}
	if w.next(); w.at < len(b) {
		return nil, errSyntax
	}
	return members, nil
}

var errSyntax = errors.New("not valid JSON, or bytes after its end")

// walker walks through JSON once. Strings without escapes and what holds values
// together are judged here, all other literals by encoding/json.
type walker struct {
	text  []byte
	names string // the same: names are parts of it
	at    int
}

// next skips white space and looks at what comes: 0 behind the last byte, which
// no JSON holds.
func (w *walker) next() byte {
	for w.at < len(w.text) && isSpace(w.text[w.at]) {
		w.at++
	}
	if w.at == len(w.text) {
		return 0
	}
	return w.text[w.at]
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// take skips white space and passes c, if that is what comes.
func (w *walker) take(c byte) bool {
	ok := w.next() == c
	if ok {
		w.at++
	}
	return ok
}

// object walks through an object, whose members it returns.
func (w *walker) object(depth int) (map[string]json.RawMessage, error) {
	members := map[string]json.RawMessage{}
	w.at++
	if w.take('}') {
		return members, nil
	}
	for {
		name, err := w.name()
		if err != nil {
			return nil, err
		}
		if _, ok := members[name]; ok {
			return nil, errors.New("a member is repeated")
		}
		w.next()
		start := w.at
		if err := w.value(depth + 1); err != nil {
			return nil, err
		}
		members[name] = w.text[start:w.at:w.at]
		if w.take('}') {
			return members, nil
		}
		if !w.take(',') {
			return nil, errSyntax
		}
	}
}

// name passes a member's name and the colon.
func (w *walker) name() (string, error) {
	if w.next() != '"' {
		return "", errSyntax
	}
	start := w.at
	if err := w.quoted(); err != nil {
		return "", err
	}
	name := w.names[start+1 : w.at-1]
	if strings.IndexByte(name, '\\') >= 0 {
		name = Unquote(w.text[start:w.at])
	}
	if !w.take(':') {
		return "", errSyntax
	}
	return name, nil
}

func (w *walker) value(depth int) error {
	if depth > maxDepth {
		return errors.New("nested too deeply")
	}
	switch w.next() {
	case '{':
		_, err := w.object(depth)
		return err
	case '[':
		return w.array(depth)
	case '"':
		return w.quoted()
	}
	return w.literal()
}

func (w *walker) array(depth int) error {
	w.at++
	if w.take(']') {
		return nil
	}
	for {
		if err := w.value(depth + 1); err != nil {
			return err
		}
		if w.take(']') {
			return nil
		}
		if !w.take(',') {
			return errSyntax
		}
	}
}

// quoted passes a string.
func (w *walker) quoted() error {
	escapes := false
	for i := w.at + 1; i < len(w.text); i++ {
		switch c := w.text[i]; {
		case c == '"':
			text := w.text[w.at : i+1]
			w.at = i + 1
			if escapes && !json.Valid(text) {
				return errSyntax
			}
			return nil
		case c == '\\':
			escapes = true
			i++
		case c < 0x20:
			return errSyntax
		}
	}
	return errSyntax
}

// literal passes a number, true, false or null.
func (w *walker) literal() error {
	start := w.at
	for w.at < len(w.text) && !isSpace(w.text[w.at]) && !strings.ContainsRune(",]}", rune(w.text[w.at])) {
		w.at++
	}
	if !json.Valid(w.text[start:w.at]) {
		return errSyntax
	}
	return nil
}

// Unquote is the content of a valid JSON string, and "" for anything else. Most
// strings hold no escapes and are not decoded.
func Unquote(v json.RawMessage) string {
	if len(v) >= 2 && v[0] == '"' && bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : len(v)-1])
	}
	var s string
	if json.Unmarshal(v, &s) != nil {
		return ""
	}
	return s
}

// Quote is s as a JSON string.
func Quote(s string) json.RawMessage { return AppendQuoted(make([]byte, 0, len(s)+2), s) }

// AppendQuoted appends s as a JSON string. Most strings need no escapes.
func AppendQuoted(b []byte, s string) []byte {
	if plain(s) {
		return append(append(append(b, '"'), s...), '"')
	}
	quoted, err := json.Marshal(s)
	if err != nil {
		return append(b, '"', '"')
	}
	return append(b, quoted...)
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
	size, names := 2, make([]string, 0, len(members))
	for name, v := range members {
		size += len(name) + len(v) + 4
		names = append(names, name)
	}
	slices.Sort(names)
	b := append(make([]byte, 0, size), '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(AppendQuoted(b, name), ':'), members[name]...)
	}
	return append(b, '}')
}
