// SPDX-License-Identifier: Apache-2.0

package kms_test

import (
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/internal/kms"
)

// localKey writes a file with a URL of a new local key.
func localKey(t *testing.T) string {
	t.Helper()
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte("base64key://"+base64.URLEncoding.EncodeToString(key)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file://" + file
}

func TestCodec_localKey(t *testing.T) {
	codec, err := kms.Codec(localKey(t))
	if err != nil {
		t.Fatal(err)
	}
	r := keyring.New(time.Now())
	b, err := codec.Encode(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := codec.Decode(t.Context(), b)
	if err != nil || !got.Grant[0].Secret.Equal(r.Grant[0].Secret) {
		t.Fatalf("Decode() = %v", err)
	}
	other, err := kms.Codec(localKey(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Decode(t.Context(), b); err == nil {
		t.Error("another key unwrapped the ring")
	}
}

func TestCodec_noURLIsInTheClear(t *testing.T) {
	if codec, err := kms.Codec(""); err != nil || codec.Keeper != nil {
		t.Errorf("Codec() = %v, %v", codec, err)
	}
}

// URLs that are wrong are told at once, and never repeated: a local key is one.
func TestCodec_refuses(t *testing.T) {
	const key = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlYw=="
	dir := t.TempDir()
	for i, content := range []string{"base64key://", "file:///etc/passwd", "nonsense " + key, "awskms://"} {
		if err := os.WriteFile(filepath.Join(dir, string(rune('0'+i))), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, url := range []string{
		"base64key://" + key, "vault://" + key, "awskms://", "gcpkms:///", "hashivault://?engine=" + key, "no url " + key, "%zz" + key,
		"file://" + dir + "/0", "file://" + dir + "/1", "file://" + dir + "/2", "file://" + dir + "/3", "file://" + dir + "/nowhere", "file://host/path", "file:///x?y=" + key,
	} {
		_, err := kms.Codec(url)
		if err == nil {
			t.Errorf("%s: accepted", url)
		} else if strings.Contains(err.Error(), key) {
			t.Errorf("%s: the error holds a key: %v", url, err)
		}
	}
}
