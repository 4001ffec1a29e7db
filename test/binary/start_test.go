// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

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
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(500 * time.Millisecond) // a KMS that takes its time
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(slow.Close)
	s.Env = append(s.Env, "AWS_ENDPOINT_URL_KMS="+slow.URL)
	b := s.Start(kmsFlag, kms.AWSURL())
	defer b.Stop()
	client, status := s.HTTP(), 0
	binary.Eventually(t, func() error {
		answer, err := client.Get(s.PublicURL + "/")
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
