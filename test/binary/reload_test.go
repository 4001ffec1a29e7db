// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/test/binary"
)

// serial is the serial number of the certificate that is served.
func (s *site) serial() (string, error) {
	c, err := tls.Dial("tcp", s.Public, s.TLS())
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
}

func TestReload_certificate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.Start().Ready()
	before, err := s.serial()
	if err != nil {
		t.Fatal(err)
	}
	// Half a change, and then nonsense, keep the old one.
	good, err := os.ReadFile(s.Path("tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	s.Write("tls.key", "nonsense")
	b.LogHas(`"level":"ERROR"`, "certificate")
	if got, err := s.serial(); err != nil || got != before {
		t.Errorf("with a bad key file: got %s, %v", got, err)
	}
	s.Write("tls.key", string(good))
	want := s.Issue()
	binary.Eventually(t, func() error {
		if got, err := s.serial(); err != nil || got != want {
			return fmt.Errorf("got certificate %s, want %s: %w", got, want, err)
		}
		return nil
	})
	if err := s.asks("files"); err != nil {
		t.Error(err)
	}
	b.Stop()
	checkJSON(t, b.Log())
}

// ring reads and writes the key ring file as an operator would edit it.
func (s *site) ring(t *testing.T, change func(*keyring.Ring)) keyring.Ring {
	t.Helper()
	b, err := os.ReadFile(s.Path("keyring.json"))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	change(&ring)
	if b, err = keyring.Encode(ring); err != nil {
		t.Fatal(err)
	}
	s.Write("keyring.json", string(b))
	return ring
}

// begun is a login that waits at the vendor.
type begun struct {
	browser  *http.Client
	atVendor string
	login    *binary.Login
}

// begin sends a browser to the vendor, and not into it.
func (s *site) begin(t *testing.T, c *binary.Client) *begun {
	t.Helper()
	p := &begun{browser: s.Browser(c.RedirectURL, s.acme), login: &binary.Login{State: "state-of-a-pending-login", Verifier: oauth2.GenerateVerifier()}}
	follow := p.browser.CheckRedirect
	p.browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := p.browser.Get(c.AuthCodeURL(p.login.State, oauth2.S256ChallengeOption(p.login.Verifier)))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	p.atVendor = answer.Header.Get("Location")
	if !strings.HasPrefix(p.atVendor, s.acme.Issuer()) {
		t.Fatalf("got status %d, want a redirect to the vendor", answer.StatusCode)
	}
	p.browser.CheckRedirect = follow
	return p
}

// end goes on to where the login ends: the application, or a page.
func (p *begun) end(t *testing.T) *http.Response {
	t.Helper()
	answer, err := p.browser.Get(p.atVendor)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if to, err := answer.Location(); err == nil {
		p.login.Answer = to.Query()
	}
	return answer
}

func TestReload_keyRing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.Start().Ready()
	old := b.Revision().KeyIDs
	held, lost := s.begin(t, s.web()), s.begin(t, s.web())
	token := login(t, s.web())

	// A new key that seals at once: what began under the old one goes on.
	past := time.Now().Add(-time.Minute)
	ring := s.ring(t, func(r *keyring.Ring) {
		for _, list := range []*[]keyring.Key{&r.Flow, &r.Grant} {
			for i := range *list {
				(*list)[i].SealFrom = past.Add(-time.Hour)
			}
			*list = append(*list, keyring.NewKey(past))
		}
	})
	start := time.Now()
	binary.Eventually(t, func() error {
		if got := b.Revision().KeyIDs; !slices.Equal(got, ring.IDs()) {
			return fmt.Errorf("got keys %v, want %v", got, ring.IDs())
		}
		return nil
	})
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the new keys were there after %s", took)
	}
	if answer := held.end(t); held.login.Answer.Get("code") == "" {
		t.Fatalf("a login over the change of keys: %d %s", answer.StatusCode, held.login.Answer)
	}
	if _, err := s.web().Token(held.login); err != nil {
		t.Error(err)
	}
	fresh, err := s.web().Renew(token)
	if err != nil {
		t.Fatal(err)
	}
	if want := "obr1." + ring.Grant[1].ID + "."; !strings.HasPrefix(fresh.RefreshToken, want) {
		t.Errorf("the refresh token was not sealed again by the new key %s", want)
	}

	// A broken file keeps the keys.
	s.Write("keyring.json", "nonsense")
	b.LogHas(`"level":"ERROR"`, "key ring not reloaded")
	if got := b.Revision().KeyIDs; !slices.Equal(got, ring.IDs()) {
		t.Errorf("with a broken file: got keys %v", got)
	}

	// Without the old keys what they sealed is lost, and says so.
	out, err := keyring.Encode(keyring.Ring{Flow: ring.Flow[1:], Grant: ring.Grant[1:]})
	if err != nil {
		t.Fatal(err)
	}
	s.Write("keyring.json", string(out))
	binary.Eventually(t, func() error {
		if slices.Contains(b.Revision().KeyIDs, old[0]) {
			return errors.New("the old key is still there")
		}
		return nil
	})
	answer := lost.end(t)
	if answer.StatusCode != http.StatusBadRequest || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
		t.Errorf("a login under a lost key: got %d %s, want a page", answer.StatusCode, answer.Header.Get("Content-Type"))
	}
	refused := &oauth2.RetrieveError{}
	if _, err := s.web().Renew(token); !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" {
		t.Errorf("a refresh token under a lost key: got %v, want invalid_grant", err)
	}
	if _, err := s.web().Renew(fresh); err != nil {
		t.Errorf("a refresh token under the new key: %v", err)
	}
	b.Stop()
	if strings.Contains(b.Log(), "panic") {
		t.Errorf("panic in the log: %s", b.Log())
	}
	checkJSON(t, b.Log())
}
