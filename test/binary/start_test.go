// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/fakekms"
)

// A container that is restarted is sent requests before it has its keys and its
// configuration: they wait for a moment and are then served.
func TestStart_whoComesEarlyWaits(t *testing.T) {
	t.Parallel()
	s, kms := newSite(t), fakekms.Start(t)
	s.Env = append(s.Env, kms.AWSEnv()...)
	s.Remove("keyring.json")
	keys(t, s.Install, "new", s.Path("keyring.json"), kmsFlag, kms.AWSURL())

	address, _ := strings.CutPrefix(kms.AWSEnv()[0], "AWS_ENDPOINT_URL_KMS=")
	to, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	came := make(chan struct{}) // closed when the first client is connected
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-came:
			proxy.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(slow.Close)
	s.Env = append(s.Env, "AWS_ENDPOINT_URL_KMS="+slow.URL)
	b := s.Start(kmsFlag, kms.AWSURL())
	defer b.Stop()
	client, status := s.HTTP(), 0
	var once sync.Once
	traced := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{ConnectDone: func(_, _ string, err error) {
		if err == nil {
			once.Do(func() { close(came) })
		}
	}})
	binary.Eventually(t, func() error {
		r, err := http.NewRequestWithContext(traced, http.MethodGet, s.PublicURL+"/", http.NoBody)
		if err != nil {
			return err
		}
		answer, err := client.Do(r)
		if err != nil {
			return err // not listening yet
		}
		status = answer.StatusCode
		return answer.Body.Close()
	})
	if status != http.StatusOK {
		t.Errorf("the first answer has status %d, want 200", status)
	}
}
