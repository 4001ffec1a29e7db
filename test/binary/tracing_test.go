// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// TestTracing: the flag and the standard variable name a collector; without them
// nothing is exported.
func TestTracing(t *testing.T) {
	for name, tt := range map[string]struct {
		flags, env func(url string) []string
		want       bool
	}{
		"flag":     {flags: func(url string) []string { return []string{"--otlp-endpoint", url} }, want: true},
		"variable": {env: func(url string) []string { return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + url} }, want: true},
		"disabled": {
			flags: func(url string) []string { return []string{"--otlp-endpoint", url} },
			env:   func(string) []string { return []string{"OTEL_SDK_DISABLED=true"} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := newSite(t), harness.StartCollector(t)
			var flags []string
			if tt.flags != nil {
				flags = tt.flags(c.URL)
			}
			if tt.env != nil {
				s.Env = tt.env(c.URL)
			}
			b := s.Start(flags...).Ready()
			login(t, s.cli("acme"))
			b.Stop() // sends what is left
			trace := map[string]string{}
			for _, span := range c.Spans() {
				trace[span.Name] = fmt.Sprintf("%x", span.TraceId)
			}
			call, authorize := trace["vendor code"], trace["GET /v1/vendors/{vendor}/authorize"]
			if (call != "") != tt.want || call != authorize {
				t.Errorf("traces: %v", trace)
			}
		})
	}
}

// TestTracing_collectorIsAway: logins do not notice.
func TestTracing_collectorIsAway(t *testing.T) {
	s := newSite(t)
	b := s.Start("--otlp-endpoint", "http://"+binary.FreeAddress(t)).Ready()
	login(t, s.cli("acme"))
	binary.Eventually(t, func() error {
		if _, err := metric(b, "oauth_broker_config_sequence"); err != nil {
			return errors.New("the broker does not answer")
		}
		return nil
	})
}
