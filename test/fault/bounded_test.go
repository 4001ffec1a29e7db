// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// TestBounded_metrics: nothing that a caller sends becomes a label, so no caller
// can make the metrics grow.
func TestBounded_metrics(t *testing.T) {
	h := limited(t, broker.Limits{AddressRate: 1e6}, everyone)
	ask := func(from, to int) {
		for i := from; i < to; i++ {
			odd := fmt.Sprintf("odd-%d", i)
			header := func() http.Header {
				return http.Header{"X-Forwarded-For": {fmt.Sprintf("203.0.%d.%d", i/250, i%250)}, "Origin": {"https://" + odd + ".example"}, "User-Agent": {odd}}
			}
			h.Send(http.MethodGet, harness.PublicURL+"/"+odd, "", header())
			h.Send(http.MethodGet, harness.PublicURL+"/v1/vendors/"+odd+"/authorize?client_id="+odd, "", header())
			h.Send(http.MethodGet, harness.PublicURL+"/v1/callback/"+odd+"/"+odd+"?state="+odd, "", header())
			h.Send(strings.ToUpper(strings.ReplaceAll(odd, "-", "")), tokenURL, "", header())
			h.Token(tokenURL, url.Values{"grant_type": {odd}, "vendor": {odd}}, harness.Basic(odd, odd))
			h.Token(tokenURL, url.Values{"grant_type": {odd}, "error": {odd}}, h.Auth(harness.WebClient))
		}
	}
	series := func() int { return strings.Count(h.Metrics(), "\n") }
	ask(0, 20)
	before := series()
	ask(20, 200)
	if after := series(); after != before {
		t.Errorf("%d lines of metrics became %d", before, after)
	}
	if strings.Contains(h.Metrics(), "odd") {
		t.Error("a label is what a caller sent")
	}
}
