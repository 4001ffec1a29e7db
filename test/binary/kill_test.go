// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/test/binary"
)

// TestKill_underLoad: one of two brokers is killed (SIGKILL) while browsers log
// in, again and again. Promised: the other goes on with every login, whichever
// step it is at; lost are at most the logins whose token request was with the
// vendor at that moment, since their code is spent and its answer is gone.
func TestKill_underLoad(t *testing.T) {
	t.Parallel()
	const workers, kills = 4, 3
	s := newSite(t)
	two := s.Another()
	s.Start().Ready()
	victim := two.Start().Ready()
	lb := s.Balancer(s.Install, two)
	var good, lost atomic.Int64
	var stopped atomic.Bool
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for !stopped.Load() { // a login under way is to end
				switch err := s.loginThrough(lb); {
				case err == nil:
					good.Add(1)
				case strings.Contains(err.Error(), "invalid_grant"):
					lost.Add(1) // sent again, and the code was spent
				default:
					t.Errorf("a login failed otherwise: %v", err)
				}
			}
		})
	}
	after := func(n int64) {
		t.Helper()
		from := good.Load()
		binary.Eventually(t, func() error {
			if good.Load() < from+n {
				return errors.New("logins do not go on")
			}
			return nil
		})
	}
	for range kills {
		after(20)
		victim.Kill() // nobody tells the balancer
		after(20)
		lb.Set(s.Install) // its probe has failed by now
		victim = two.Start().Ready()
		lb.Set(s.Install, two)
	}
	stopped.Store(true)
	all.Wait()
	t.Logf("%d logins, %d kills, %d lost", good.Load(), kills, lost.Load())
	if lost.Load() > workers*kills {
		t.Errorf("%d logins are lost, want at most the %d that were under way at each of %d kills", lost.Load(), workers, kills)
	}
}

// loginThrough walks one login with a browser and a client of the balancer's.
func (s *site) loginThrough(lb *binary.Balancer) error {
	c := s.web()
	t := lb.Transport(s.acme)
	t.DisableKeepAlives = true
	browser := s.Browser(c.RedirectURL, s.acme)
	browser.Transport = binary.Again{Next: t}
	l, err := c.LoginWith(browser)
	if err != nil {
		return err
	}
	hc := &http.Client{Transport: browser.Transport, Timeout: time.Minute}
	_, err = c.Exchange(context.WithValue(context.WithoutCancel(s.T.Context()), oauth2.HTTPClient, hc), l.Answer.Get("code"), oauth2.VerifierOption(l.Verifier))
	return err
}
