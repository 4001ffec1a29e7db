// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/test/binary"
)

// vault is what the cases of this file need of a Vault. newVault starts the fake
// of test/fakekms, or with the build tag vault (make test-vault) a real one.
type vault interface {
	kmsServer
	VaultURL() string
	// VaultEnv is the environment of a program whose token may encrypt and decrypt.
	VaultEnv() []string
	// Token makes a token that may do these operations with the key, and no more.
	Token(t testing.TB, operations ...string) string
	// Expire lets a token's time end.
	Expire(t testing.TB, token string)
	// Rotate adds a version to the key, Oldest refuses what older ones encrypted.
	Rotate(t testing.TB)
	Oldest(t testing.TB, version int)
	// Down stops the server, or starts it again.
	Down(t testing.TB, down bool)
}

// vaultSite is a site whose ring a Vault wraps.
type vaultSite struct {
	*site
	vault vault
	ring  string // file
}

func newVaultSite(t *testing.T) *vaultSite {
	t.Helper()
	v := &vaultSite{site: newSite(t), vault: newVault(t)}
	v.Env = append(v.Env, v.vault.VaultEnv()...)
	v.ring = v.Path("keyring.json")
	v.Remove("keyring.json")
	v.keys(t, "new")
	return v
}

// keys runs `broker keys` on the wrapped ring.
func (v *vaultSite) keys(t *testing.T, command string, more ...string) string {
	t.Helper()
	return keys(t, v.Install, append([]string{command, v.ring, kmsFlag, v.vault.VaultURL()}, more...)...)
}

// refused wants `broker keys` to fail and to say why, in one line.
func (v *vaultSite) refused(t *testing.T, why, command string) {
	t.Helper()
	code, stderr := v.Run("keys", command, v.ring, kmsFlag, v.vault.VaultURL())
	if code != 1 || !strings.Contains(stderr, why) || strings.Count(strings.TrimSpace(stderr), "\n") > 0 {
		t.Errorf("keys %s: got %d %q, want %q in one line", command, code, stderr, why)
	}
}

// as is the same site with a token that may do only these operations.
func (v *vaultSite) as(t *testing.T, operations ...string) (other *vaultSite, token string) {
	t.Helper()
	token = v.vault.Token(t, operations...)
	v.Plant("a token of Vault", token)
	out, install := *v, *v.Install
	out.site = &site{Install: &install, acme: v.acme, envy: v.envy, key: v.key}
	install.Env = append(append([]string{}, v.Env...), "VAULT_TOKEN="+token)
	return &out, token
}

// version is the one of Vault's key that wrapped the ring.
func (v *vaultSite) version(t *testing.T) string {
	t.Helper()
	var ring struct{ Wrapped struct{ Key []byte } }
	if err := json.Unmarshal([]byte(v.Read("keyring.json")), &ring); err != nil {
		t.Fatal(err)
	}
	parts := bytes.SplitN(ring.Wrapped.Key, []byte(":"), 3)
	if len(parts) != 3 || string(parts[0]) != "vault" {
		t.Fatal("the data key is not wrapped by Vault")
	}
	return string(parts[1])
}

// TestVault_ring: the life of a wrapped ring, and of the key that wraps it.
func TestVault_ring(t *testing.T) {
	t.Parallel()
	v := newVaultSite(t)
	b := v.Start(kmsFlag, v.vault.VaultURL()).Ready()
	old := b.Revision().KeyIDs
	if said := v.keys(t, "rotate"); strings.Count(said, "added ") != 2 {
		t.Errorf("rotate says %q", said)
	}
	if said := v.keys(t, "prune"); !strings.Contains(said, "nothing to prune") {
		t.Errorf("prune says %q", said)
	}

	// The old keys outlive what they sealed.
	v.keys(t, "unwrap")
	aged := v.site.ring(t, func(r *keyring.Ring) { back(r, keyring.GrantLife+keyring.DefaultDelay) })
	keys(t, v.Install, "wrap", v.ring, kmsFlag, v.vault.VaultURL())
	if said := v.keys(t, "prune"); !strings.Contains(said, "pruned "+old[0]+" of flow") || !strings.Contains(said, "pruned "+old[1]+" of grant") {
		t.Errorf("prune says %q", said)
	}
	holds(t, b, []string{aged.Flow[1].ID, aged.Grant[1].ID})
	if err := v.whole(v.web()); err != nil {
		t.Error(err)
	}

	// Vault's own key is rotated: what it wrapped opens, and any change wraps anew.
	v.vault.Rotate(t)
	before := v.Read("keyring.json")
	if got := v.version(t); got != "v1" {
		t.Errorf("wrapped by %s, want v1", got)
	}
	v.keys(t, "wrap", "--from-kms-url", v.vault.VaultURL())
	if got := v.version(t); got != "v2" {
		t.Errorf("wrapped by %s, want v2", got)
	}
	v.vault.Oldest(t, 2)
	b.Stop()
	again := v.Start(kmsFlag, v.vault.VaultURL()).Ready()
	if err := v.whole(v.web()); err != nil {
		t.Errorf("under Vault's new key: %v", err)
	}
	v.Write("keyring.json", before) // a backup from before
	again.LogHas("key ring not reloaded", "400", "too old")
	v.refused(t, "too old", "rotate")
	checkJSON(t, again.Log())
}

