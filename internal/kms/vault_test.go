// SPDX-License-Identifier: Apache-2.0

package kms_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/internal/kms"
)

const vaultToken = "vault-token-canary-0123456789"

// vault is the codec of a ring that this handler wraps.
func vault(t *testing.T, handler http.HandlerFunc) keyring.Codec {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	t.Setenv("VAULT_ADDR", server.URL)
	t.Setenv("VAULT_TOKEN", vaultToken)
	codec, err := kms.Codec("hashivault://oauth-broker")
	if err != nil {
		t.Fatal(err)
	}
	return codec
}

// A Vault that takes the request and says nothing costs what the caller gives it.
func TestVault_deadline(t *testing.T) {
	gone := make(chan struct{})
	codec := vault(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server sees the end of the connection
		select {
		case <-r.Context().Done():
		case <-gone:
		}
	})
	defer close(gone)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := codec.Keeper.Decrypt(ctx, []byte("vault:v1:AAAA"))
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
	case <-time.After(15 * time.Second):
		t.Fatal("the call does not end with its context")
	}
}

// What is no Vault, or says no, is an error in one line.
func TestVault_answers(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		body, want string
	}{
		"sealed":             {503, `{"errors":["Vault is sealed"]}`, "503: Vault is sealed"},
		"denied":             {403, `{"errors":["1 error occurred:\n\t* permission denied\n\n"]}`, "403: 1 error occurred: * permission denied"},
		"no mount":           {404, `{"errors":[]}`, "404: Not Found"},
		"a page":             {502, "<html>\n<h1>Bad\nGateway</h1>", "502"},
		"a page that is 200": {200, "<html>\nwelcome", "no answer of Vault"},
		"no data":            {200, `{}`, "no answer of Vault"},
		"null":               {200, `{"data":null}`, "no answer of Vault"},
		"another type":       {200, `{"data":{"plaintext":7,"ciphertext":[]}}`, "no answer of Vault"},
		"empty":              {200, `{"data":{"plaintext":"","ciphertext":""}}`, "no answer of Vault"},
		"not base64":         {200, `{"data":{"plaintext":"%%%","ciphertext":7}}`, "no answer of Vault"},
		"nothing":            {204, ``, "no answer of Vault"},
	} {
		t.Run(name, func(t *testing.T) {
			codec := vault(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			_, encrypt := codec.Keeper.Encrypt(t.Context(), []byte("data key"))
			_, decrypt := codec.Keeper.Decrypt(t.Context(), []byte("vault:v1:AAAA"))
			for operation, err := range map[string]error{"encrypt": encrypt, "decrypt": decrypt} {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: got %v, want %q", operation, err, c.want)
				} else if strings.ContainsAny(err.Error(), "\n\t") || strings.Contains(err.Error(), vaultToken) {
					t.Errorf("%s: the error has several lines, or the token: %q", operation, err)
				}
			}
		})
	}
}

// What is sent is the token and the key's path in the engine that the URL names.
func TestVault_engine(t *testing.T) {
	var path, token string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, token = r.URL.Path, r.Header.Get("X-Vault-Token")
		_, _ = io.WriteString(w, `{"data":{"ciphertext":"vault:v1:AAAA"}}`)
	}))
	t.Cleanup(server.Close)
	t.Setenv("VAULT_ADDR", server.URL)
	t.Setenv("VAULT_TOKEN", vaultToken)
	for url, want := range map[string]string{
		"hashivault://ring":                    "/v1/transit/encrypt/ring",
		"hashivault://ring?engine=team/crypto": "/v1/team/crypto/encrypt/ring",
		"hashivault://ring?motor=x":            "",
	} {
		path = ""
		codec, err := kms.Codec(url)
		if err == nil {
			_, err = codec.Keeper.Encrypt(t.Context(), []byte("data key"))
		}
		if path != want || (err == nil) != (want != "") {
			t.Errorf("%s: asked for %q, %v, want %q", url, path, err, want)
		}
		if want != "" && token != vaultToken {
			t.Errorf("%s: the token was not sent", url)
		}
	}
}
