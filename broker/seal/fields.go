// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
)

// Content is what can be sealed without reflection. Fields names every member
// once, in one order, and serves both ways: it writes them for Seal and reads
// them for Open.
//
// What is sealed is the same JSON object that encoding/json makes of a struct
// with these names and omitempty, and either can read the other's: a member that
// is missing leaves its field as it is, one that nobody names is passed over.
type Content interface{ Fields(f *Fields) }

// usualMembers is what most objects have, with those inside.
const usualMembers = 24

// Fields writes or reads the members of one JSON object.
type Fields struct {
	out []byte // the object, while writing

	reading bool
	members []member
	next    int // members come in the order of their writing
	bad     bool
}

type member struct{ name, value string }

// write appends c as a JSON object to b.
func (f *Fields) write(b []byte, c Content) []byte {
	f.out = append(b, '{')
	c.Fields(f)
	return append(f.out, '}')
}

// read reads an object that write or encoding/json wrote. Its strings are parts
// of text.
func (f *Fields) read(text string, c Content) error {
	f.reading = true
	if !f.split(text) {
		return ErrMalformed
	}
	if c.Fields(f); f.bad {
		return ErrMalformed
	}
	return nil
}

// Text is a string.
func (f *Fields) Text(name string, v *string) {
	if !f.reading {
		if *v != "" {
			f.begin(name)
			f.out = oauth.AppendQuoted(f.out, *v)
		}
		return
	}
	if value, ok := f.find(name); ok {
		*v = f.unquoted(value)
	}
}

// Texts is a list of strings.
func (f *Fields) Texts(name string, v *[]string) {
	if !f.reading {
		if len(*v) == 0 {
			return
		}
		f.begin(name)
		f.out = append(f.out, '[')
		for i, s := range *v {
			if i > 0 {
				f.out = append(f.out, ',')
			}
			f.out = oauth.AppendQuoted(f.out, s)
		}
		f.out = append(f.out, ']')
		return
	}
	value, ok := f.find(name)
	if !ok || value == "null" {
		return
	}
	list := make([]string, 0, 1+strings.Count(value, ","))
	for at := 1; at < len(value)-1; at++ { // after '[' or ','
		end := skip(value, at)
		list, at = append(list, f.unquoted(value[at:end])), end
	}
	f.bad = f.bad || value[0] != '['
	*v = list
}

// Int is a whole number.
func (f *Fields) Int(name string, v *int64) {
	if !f.reading {
		if *v != 0 {
			f.begin(name)
			f.out = strconv.AppendInt(f.out, *v, 10)
		}
		return
	}
	if value, ok := f.find(name); ok {
		n, err := strconv.ParseInt(value, 10, 64)
		f.bad = f.bad || err != nil
		*v = n
	}
}

// Bool is true or false.
func (f *Fields) Bool(name string, v *bool) {
	if !f.reading {
		if *v {
			f.begin(name)
			f.out = append(f.out, "true"...)
		}
		return
	}
	if value, ok := f.find(name); ok {
		*v = value == "true"
		f.bad = f.bad || !*v && value != "false"
	}
}

// Time is a time, to the nanosecond.
func (f *Fields) Time(name string, v *time.Time) {
	if !f.reading {
		f.begin(name)
		f.out = append(v.AppendFormat(append(f.out, '"'), time.RFC3339Nano), '"')
		return
	}
	if value, ok := f.find(name); ok {
		t, err := time.Parse(time.RFC3339Nano, f.unquoted(value))
		f.bad = f.bad || err != nil
		*v = t
	}
}

// Object is an object inside.
func (f *Fields) Object(name string, c Content) {
	if !f.reading {
		f.begin(name)
		f.out = append(f.out, '{')
		c.Fields(f)
		f.out = append(f.out, '}')
		return
	}
	if value, ok := f.find(name); ok {
		members, next := f.members, f.next
		f.members, f.next = members[len(members):], 0
		if f.split(value) {
			c.Fields(f)
		} else {
			f.bad = true
		}
		f.members, f.next = members, next
	}
}

// Map is an object of strings; few have one.
func (f *Fields) Map(name string, v *map[string]string) {
	if !f.reading {
		if len(*v) > 0 {
			f.begin(name)
			b, err := json.Marshal(*v)
			f.bad = err != nil // never: any string can be written
			f.out = append(f.out, b...)
		}
		return
	}
	if value, ok := f.find(name); ok {
		f.bad = json.Unmarshal([]byte(value), v) != nil || f.bad
	}
}

// begin writes a member's name.
func (f *Fields) begin(name string) {
	if f.out[len(f.out)-1] != '{' {
		f.out = append(f.out, ',')
	}
	f.out = append(append(append(f.out, '"'), name...), `":`...)
}

// find looks for a member, first where the order says that it is.
func (f *Fields) find(name string) (string, bool) {
	for i := range f.members {
		m := &f.members[(f.next+i)%len(f.members)]
		if m.name == name {
			f.next += i + 1
			return m.value, true
		}
	}
	return "", false
}

// split finds the members of an object.
func (f *Fields) split(text string) bool {
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' {
		return false
	}
	for at := 1; at < len(text)-1; at++ { // after '{' or ','
		end := skip(text, at)
		if end-at < 2 || text[at] != '"' || end >= len(text)-1 || text[end] != ':' {
			return false
		}
		name := text[at+1 : end-1]
		at = end + 1
		end = skip(text, at)
		if end == at || end >= len(text) || text[end] != ',' && end != len(text)-1 {
			return false
		}
		f.members = append(f.members, member{name, text[at:end]})
		at = end
	}
	return true
}

// skip finds the end of the value that begins at at: the brackets and strings in
// it are closed there.
func skip(text string, at int) int {
	depth := 0
	for ; at < len(text); at++ {
		switch text[at] {
		case '"':
			for at++; at < len(text) && text[at] != '"'; at++ {
				if text[at] == '\\' {
					at++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return at
			}
		case ',', ':':
			if depth == 0 {
				return at
			}
		}
	}
	return len(text)
}

// unquoted is a string's content.
func (f *Fields) unquoted(value string) string {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' && strings.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1]
	}
	var s string
	f.bad = json.Unmarshal([]byte(value), &s) != nil || f.bad
	return s
}
