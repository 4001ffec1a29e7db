// SPDX-License-Identifier: Apache-2.0

package oauth

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxParams bounds what is looked through for repetitions; no request of OAuth
// has a tenth of it.
const maxParams = 256

// Params are request parameters, each there at most once (OAuth 2.1 section
// 3.1). Empty parameters count as absent. resource may repeat (RFC 8707).
type Params struct {
	list      Query
	resources []string
}

// ParseParams strictly parses a query or a form body. Errors name the
// parameter and never its value.
func ParseParams(encoded string) (Params, error) { return parseParams(encoded, nil) }

// ParseAnswer does the same for a vendor's authorization response, and is as strict
// with what decides. All else, a vendor may repeat or write as it likes (Entra ID
// has line breaks in error_description, which RFC 6749 section 4.1.2.1 forbids):
// what cannot be read, or stands there twice, counts as absent.
func ParseAnswer(encoded string) (Params, error) {
	return parseParams(encoded, []string{"state", "code", "error", "iss"})
}

// parseParams is strict with the parameters that decide, nil for all of them.
func parseParams(encoded string, decide []string) (Params, error) {
	p := Params{list: make(Query, 0, min(1+strings.Count(encoded, "&"), maxParams))}
	for pair := range strings.SplitSeq(encoded, "&") {
		if pair == "" {
			continue
		}
		name, value, err := parsePair(pair)
		if err == nil && name == "resource" {
			if value != "" {
				p.resources = append(p.resources, value)
			}
			continue
		}
		at := p.list.find(name)
		if err == nil && at >= 0 {
			err = errors.New("a parameter is repeated; send each parameter once")
		}
		if err != nil && (decide == nil || slices.Contains(decide, name)) {
			return Params{}, err
		}
		switch {
		case at >= 0:
			p.list[at].value = ""
		case len(p.list) == maxParams:
			return Params{}, errors.New("there are too many parameters")
		default:
			p.list = append(p.list, param{name, value})
		}
	}
	return p, nil
}

// parsePair reads a parameter. With an error it returns the name, where that can be
// read, and no value.
func parsePair(pair string) (name, value string, err error) {
	name, value, _ = strings.Cut(pair, "=")
	name, err1 := url.QueryUnescape(name)
	value, err2 := url.QueryUnescape(value)
	switch {
	case err1 != nil || err2 != nil || strings.Contains(pair, ";"):
		return name, "", errors.New("the parameters are not valid form encoding")
	case !clean(name) || !clean(value):
		return name, "", errors.New("a parameter holds control characters or invalid UTF-8")
	}
	return name, value, nil
}

// Get returns a parameter, or "" where it is absent.
func (p Params) Get(name string) string {
	if i := p.list.find(name); i >= 0 {
		return p.list[i].value
	}
	return ""
}

// Has tells whether a parameter is there.
func (p Params) Has(name string) bool { return p.Get(name) != "" }

// Resource returns the resource indicators.
func (p Params) Resource() []string { return p.resources }

// Empty tells whether there is no parameter at all.
func (p Params) Empty() bool {
	return len(p.resources) == 0 && !slices.ContainsFunc(p.list, func(q param) bool { return q.value != "" })
}

func clean(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}

// Printable tells whether s may stand in error and error_description: %x20-21,
// %x23-5B and %x5D-7E (RFC 6749 section 4.1.2.1).
func Printable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// With returns a copy of p in which name has value.
func (p Params) With(name, value string) Params {
	c := Params{list: slices.Clone(p.list), resources: p.resources}
	c.list.Set(name, value)
	return c
}

// Without returns a copy of p that lacks names.
func (p Params) Without(names ...string) Params {
	list := slices.DeleteFunc(slices.Clone(p.list), func(q param) bool { return slices.Contains(names, q.name) })
	return Params{list: list, resources: p.resources}
}

// Encode writes the parameters in form encoding.
func (p Params) Encode() string {
	list := slices.DeleteFunc(slices.Clone(p.list), func(q param) bool { return q.value == "" })
	for _, r := range p.resources {
		list.Add("resource", r)
	}
	return list.Encode()
}
