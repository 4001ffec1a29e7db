// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/redis"
)

// redemptions sends one code in parallel to all replicas, and counts who got tokens.
func (s *site) redemptions(t *testing.T, replicas []*binary.Install, n int) (good int) {
	t.Helper()
	client := s.web()
	l, err := client.Login()
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {l.Answer.Get("code")}, "code_verifier": {l.Verifier}, "redirect_uri": {client.RedirectURL},
	}.Encode()
	statuses := make([]int, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			at := replicas[i%len(replicas)]
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+at.Public+"/v1/vendors/acme/token", strings.NewReader(form))
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.SetBasicAuth(client.ClientID, client.ClientSecret)
			answer, err := at.HTTP(s.acme).Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			answer.Body.Close()
			statuses[i] = answer.StatusCode
		})
	}
	group.Wait()
	for _, status := range statuses {
		switch status {
		case http.StatusOK:
			good++
		case http.StatusBadRequest: // invalid_grant
		case http.StatusServiceUnavailable: // the vendor was too slow for this one
		default:
			t.Errorf("got status %d", status)
		}
	}
	return good
}

// TestReplicas_oneCode: three processes, one code, a hundred at once. With Redis
// one gets tokens and the vendor is asked once; without, the vendor decides.
func TestReplicas_oneCode(t *testing.T) {
	t.Parallel()
	for name, redisURL := range map[string]string{"with Redis": redis.Start(t).URL(), "without Redis": ""} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			flags := []string{"--client-rate", "0", "--address-rate", "0"} // a hundred at once are meant
			if redisURL != "" {
				s.Write("redis-url", redisURL)
				flags = append(flags, "--redis-url", s.Path("redis-url"))
			}
			replicas := []*binary.Install{s.Install, s.Another(), s.Another()}
			for _, r := range replicas {
				r.Start(flags...).Ready()
			}
			for range 2 {
				calls, redeemed := s.acme.Count(fakevendor.Token), s.acme.Stats().CodesRedeemed
				good := s.redemptions(t, replicas, 100)
				calls, redeemed = s.acme.Count(fakevendor.Token)-calls, s.acme.Stats().CodesRedeemed-redeemed
				t.Logf("100 redemptions: %d with tokens, the vendor was asked %d times and redeemed %d", good, calls, redeemed)
				if good != 1 || redeemed != 1 {
					t.Errorf("%d answers with tokens, %d codes redeemed at the vendor, want 1 and 1", good, redeemed)
				}
				if redisURL != "" && calls != 1 || redisURL == "" && calls < 2 {
					t.Errorf("the vendor was asked %d times", calls)
				}
			}
		})
	}
}
