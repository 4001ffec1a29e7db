// SPDX-License-Identifier: Apache-2.0

package kms_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/internal/kms"
)

const (
	vaultToken = "vault-token-canary-0123456789"
	dataKey    = "data-key-canary-of-32-bytes-0123"
)

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
			use(t, codec, c.want)
		})
	}
}

// use wraps and unwraps, and wants two errors in one short line each, without a
// secret of ours.
func use(t *testing.T, codec keyring.Codec, want string) {
	t.Helper()
	_, encrypt := codec.Keeper.Encrypt(t.Context(), []byte(dataKey))
	_, decrypt := codec.Keeper.Decrypt(t.Context(), []byte("vault:v1:AAAA"))
	for operation, err := range map[string]error{"encrypt": encrypt, "decrypt": decrypt} {
		switch {
		case err == nil || !strings.Contains(err.Error(), want):
			t.Errorf("%s: got %.500v, want %q", operation, err, want)
		case strings.ContainsAny(err.Error(), "\n\t") || len(err.Error()) > 600:
			t.Errorf("%s: the error has several lines, or is long: %.500q", operation, err)
		case strings.Contains(err.Error(), vaultToken) || strings.Contains(err.Error(), dataKey) || strings.Contains(err.Error(), base64.StdEncoding.EncodeToString([]byte(dataKey))):
			t.Errorf("%s: the error holds a secret: %.500q", operation, err)
		}
	}
}

// No redirect is followed: the token and the data key are for the server that the
// operator named.
func TestVault_redirects(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		_, _ = io.WriteString(w, `{"data":{"ciphertext":"vault:v1:AAAA","plaintext":"AAAA"}}`)
	}))
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{other.URL + "/v1/transit/encrypt/oauth-broker", "/v1/elsewhere", "//" + strings.TrimPrefix(other.URL, "http://") + "/", "%"} {
			var asked atomic.Int64
			use(t, vault(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				w.Header().Set("Location", to)
				w.WriteHeader(status)
				_, _ = io.WriteString(w, `{"data":{"ciphertext":"vault:v1:AAAA","plaintext":"AAAA"}}`)
			}), "redirect")
			if n := asked.Load(); n != 2 {
				t.Errorf("%d to %s: Vault was asked %d times for two operations", status, to, n)
			}
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("another server was asked %d times", n)
	}
}

// An answer without end, of whatever status and encoding, is cut.
func TestVault_longAnswers(t *testing.T) {
	endless := func(status int, encoding string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			to := io.Writer(w)
			if encoding == "gzip" {
				w.Header().Set("Content-Encoding", encoding)
				to = gzip.NewWriter(w)
			}
			w.WriteHeader(status)
			page := bytes.Repeat([]byte("x"), 1<<16)
			_, err := io.WriteString(to, `{"errors":["`)
			// Compressed, megabytes fit into the buffers on the way: only time tells.
			for start := time.Now(); err == nil && time.Since(start) < time.Minute; {
				_, err = to.Write(page)
			}
			if err == nil {
				t.Errorf("%d %s: it is still read after a minute", status, encoding)
			}
		}
	}
	for _, status := range []int{200, 400, 404, 503} {
		for _, encoding := range []string{"", "gzip"} {
			use(t, vault(t, endless(status, encoding)), "longer than")
		}
	}
	use(t, vault(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"errors":[%q]}`, strings.Repeat("so ", 10_000))
	}), "400: so so so")
}

// A server, or what is before it, that shows the request in its error does not
// bring the token or the data key into our log.
func TestVault_echo(t *testing.T) {
	for _, body := range []string{"<pre>X-Vault-Token: %s\n%s</pre>", `{"errors":["no: %s %s"]}`, `{"data":"%s","errors":["%s"]}`, `{"data":{"ciphertext":["%s"],"plaintext":{"%s":1}}}`} {
		for _, status := range []int{200, 403, 404, 500} {
			use(t, vault(t, func(w http.ResponseWriter, r *http.Request) {
				var in struct{ Plaintext string }
				_ = json.NewDecoder(r.Body).Decode(&in)
				w.WriteHeader(status)
				_, _ = fmt.Fprintf(w, body, r.Header.Get("X-Vault-Token"), in.Plaintext)
			}), "Vault")
		}
	}
}

// An answer that comes one byte at a time ends with the caller's time, too.
func TestVault_drip(t *testing.T) {
	codec := vault(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, " ")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := codec.Keeper.Decrypt(ctx, []byte("vault:v1:AAAA")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("took %s", took)
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
