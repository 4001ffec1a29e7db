// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/test/binary"
)

// lost is how many log lines nobody took.
func lost(t *testing.T, b *binary.Broker) int {
	t.Helper()
	metrics, err := b.AdminGet("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^oauth_broker_log_lines_lost_total (\d+)$`).FindStringSubmatch(metrics)
	if m == nil {
		t.Fatal("there is no metric of lost lines")
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestLog_fullDisk: the disk that takes the log is full. Promised: logins go on,
// and a metric tells how many lines are lost.
func TestLog_fullDisk(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	s.Output = full
	b := s.Start().Ready()
	login(t, s.web())
	binary.Eventually(t, func() error {
		if lost(t, b) < 4 { // the start, and three requests
			return errors.New("no lines are lost")
		}
		return nil
	})
	b.Stop()
}

// TestLog_nobodyReads: the log is a pipe, whose reader hangs and then is gone.
// Promised: no request waits for it, and the broker does not die of it.
func TestLog_nobodyReads(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	s.Output = write
	b := s.Start("--log-level", "debug").Ready()
	_ = write.Close() // the broker has its own
	client := s.HTTP()
	client.Transport = &http.Transport{TLSClientConfig: s.TLS()}
	deadline := time.Now().Add(time.Minute)
	for asked := 0; lost(t, b) == 0; asked++ {
		for range 100 {
			answer, err := client.Get(s.PublicURL + "/healthz")
			if err != nil {
				t.Fatalf("after %d requests: %v", 100*asked, err)
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %d requests no line is lost: somebody reads", 100*asked)
		}
	}
	login(t, s.web())
	_ = read.Close()
	login(t, s.web())
	start := time.Now()
	b.Stop()
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the end took %s", took)
	}
}
