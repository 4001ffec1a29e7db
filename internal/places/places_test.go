// SPDX-License-Identifier: Apache-2.0

package places_test

import (
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/places"
)

func TestPlaces(t *testing.T) {
	var p places.Places[string]
	for _, step := range []struct {
		holder string
		share  int
		want   bool
	}{{"a", 2, true}, {"a", 2, true}, {"a", 2, false}, {"b", 1, true}, {"b", 1, false}, {"b", 2, true}, {"c", 0, false}} {
		if got := p.Enter(step.holder, step.share); got != step.want {
			t.Errorf("%s got a place of %d: %v", step.holder, step.share, got)
		}
	}
	p.Leave("a")
	if n := p.Holders(); n != 2 {
		t.Errorf("%d hold places, want a and b", n)
	}
	if !p.Enter("a", 2) {
		t.Error("a place that was left is not given again")
	}
	for _, holder := range []string{"a", "a", "b", "b"} {
		p.Leave(holder)
	}
	if n := p.Holders(); n != 0 {
		t.Errorf("%d hold places after all left", n)
	}
}
