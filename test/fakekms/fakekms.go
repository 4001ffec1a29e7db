// SPDX-License-Identifier: Apache-2.0

// Package fakekms is a fake of four KMS on the loopback: the transit engine of
// HashiCorp Vault, AWS KMS, GCP KMS and Azure Key Vault. It keeps their wire
// contracts, encrypts for real, and can be made to fail.
//
//	kms := fakekms.Start(t)
//	kms.Away(true) // every call fails, as where the network is cut
package fakekms

import (
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Token that Vault knows at the start, and Key that all have.
const (
	Token = "vault-token-canary-0123456789"
	Key   = "oauth-broker"
)

// KMS is the running fake.
type KMS struct {
	server *httptest.Server
	aead   cipher.AEAD

	mu      sync.Mutex
	away    bool
	fails   int
	calls   map[string]int
	transit transit
}

// Start runs a KMS until the end of the test.
func Start(t testing.TB) *KMS {
	t.Helper()
	k := &KMS{aead: newAEAD(), transit: newTransit(), calls: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /v1/transit/{operation}/{key}", k.vault)
	mux.HandleFunc("POST /{$}", k.aws)
	k.server = httptest.NewServer(mux)
	t.Cleanup(k.server.Close)
	return k
}

// AWSURL names the key in AWS KMS.
func (k *KMS) AWSURL() string { return "awskms:///alias/" + Key + "?region=eu-central-1" }

// AWSEnv is the environment of a program that uses AWS KMS.
func (k *KMS) AWSEnv() []string {
	return []string{
		"AWS_ENDPOINT_URL_KMS=" + k.server.URL, "AWS_ACCESS_KEY_ID=AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY=aws-secret-canary-0123456789", "AWS_MAX_ATTEMPTS=1",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/nowhere", "AWS_SHARED_CREDENTIALS_FILE=/nowhere",
	}
}

// Away makes every call fail, or ends that.
func (k *KMS) Away(away bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.away = away
}

// FailNext makes the next calls fail.
func (k *KMS) FailNext(calls int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fails = calls
}

// Calls tells how often an operation (encrypt, decrypt) was asked for.
func (k *KMS) Calls(operation string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.calls[operation]
}

// isAway notes a call and tells whether it must fail.
func (k *KMS) isAway(operation string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls[operation]++
	if k.fails > 0 {
		k.fails--
		return true
	}
	return k.away
}

// count notes a call and tells whether it may go on.
func (k *KMS) count(w http.ResponseWriter, operation string) bool {
	if k.isAway(operation) {
		http.Error(w, `{"errors":["Vault is sealed"]}`, http.StatusServiceUnavailable)
		return false
	}
	return true
}

// aws is KMS's JSON 1.1 protocol: TrentService.Encrypt and Decrypt.
func (k *KMS) aws(w http.ResponseWriter, r *http.Request) {
	operation := strings.ToLower(strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService."))
	if !k.count(w, operation) {
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	var in struct {
		KeyID          string `json:"KeyId"`
		Plaintext      []byte
		CiphertextBlob string
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/") {
		awsError(w, "AccessDeniedException")
		return
	}
	out := map[string]any{"KeyId": "arn:aws:kms:eu-central-1:111122223333:key/0"}
	switch operation {
	case "encrypt":
		if in.KeyID != "alias/"+Key {
			awsError(w, "NotFoundException")
			return
		}
		out["CiphertextBlob"] = k.aead.Seal(nil, nil, in.Plaintext, nil)
	case "decrypt":
		plain, err := open(k.aead, in.CiphertextBlob)
		if err != nil {
			awsError(w, "InvalidCiphertextException")
			return
		}
		out["Plaintext"] = plain
	default:
		awsError(w, "UnknownOperationException")
		return
	}
	_ = json.NewEncoder(w).Encode(out)
}

func awsError(w http.ResponseWriter, code string) {
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": code})
}

func open(key cipher.AEAD, text string) ([]byte, error) {
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	return key.Open(nil, nil, sealed, nil)
}
