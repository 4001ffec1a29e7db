// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"crypto/tls"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/binary"
)

// metric is the value of a series without labels.
func metric(b *binary.Broker, name string) (float64, error) {
	all, err := b.AdminGet("/metrics")
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(all)
	if m == nil {
		return 0, fmt.Errorf("no metric %s", name)
	}
	return strconv.ParseFloat(m[1], 64)
}

// TestMetrics_areInTheReference: what a broker serves is what docs/reference
// explains, and everything there that needs no cluster and no Redis is served.
func TestMetrics_areInTheReference(t *testing.T) {
	s := newSite(t)
	b := s.Start().Ready()
	login(t, s.cli("acme"))
	all, err := b.AdminGet("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	reference, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (oauth_broker_\w+) (\w+)$`).FindAllStringSubmatch(all, -1) {
		served[m[1]] = true
		if !strings.Contains(string(reference), "| `"+m[1]+"` | "+m[2]+" |") {
			t.Errorf("docs/reference/metrics.md has no %s %s: run make generate", m[2], m[1])
		}
	}
	for _, name := range []string{
		"requests_total", "request_seconds", "vendor_calls_total", "vendor_call_seconds", "config_loaded_timestamp_seconds",
		"config_confirmed_timestamp_seconds", "tls_certificate_not_after_timestamp_seconds",
	} {
		if !served["oauth_broker_"+name] {
			t.Errorf("oauth_broker_%s is not served", name)
		}
	}
}

// TestMetrics_ages: the certificate's end is that of the one that is served, and
// the configuration is confirmed only while its source can be read.
func TestMetrics_ages(t *testing.T) {
	s := newSite(t)
	b := s.Start().Ready()
	certificate, err := tls.LoadX509KeyPair(s.Path("tls.crt"), s.Path("tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	want := certificate.Leaf.NotAfter.Unix()
	if got, err := metric(b, "oauth_broker_tls_certificate_not_after_timestamp_seconds"); err != nil || int64(got) != want {
		t.Errorf("the certificate ends at %.0f (%v), want %d", got, err, want)
	}
	confirmed := func() float64 {
		v, err := metric(b, "oauth_broker_config_confirmed_timestamp_seconds")
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	first := confirmed()
	binary.Eventually(t, func() error {
		if now := confirmed(); now <= first {
			return fmt.Errorf("confirmed at %.0f, and no later", now)
		}
		return nil
	})
	s.Write("config/acme.yaml", "nonsense: [")
	b.LogHas("the configuration cannot be read")
	before := confirmed()
	s.Write("config/envy.yaml", "nonsense: [")
	b.LogHas("the configuration cannot be read", "envy.yaml") // it has looked again
	if now := confirmed(); now != before {
		t.Errorf("confirmed at %.0f while the directory is bad, first %.0f", now, before)
	}
}
