// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/fakekms"
)

const kmsFlag = "--keyring-kms-url"

// notReady wants 503 that says why, at both ports.
func (s *site) notReady(t *testing.T, b *binary.Broker, why string) {
	t.Helper()
	_, err := b.AdminGet("/readyz")
	if status := (&binary.StatusError{}); !errors.As(err, &status) || status.Status != http.StatusServiceUnavailable || !strings.Contains(status.Body, why) {
		t.Errorf("readyz: got %v, want 503 and %q", err, why)
	}
	answer, err := s.HTTP().Get(s.PublicURL + "/v1/vendors/acme/authorize")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("authorize: got %d, want 503", answer.StatusCode)
	}
}

// stale waits for the metric.
func stale(t *testing.T, b *binary.Broker, want string) {
	t.Helper()
	binary.Eventually(t, func() error {
		metrics, err := b.AdminGet("/metrics")
		if err == nil && !strings.Contains(metrics, "\noauth_broker_key_ring_stale "+want+"\n") {
			err = fmt.Errorf("oauth_broker_key_ring_stale is not %s", want)
		}
		return err
	})
}

// kmsServer is a KMS that can be made to fail, and counts its calls.
type kmsServer interface {
	Away(away bool)
	Calls(operation string) int
}

// TestKMS: the ring is wrapped, and the KMS is away at the start, during a change,
// and while nothing changes.
func TestKMS(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) (kmsServer, string, []string){
		"vault": func(t *testing.T) (kmsServer, string, []string) {
			v := newVault(t)
			return v, v.VaultURL(), v.VaultEnv()
		},
		"gcp": func(t *testing.T) (kmsServer, string, []string) {
			k := fakekms.Start(t)
			return k, k.GCPURL(), k.GCPEnv(t)
		},
		"azure": func(t *testing.T) (kmsServer, string, []string) {
			k := fakekms.Start(t)
			return k, k.AzureURL(), k.AzureEnv(t)
		},
		"aws": func(t *testing.T) (kmsServer, string, []string) {
			k := fakekms.Start(t)
			return k, k.AWSURL(), k.AWSEnv()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			kms, url, env := start(t)
			for _, variable := range env {
				if token, ok := strings.CutPrefix(variable, "VAULT_TOKEN="); ok {
					s.Plant("Vault's token", token)
				}
			}
			s.Env = append(s.Env, env...)
			s.wrappedLife(t, kms, url)
		})
	}
}

func (s *site) wrappedLife(t *testing.T, kms kmsServer, url string) {
	t.Helper()
	ring := s.Path("keyring.json")
	plain := s.Read("keyring.json")
	ids := s.ring(t, func(*keyring.Ring) {}).IDs()
	kmsKeys := func(args ...string) string { return keys(t, s.Install, append(args, kmsFlag, url)...) }
	if said := kmsKeys("wrap", ring); !strings.Contains(said, "wrapped") {
		t.Errorf("wrap says %q", said)
	}
	if wrapped := s.Read("keyring.json"); !strings.Contains(wrapped, ids[0]) || strings.Contains(wrapped, plain[strings.Index(plain, `"key"`):][:40]) {
		t.Error("the wrapped ring holds a key, or lacks an id")
	}
	if code, stderr := s.Run(append(s.Flags(), "--config", s.Path("config"))...); code != 1 || !strings.Contains(stderr, kmsFlag) {
		t.Errorf("a broker without the flag: %d %s", code, stderr)
	}

	// Away at the start: not ready, and it says why; then by itself.
	kms.Away(true)
	b := s.Start(kmsFlag, url)
	b.LogHas("no key ring yet", "KMS")
	s.notReady(t, b, "no key ring yet")
	kms.Away(false)
	b.Ready()
	if err := s.whole(s.web()); err != nil {
		t.Error(err)
	}

	// Away later: nobody notices, and a change waits.
	decrypts := kms.Calls("decrypt")
	if said := kmsKeys("rotate", ring); strings.Count(said, "added ") != 2 {
		t.Errorf("rotate says %q", said)
	}
	binary.Eventually(t, func() error {
		if got := b.Revision().KeyIDs; len(got) != 4 {
			return fmt.Errorf("the broker has keys %v", got)
		}
		return nil
	})
	if n := kms.Calls("decrypt") - decrypts; n != 2 { // the command's and the broker's
		t.Errorf("a change cost %d calls of decrypt, want 2", n)
	}
	kms.Away(true)
	if err := s.whole(s.web()); err != nil {
		t.Errorf("while the KMS is away: %v", err)
	}
	s.Write("keyring.json", s.Read("keyring.json")+"\n") // a change that must be unwrapped
	b.LogHas("key ring not reloaded", "KMS")
	stale(t, b, "1")
	if err := s.whole(s.web()); err != nil {
		t.Errorf("while the KMS is away: %v", err)
	}
	keysRefused(t, s.Install, "KMS", "rotate", ring, kmsFlag, url)
	if out := keys(t, s.Install, "list", ring); !strings.Contains(out, "waiting") {
		t.Errorf("list, which needs no KMS, says %s", out)
	}
	kms.Away(false)
	stale(t, b, "0")
	b.Stop()
	checkJSON(t, b.Log())

	// And back into the clear.
	keysRefused(t, s.Install, kmsFlag, "unwrap", ring)
	kmsKeys("unwrap", ring)
	s.Start().Ready()
	keysRefused(t, s.Install, "in the clear", "rotate", ring, kmsFlag, url)
}

// TestKMS_localKey: a key in a file, and from one to another.
func TestKMS_localKey(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	url := func(name string) string {
		key := make([]byte, 32)
		_, _ = rand.Read(key)
		text := base64.URLEncoding.EncodeToString(key)
		s.Plant("local key", text)
		s.Write(name, "base64key://"+text)
		return "file://" + s.Path(name)
	}
	one, two := url("one"), url("two")
	s.Remove("keyring.json")
	ring := s.Path("keyring.json")
	keys(t, s.Install, "new", ring, kmsFlag, one)
	keysRefused(t, s.Install, "KMS", "rotate", ring, kmsFlag, two)
	keys(t, s.Install, "wrap", ring, "--from-kms-url", one, kmsFlag, two)
	keysRefused(t, s.Install, "KMS", "rotate", ring, kmsFlag, one)
	b := s.Start(kmsFlag, two).Ready()
	if err := s.whole(s.web()); err != nil {
		t.Error(err)
	}
	b.Stop()
	keysRefused(t, s.Install, "command lines are not", "rotate", ring, kmsFlag, "base64key://c2VjcmV0")
}
