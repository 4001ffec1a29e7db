// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// BenchmarkOneChange is the work of a publication, without the API server, in
// which one of 10,000 credentials changed.
func BenchmarkOneChange(b *testing.B) {
	d := testDocument(10_000)
	items, _ := encode(d)
	first, err := MakePlan(fresh(), items)
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		n++
		d.Credentials[n%len(d.Credentials)].ClientSecret = secret.New(fmt.Sprint(n))
		items, _ := encode(d)
		next, err := MakePlan(first.Next, items)
		if err != nil {
			b.Fatal(err)
		}
		if len(next.Create) != 1 {
			b.Fatalf("got %d new shards, want 1", len(next.Create))
		}
		first = next
	}
}
