// SPDX-License-Identifier: Apache-2.0

package oauth_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
)

// query makes a Query of names and values in turns.
func query(pairs ...string) oauth.Query {
	var q oauth.Query
	for pair := range slices.Chunk(pairs, 2) {
		q.Add(pair[0], pair[1])
	}
	return q
}

func TestQuery_keepsItsOrder(t *testing.T) {
	q, err := oauth.ParseQuery("z=1&a=x+y&&z=2")
	if err != nil {
		t.Fatal(err)
	}
	q.Add("a", "ö&")
	q.Set("new", "")
	if got, want := q.Encode(), "z=1&a=x+y&z=2&a=%C3%B6%26&new="; got != want {
		t.Errorf("Encode() = %q, want %q", got, want)
	}
	if got, want := q.First(), map[string]string{"z": "1", "a": "x y", "new": ""}; !cmp.Equal(got, want) {
		t.Errorf("First() = %q, want %q", got, want)
	}
	q.Set("z", "3")
	q.Set("a", "4")
	if got, want := q.Encode(), "z=3&a=4&new="; got != want {
		t.Errorf("after Set: Encode() = %q, want %q", got, want)
	}
	for _, bad := range []string{"a=%zz", "a;b"} {
		if _, err := oauth.ParseQuery(bad); err == nil || strings.Contains(err.Error(), bad) {
			t.Errorf("ParseQuery(%q) = %v", bad, err)
		}
	}
}

// FuzzQuery holds what is written against net/url's reading.
func FuzzQuery(f *testing.F) {
	f.Add("name", "value", "n&", "=%+;")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		q := query(name1, value1, name2, value2)
		got, err := url.ParseQuery(q.Encode())
		if err != nil {
			t.Fatal(err)
		}
		want := url.Values{}
		want.Add(name1, value1)
		want.Add(name2, value2)
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}
