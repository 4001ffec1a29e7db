// SPDX-License-Identifier: Apache-2.0

package oauth

import (
	"net/url"
	"slices"
	"strings"
)

// Query is a query or a form in the making. Unlike url.Values it keeps the order
// in which parameters were set, and is made for a handful of them.
type Query []param

// usualParams is what an authorization request has.
const usualParams = 12

type param struct{ name, value string }

// ParseQuery reads a query that the configuration holds, and keeps its order.
func ParseQuery(encoded string) (Query, error) {
	q := make(Query, 0, usualParams)
	for pair := range strings.SplitSeq(encoded, "&") {
		if pair == "" {
			continue
		}
		name, value, err := parsePair(pair)
		if err != nil {
			return nil, err
		}
		q.Add(name, value)
	}
	return q, nil
}

// Set gives a parameter its one value.
func (q *Query) Set(name, value string) {
	i := q.find(name)
	if i < 0 {
		q.Add(name, value)
		return
	}
	(*q)[i].value = value
	kept := (*q)[:i+1]
	*q = append(kept, slices.DeleteFunc((*q)[i+1:], func(p param) bool { return p.name == name })...)
}

// Add adds a parameter, also beside one of the same name.
func (q *Query) Add(name, value string) { *q = append(*q, param{name, value}) }

// Encode writes the parameters in form encoding.
func (q Query) Encode() string { return q.after("", "") }

// after writes them after other text.
func (q Query) after(text, separator string) string {
	size := len(text) + len(separator)
	for _, p := range q {
		size += len(p.name) + len(p.value) + len(p.value)/4 + 2
	}
	var b strings.Builder
	b.Grow(size)
	b.WriteString(text)
	for _, p := range q {
		b.WriteString(separator)
		b.WriteString(url.QueryEscape(p.name))
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(p.value))
		separator = "&"
	}
	return b.String()
}

// First are the parameters by name; of those that are repeated the first counts.
func (q Query) First() map[string]string {
	m := make(map[string]string, len(q))
	for _, p := range slices.Backward(q) {
		m[p.name] = p.value
	}
	return m
}

func (q Query) find(name string) int {
	return slices.IndexFunc(q, func(p param) bool { return p.name == name })
}
