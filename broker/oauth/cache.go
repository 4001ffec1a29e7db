// SPDX-License-Identifier: Apache-2.0

package oauth

import (
	"strconv"
	"strings"
	"time"
)

// CacheAges are how long documents of others are used before they are fetched
// again: what their Cache-Control says, within bounds of ours.
type CacheAges struct {
	Least, Most time.Duration
	// Usual is for those that say nothing.
	Usual time.Duration
}

// Of reads max-age (RFC 9111 section 5.2.2.1). no-store and no-cache mean the
// least.
func (a CacheAges) Of(cacheControl string) time.Duration {
	age := a.Usual
	for part := range strings.SplitSeq(strings.ToLower(cacheControl), ",") {
		part = strings.TrimSpace(part)
		if part == "no-store" || part == "no-cache" {
			return a.Least
		}
		if v, ok := strings.CutPrefix(part, "max-age="); ok {
			if s, err := strconv.Atoi(v); err == nil {
				age = time.Duration(min(s, 1<<30)) * time.Second
			}
		}
	}
	return min(max(age, a.Least), a.Most)
}
