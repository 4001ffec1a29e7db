// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// checkJSON wants every line of a log to be an object.
func checkJSON(t *testing.T, log string) {
	t.Helper()
	for line := range strings.Lines(log) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Errorf("not JSON: %s", line)
		}
	}
}

// slowly makes a behaviour that waits for release before the good answer.
func slowly(arrived chan<- struct{}, release <-chan struct{}) fakevendor.Behaviour {
	return fakevendor.Behaviour{Name: "slow", Edit: func(map[string]any) {
		arrived <- struct{}{}
		<-release
	}}
}

// TestStop_inFlight: SIGTERM makes the broker not ready, requests end well, and
// the process ends with 0.
func TestStop_inFlight(t *testing.T) {
	t.Parallel()
	const delay = 2 * time.Second
	s := newSite(t)
	b := s.Start("--shutdown-delay", delay.String()).Ready()
	l, err := s.web().Login()
	if err != nil {
		t.Fatal(err)
	}
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	s.acme.SetTimes(fakevendor.Token, slowly(arrived, release), 1)
	type result struct {
		token *oauth2.Token
		err   error
	}
	done := make(chan result, 1)
	web := s.web() // its HTTP client has a connection of its own
	go func() {
		token, err := web.Token(l)
		done <- result{token, err}
	}()
	<-arrived

	start := time.Now()
	b.Signal()
	binary.Eventually(t, func() error {
		_, err := b.AdminGet("/readyz")
		if status := (&binary.StatusError{}); errors.As(err, &status) && status.Status == http.StatusServiceUnavailable && strings.Contains(status.Body, "draining") {
			return nil
		}
		return errors.Join(errors.New("want 503 draining"), err)
	})
	if took := time.Since(start); took > delay/2 {
		t.Errorf("not ready after %s", took)
	}
	// While load balancers learn of it, new requests are served.
	if err := s.asks("files"); err != nil {
		t.Errorf("during the delay: %v", err)
	}
	// The listener closes after the delay, with the request still under way.
	binary.Eventually(t, func() error {
		if _, err := s.serial(); err == nil {
			return errors.New("the listener is still open")
		}
		return nil
	})
	if took := time.Since(start); took < delay {
		t.Errorf("the listener was closed after %s", took)
	}
	if _, err := b.AdminGet("/healthz"); err != nil {
		t.Errorf("the admin listener while requests drain: %v", err)
	}
	close(release)
	if got := <-done; got.err != nil || got.token.AccessToken == "" {
		t.Errorf("the request under way: %v", got.err)
	}
	if code := b.Wait(); code != 0 {
		t.Errorf("got exit code %d", code)
	}
	checkJSON(t, b.Log())
}

// TestStop_idleConnections do not hold the end up, and neither does a broker
// that never got ready.
func TestStop_idleConnections(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.Start().Ready()
	c := s.HTTP()
	c.Transport = &http.Transport{TLSClientConfig: s.TLS()}
	answer, err := c.Get(s.PublicURL + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	start := time.Now()
	b.Stop()
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("took %s", took)
	}
}

// TestStop_tooLong: requests that do not end are cut after --shutdown-timeout,
// and the process says so.
func TestStop_tooLong(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.Start("--shutdown-timeout", "500ms").Ready()
	l, err := s.web().Login()
	if err != nil {
		t.Fatal(err)
	}
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	s.acme.SetTimes(fakevendor.Token, slowly(arrived, release), 1)
	web, done := s.web(), make(chan error, 1)
	go func() {
		_, err := web.Token(l)
		done <- err
	}()
	<-arrived
	start := time.Now()
	b.Signal()
	if code := b.Wait(); code != 1 || time.Since(start) > 10*time.Second {
		t.Errorf("got exit code %d after %s", code, time.Since(start))
	}
	b.LogHas("--shutdown-timeout", "still under way after 500ms")
	close(release)
	if <-done == nil {
		t.Error("the request that was cut got tokens")
	}
}
