// SPDX-License-Identifier: Apache-2.0

package oauth

import (
	"errors"
	"maps"
	"net/url"
	"unicode/utf8"
)

// Params are request parameters, each there at most once (OAuth 2.1 section
// 3.1). Empty parameters count as absent. resource may repeat (RFC 8707).
type Params struct {
	values    url.Values
	resources []string
}

// ParseParams strictly parses a query or a form body. Errors name the
// parameter and never its value.
func ParseParams(encoded string) (Params, error) {
	values, err := url.ParseQuery(encoded)
	if err != nil {
		return Params{}, errors.New("the parameters are not valid form encoding")
	}
	p := Params{values: values}
	for name, all := range values {
		for _, v := range all {
			if !clean(name) || !clean(v) {
				return Params{}, errors.New("a parameter holds control characters or invalid UTF-8")
			}
		}
		switch {
		case name == "resource":
			p.resources = nonEmpty(all)
			delete(values, name)
		case len(all) > 1:
			return Params{}, errors.New("a parameter is repeated; send each parameter once")
		case all[0] == "":
			delete(values, name)
		}
	}
	return p, nil
}

// Get returns a parameter, or "" where it is absent.
func (p Params) Get(name string) string { return p.values.Get(name) }

// Has tells whether a parameter is there.
func (p Params) Has(name string) bool { return p.values.Has(name) }

// Resource returns the resource indicators.
func (p Params) Resource() []string { return p.resources }

// Empty tells whether there is no parameter at all.
func (p Params) Empty() bool { return len(p.values) == 0 && len(p.resources) == 0 }

func clean(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}

func nonEmpty(all []string) []string {
	var out []string
	for _, v := range all {
		if v != "" {
			out = append(out, v)
		}
	}
	return out
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
	c := Params{values: maps.Clone(p.values), resources: p.resources}
	if c.values == nil {
		c.values = url.Values{}
	}
	c.values.Set(name, value)
	return c
}

// Without returns a copy of p that lacks names.
func (p Params) Without(names ...string) Params {
	c := Params{values: maps.Clone(p.values), resources: p.resources}
	for _, name := range names {
		c.values.Del(name)
	}
	return c
}

// Encode writes the parameters in form encoding.
func (p Params) Encode() string {
	values := maps.Clone(p.values)
	if len(p.resources) > 0 {
		values["resource"] = p.resources
	}
	return values.Encode()
}
