// SPDX-License-Identifier: Apache-2.0

package oauth

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
)

const maxDepth = 32

// Object is the members of a JSON object in their order, each with its value as
// it was written. It is made for a handful of them.
type Object []Member

// Member of an Object. Value is JSON.
type Member struct{ Name, Value string }

// ParseObject reads a JSON object. Its members are parts of text. Repeated member
// names, trailing bytes and deep nesting are refused: parsers disagree about them.
func ParseObject(text string) (Object, error) {
	if !utf8.ValidString(text) {
		return nil, errors.New("not valid UTF-8")
	}
	w := walker{text: text}
	if w.next() != '{' {
		if json.Valid([]byte(text)) {
			return nil, errors.New("not a JSON object")
		}
		return nil, errSyntax
	}
	members, err := w.object(make(Object, 0, min(1+strings.Count(text, ","), usualMembers)), 0)
	if err != nil {
		return nil, err
	}
	if w.next(); w.at < len(text) {
		return nil, errSyntax
	}
	return members, nil
}

// usualMembers is what a token response and the claims of an ID token have.
const usualMembers = 16

// DecodeObject is ParseObject for who wants a map.
func DecodeObject(b []byte) (map[string]json.RawMessage, error) {
	o, err := ParseObject(string(b))
	if err != nil {
		return nil, err
	}
	m := make(map[string]json.RawMessage, len(o))
	for _, member := range o {
		m[member.Name] = json.RawMessage(member.Value)
	}
	return m, nil
}

// Get returns the value of a member; "" is no JSON and means that there is none.
func (o Object) Get(name string) string {
	if i := o.find(name); i >= 0 {
		return o[i].Value
	}
	return ""
}

// Set gives a member its value.
func (o *Object) Set(name, value string) {
	if i := o.find(name); i >= 0 {
		(*o)[i].Value = value
		return
	}
	*o = append(*o, Member{name, value})
}

// Delete takes a member out.
func (o *Object) Delete(name string) {
	*o = slices.DeleteFunc(*o, func(m Member) bool { return m.Name == name })
}

func (o Object) find(name string) int {
	return slices.IndexFunc(o, func(m Member) bool { return m.Name == name })
}

// MarshalJSON implements json.Marshaler. Members stand as they are.
func (o Object) MarshalJSON() ([]byte, error) { return o.AppendJSON(nil), nil }

// AppendJSON appends o as MarshalJSON writes it.
func (o Object) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(AppendQuoted(b, m.Name), ':'), m.Value...)
	}
	return append(b, '}')
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *Object) UnmarshalJSON(b []byte) (err error) {
	*o, err = ParseObject(string(b))
	return err
}

var errSyntax = errors.New("not valid JSON, or bytes after its end")

// walker walks through JSON once. Strings without escapes and what holds values
// together are judged here, all other literals by encoding/json.
type walker struct {
	text string
	at   int
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

// object walks through an object and adds its members to those in members.
func (w *walker) object(members Object, depth int) (Object, error) {
	w.at++
	if w.take('}') {
		return members, nil
	}
	var names names
	for {
		name, err := w.name()
		if err != nil {
			return nil, err
		}
		if !names.add(members, name) {
			return nil, errors.New("a member is repeated")
		}
		w.next()
		start := w.at
		if err := w.value(depth + 1); err != nil {
			return nil, err
		}
		members = append(members, Member{name, w.text[start:w.at]})
		if w.take('}') {
			return members, nil
		}
		if !w.take(',') {
			return nil, errSyntax
		}
	}
}

// names tells of a name whether it was there before. Few are looked through; of
// many there is a set, since an object may be as long as its sender likes.
type names map[string]struct{}

func (n *names) add(before Object, name string) (isNew bool) {
	if len(before) <= usualMembers {
		return before.find(name) < 0
	}
	if *n == nil {
		*n = make(names, 2*len(before))
		for _, m := range before {
			(*n)[m.Name] = struct{}{}
		}
	}
	_, known := (*n)[name]
	(*n)[name] = struct{}{}
	return !known
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
	name := Unquote(w.text[start:w.at])
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
		_, err := w.object(nil, depth)
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
			if escapes && !json.Valid([]byte(text)) {
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
	if !json.Valid([]byte(w.text[start:w.at])) {
		return errSyntax
	}
	return nil
}

// Unquote is the content of a valid JSON string, and "" for anything else. Most
// strings hold no escapes and are not decoded: the content is a part of v.
func Unquote(v string) string {
	if len(v) >= 2 && v[0] == '"' && strings.IndexByte(v, '\\') < 0 {
		return v[1 : len(v)-1]
	}
	var s string
	if json.Unmarshal([]byte(v), &s) != nil {
		return ""
	}
	return s
}

// Quote is s as a JSON string. Most strings need no escapes.
func Quote(s string) string {
	if plain(s) {
		return `"` + s + `"`
	}
	quoted, err := json.Marshal(s)
	if err != nil { // never: any string can be written
		return `""`
	}
	return string(quoted)
}

// AppendQuoted appends s as a JSON string.
func AppendQuoted(b []byte, s string) []byte {
	if plain(s) {
		return append(append(append(b, '"'), s...), '"')
	}
	return append(b, Quote(s)...)
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
