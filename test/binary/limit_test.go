// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/redis"
)

// refused tells whether an address behind a proxy is answered with 429 by one
// replica.
func refused(t *testing.T, in *binary.Install, address string) bool {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+in.Public+"/v1/authorize?client_id=nobody", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Forwarded-For", address)
	answer, err := in.HTTP().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode == http.StatusTooManyRequests && answer.Header.Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
	return answer.StatusCode == http.StatusTooManyRequests
}

// exhaust asks until an address is refused.
func exhaust(t *testing.T, in *binary.Install, address string) int {
	t.Helper()
	for n := range 100 {
		if refused(t, in, address) {
			return n
		}
	}
	t.Fatalf("%s may ask without end", address)
	return 0
}

// TestLimit_sharedByReplicas: two processes with a Redis count together, and
// each for itself while it is away; nobody waits for it.
func TestLimit_sharedByReplicas(t *testing.T) {
	t.Parallel()
	s, server := newSite(t), redis.Start(t)
	s.Write("redis-url", server.URL())
	two := s.Another()
	flags := []string{"--redis-url", s.Path("redis-url"), "--trusted-proxy", "127.0.0.0/8", "--address-rate", "0.01"} // one at once, and one more in 100 s
	s.Start(flags...).Ready()
	two.Start(flags...).Ready()

	// A replica that waits for Redis for more than half a second counts alone for
	// a moment, so on a machine that stutters another address is tried.
	n := 0
	binary.Eventually(t, func() error {
		n++
		address := "203.0.113." + strconv.Itoa(n)
		if refused(t, s.Install, address) {
			t.Fatal("the first request is refused")
		}
		if !refused(t, two, address) {
			return errors.New("the second replica does not know of what the first one counted")
		}
		return nil
	})

	server.Stop()
	for _, in := range []*binary.Install{s.Install, two} {
		if n := exhaust(t, in, "198.51.100.9"); n != 1 {
			t.Errorf("without Redis %d requests went through one replica, want 1", n)
		}
	}
	server.Restart()
	binary.Eventually(t, func() error {
		n++
		address := "203.0.113." + strconv.Itoa(n%250)
		if one, other := refused(t, s.Install, address), refused(t, two, address); one || !other {
			return fmt.Errorf("after Redis came back: refused %v by the first and %v by the second", one, other)
		}
		return nil
	})
	if keys := server.Keys(); len(keys) > n+2 {
		t.Errorf("Redis holds %d keys of %d addresses", len(keys), n)
	}
}
