// SPDX-License-Identifier: Apache-2.0

package fakekms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// transit is the transit engine of Vault: one key with its versions, and tokens
// with what each may do.
type transit struct {
	versions []cipher.AEAD
	oldest   int // version that opens
	tokens   map[string][]string
	down     bool
}

func newTransit() transit {
	return transit{versions: []cipher.AEAD{newAEAD()}, oldest: 1, tokens: map[string][]string{Token: {"encrypt", "decrypt"}}}
}

// newAEAD is a new key.
func newAEAD() cipher.AEAD {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	block, err := aes.NewCipher(key)
	if err == nil {
		var aead cipher.AEAD
		if aead, err = cipher.NewGCMWithRandomNonce(block); err == nil {
			return aead
		}
	}
	panic(err) // the size is right
}

// VaultURL names the key in Vault.
func (k *KMS) VaultURL() string { return "hashivault://" + Key }

// VaultEnv is the environment of a program that uses Vault.
func (k *KMS) VaultEnv() []string {
	return []string{"VAULT_ADDR=" + k.server.URL, "VAULT_TOKEN=" + Token}
}

// Token makes a token of Vault that may do these operations.
func (k *KMS) Token(_ testing.TB, operations ...string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	token := "vault-token-" + rand.Text()
	k.transit.tokens[token] = operations
	return token
}

// Expire ends a token.
func (k *KMS) Expire(_ testing.TB, token string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.transit.tokens, token)
}

// Rotate adds a version to Vault's key.
func (k *KMS) Rotate(testing.TB) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.transit.versions = append(k.transit.versions, newAEAD())
}

// Oldest says which version of Vault's key is the oldest that decrypts.
func (k *KMS) Oldest(_ testing.TB, version int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.transit.oldest = version
}

// Down makes Vault close every connection, or ends that.
func (k *KMS) Down(_ testing.TB, down bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.transit.down = down
}

// vault is the transit engine: encrypt and decrypt.
func (k *KMS) vault(w http.ResponseWriter, r *http.Request) {
	operation := r.PathValue("operation")
	k.mu.Lock()
	down := k.transit.down
	k.mu.Unlock()
	if down {
		panic(http.ErrAbortHandler)
	}
	if !k.count(w, operation) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !slices.Contains(k.transit.tokens[r.Header.Get("X-Vault-Token")], operation) || r.PathValue("key") != Key {
		http.Error(w, `{"errors":["1 error occurred:\n\t* permission denied\n\n"]}`, http.StatusForbidden)
		return
	}
	var in struct{ Plaintext, Ciphertext string }
	err := json.NewDecoder(r.Body).Decode(&in)
	data := map[string]string{}
	if operation == "encrypt" {
		data["ciphertext"], err = k.transit.encrypt(in.Plaintext)
	} else if err == nil {
		data["plaintext"], err = k.transit.decrypt(in.Ciphertext)
	}
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]any{"errors": []string{err.Error()}})
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
}

func (t transit) encrypt(text string) (string, error) {
	plain, err := base64.StdEncoding.DecodeString(text)
	sealed := t.versions[len(t.versions)-1].Seal(nil, nil, plain, nil)
	return fmt.Sprintf("vault:v%d:%s", len(t.versions), base64.StdEncoding.EncodeToString(sealed)), err
}

func (t transit) decrypt(text string) (string, error) {
	var version int
	prefix, text, _ := strings.Cut(strings.TrimPrefix(text, "vault:"), ":")
	if _, err := fmt.Sscanf(prefix, "v%d", &version); err != nil || version < 1 || version > len(t.versions) {
		return "", fmt.Errorf("invalid ciphertext: version %q", prefix)
	}
	if version < t.oldest {
		return "", fmt.Errorf("ciphertext or signature version is disallowed by policy (too old)")
	}
	plain, err := open(t.versions[version-1], text)
	return base64.StdEncoding.EncodeToString(plain), err
}
