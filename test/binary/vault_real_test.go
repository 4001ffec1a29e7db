// SPDX-License-Identifier: Apache-2.0

//go:build vault

package binary_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/oauthbroker/oauth-broker/test/authority"
	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/capture"
	"github.com/oauthbroker/oauth-broker/test/fakekms"
)

// vaultServer is built by `make test-vault` from test/vault.
const vaultServer = "../../bin/vault"

// realVault is HashiCorp's server in a process of its own, with TLS, storage in
// files and an audit log. root speaks to it as its administrator.
type realVault struct {
	t                           *testing.T
	dir, address, token, unseal string
	root                        *api.Client
	process                     *exec.Cmd
}

func newVault(t *testing.T) vault {
	t.Helper()
	v := &realVault{t: t, dir: t.TempDir(), address: binary.FreeAddress(t)}
	ca, err := authority.New("127.0.0.1")
	v.must(err)
	v.must(authority.Write(v.dir, ca.Certificate))
	v.must(os.WriteFile(v.path("ca.crt"), ca.PEM(), 0o600))
	v.must(os.Mkdir(v.path("data"), 0o700))
	config := api.DefaultConfig()
	v.must(config.ConfigureTLS(&api.TLSConfig{CACert: v.path("ca.crt")}))
	config.Address = "https://" + v.address
	v.root, err = api.NewClient(config)
	v.must(err)
	v.start()
	t.Cleanup(v.stop)
	made, err := v.root.Sys().InitWithContext(t.Context(), &api.InitRequest{SecretShares: 1, SecretThreshold: 1})
	v.must(err)
	v.unseal = made.Keys[0]
	v.root.SetToken(made.RootToken)
	v.Away(false)
	v.must(v.root.Sys().EnableAuditWithOptionsWithContext(t.Context(), "file", &api.EnableAuditOptions{Type: "file", Options: map[string]string{"file_path": v.path("audit")}}))
	v.write("sys/mounts/transit", map[string]any{"type": "transit"})
	v.write("transit/keys/"+fakekms.Key, nil)
	v.token = v.Token(t, "encrypt", "decrypt")
	return v
}

func (v *realVault) path(name string) string { return filepath.Join(v.dir, name) }

func (v *realVault) must(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatalf("the real Vault: %v", err)
	}
}

func (v *realVault) write(path string, in map[string]any) *api.Secret {
	v.t.Helper()
	out, err := v.root.Logical().WriteWithContext(v.t.Context(), path, in)
	v.must(err)
	return out
}

// start runs the server until it answers; it is sealed.
func (v *realVault) start() {
	v.t.Helper()
	log := &capture.Buffer{}
	v.process = exec.Command(vaultServer, "-listen", v.address, "-data", v.path("data"), "-tls-cert", v.path("tls.crt"), "-tls-key", v.path("tls.key"))
	v.process.Stdout, v.process.Stderr = log, log
	v.must(v.process.Start())
	binary.Eventually(v.t, func() error {
		_, err := v.root.Sys().SealStatusWithContext(v.t.Context())
		if err != nil {
			err = fmt.Errorf("%w: %s", err, log)
		}
		return err
	})
}

func (v *realVault) stop() {
	if v.process == nil {
		return
	}
	_ = v.process.Process.Signal(syscall.SIGTERM)
	_ = v.process.Wait() // whatever its code
	v.process = nil
}

// Away seals Vault, or unseals it.
func (v *realVault) Away(away bool) {
	v.t.Helper()
	if away {
		v.must(v.root.Sys().SealWithContext(v.t.Context()))
		return
	}
	_, err := v.root.Sys().UnsealWithContext(v.t.Context(), v.unseal)
	v.must(err)
	binary.Eventually(v.t, func() error { // it is a standby for a moment
		_, err := v.root.Sys().ListMountsWithContext(v.t.Context())
		return err
	})
}

// Down stops the process, or starts it again and unseals it.
func (v *realVault) Down(_ testing.TB, down bool) {
	v.t.Helper()
	if down {
		v.stop()
		return
	}
	v.start()
	v.Away(false)
}

// Calls counts the requests in the audit log.
func (v *realVault) Calls(operation string) int {
	v.t.Helper()
	log, err := os.ReadFile(v.path("audit"))
	v.must(err)
	n := 0
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, `"type":"request"`) && strings.Contains(line, `"path":"transit/`+operation+`/`+fakekms.Key+`"`) {
			n++
		}
	}
	return n
}

// VaultURL names the key.
func (v *realVault) VaultURL() string { return "hashivault://" + fakekms.Key }

// VaultEnv is the environment of a program.
func (v *realVault) VaultEnv() []string {
	return []string{"VAULT_ADDR=https://" + v.address, "VAULT_CACERT=" + v.path("ca.crt"), "VAULT_TOKEN=" + v.token}
}

// Token makes a token with a policy of its own.
func (v *realVault) Token(_ testing.TB, operations ...string) string {
	v.t.Helper()
	name, rules := "may-"+strings.Join(operations, "-"), "# what the token may do\n"
	for _, operation := range operations {
		rules += fmt.Sprintf("path \"transit/%s/%s\" { capabilities = [\"update\"] }\n", operation, fakekms.Key)
	}
	v.must(v.root.Sys().PutPolicyWithContext(v.t.Context(), name, rules))
	out, err := v.root.Auth().Token().CreateWithContext(v.t.Context(), &api.TokenCreateRequest{Policies: []string{name}, NoDefaultPolicy: true, TTL: "1h"})
	v.must(err)
	return out.Auth.ClientToken
}

// Expire renews a token for one second, and waits for its end.
func (v *realVault) Expire(_ testing.TB, token string) {
	v.t.Helper()
	v.write("auth/token/renew", map[string]any{"token": token, "increment": "1s"})
	binary.Eventually(v.t, func() error {
		if _, err := v.root.Auth().Token().LookupWithContext(v.t.Context(), token); err == nil {
			return errors.New("the token lives yet")
		}
		return nil // nobody knows it by now
	})
}

// Rotate adds a version to the key.
func (v *realVault) Rotate(testing.TB) {
	v.t.Helper()
	v.write("transit/keys/"+fakekms.Key+"/rotate", nil)
}

// Oldest refuses what older versions encrypted.
func (v *realVault) Oldest(_ testing.TB, version int) {
	v.t.Helper()
	v.write("transit/keys/"+fakekms.Key+"/config", map[string]any{"min_decryption_version": version})
}