// TestVault_policies: who may only encrypt makes a ring, who may only decrypt
// serves with one, and each is told what it lacks.
func TestVault_policies(t *testing.T) {
	t.Parallel()
	v := newVaultSite(t)
	operator, _ := v.as(t, "encrypt")
	v.Remove("keyring.json")
	operator.keys(t, "new")
	operator.refused(t, "403: 1 error occurred: * permission denied", "rotate")
	b := operator.Start(kmsFlag, v.vault.VaultURL())
	b.LogHas("no key ring yet", "403", "permission denied")
	operator.notReady(t, b, "no key ring yet")
	b.Kill()

	server, _ := v.as(t, "decrypt")
	server.refused(t, "permission denied", "rotate")
	b = server.Start(kmsFlag, v.vault.VaultURL()).Ready()
	if err := server.whole(server.web()); err != nil {
		t.Error(err)
	}
	b.Stop()

	nobody, _ := v.as(t)
	nobody.refused(t, "permission denied", "rotate")
	other := v.vault.VaultURL() + "-of-another"
	if code, stderr := v.Run("keys", "rotate", v.ring, kmsFlag, other); code != 1 || !strings.Contains(stderr, "permission denied") {
		t.Errorf("another key: got %d %q, want permission denied", code, stderr)
	}
	if out := keys(t, nobody.Install, "list", v.ring); strings.Count(out, "sealing") != 2 {
		t.Errorf("list, which needs no Vault, says %s", out)
	}
}

// TestVault_down: a Vault that is sealed at the start, then stopped, then there,
// and that goes later.
func TestVault_down(t *testing.T) {
	t.Parallel()
	v := newVaultSite(t)
	v.vault.Away(true)
	b := v.Start(kmsFlag, v.vault.VaultURL())
	b.LogHas("no key ring yet", "503: Vault is sealed")
	v.notReady(t, b, "no key ring yet")
	v.refused(t, "503: Vault is sealed", "rotate")
	v.vault.Down(t, true)
	b.LogHas("no key ring yet", "hashivault: Put ")
	v.notReady(t, b, "no key ring yet")
	v.refused(t, "hashivault: Put ", "rotate")
	v.vault.Down(t, false)
	v.vault.Away(false)
	b.Ready()
	v.vault.Down(t, true)
	for range 3 {
		if err := v.whole(v.web()); err != nil {
			t.Errorf("while Vault is down: %v", err)
		}
	}
	if _, err := b.AdminGet("/readyz"); err != nil {
		t.Errorf("while Vault is down: %v", err)
	}
	stale(t, b, "0")
}

// TestVault_tokenExpires: a broker whose token ended keeps its keys, says so at
// the next change, and one with a new token takes it.
func TestVault_tokenExpires(t *testing.T) {
	t.Parallel()
	v := newVaultSite(t)
	holder, token := v.as(t, "decrypt")
	b := holder.Start(kmsFlag, v.vault.VaultURL()).Ready()
	had := b.Revision().KeyIDs
	v.vault.Expire(t, token)
	v.keys(t, "rotate")
	line := b.LogHas("key ring not reloaded", "403", "permission denied")
	if !strings.Contains(line, `"level":"ERROR"`) {
		t.Errorf("got %s, want an error", line)
	}
	stale(t, b, "1")
	holds(t, b, had)
	if err := v.whole(v.web()); err != nil {
		t.Errorf("with a token that ended: %v", err)
	}
	b.Stop()
	checkJSON(t, b.Log())

	holder, _ = v.as(t, "decrypt")
	b = holder.Start(kmsFlag, v.vault.VaultURL()).Ready()
	binary.Eventually(t, func() error {
		if got := b.Revision().KeyIDs; len(got) != 4 {
			return fmt.Errorf("the broker has keys %v", got)
		}
		return nil
	})
}
