// SPDX-License-Identifier: Apache-2.0

package oauth_test

import (
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
)

func ages() oauth.CacheAges {
	return oauth.CacheAges{Least: time.Minute, Usual: 5 * time.Minute, Most: time.Hour}
}

func TestCacheAges(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 5 * time.Minute, "public": 5 * time.Minute, "max-age=soon": 5 * time.Minute, `max-age="120"`: 5 * time.Minute,
		"max-age=120": 2 * time.Minute, "public , MAX-AGE=120,must-revalidate": 2 * time.Minute, "s-maxage=1, max-age=120": 2 * time.Minute,
		"max-age=0": time.Minute, "max-age=-7": time.Minute, "no-store": time.Minute, "max-age=600, No-Cache": time.Minute,
		"max-age=5184000": time.Hour, "max-age=9223372036854775807": time.Hour,
	} {
		if got := ages().Of(header); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

func FuzzCacheAges(f *testing.F) {
	for _, s := range []string{"", "no-store", "max-age=60", "max-age=99999999999999999999", "max-age=-1", "public, MAX-AGE=7200", "max-age=\"5\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if age := ages().Of(header); age < ages().Least || age > ages().Most {
			t.Errorf("%q: %s", header, age)
		}
	})
}
