// SPDX-License-Identifier: Apache-2.0

package keyring_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
)

// flipping is a keeper for tests: it flips bits, and can be away.
type flipping struct{ away error }

func (k flipping) Encrypt(_ context.Context, b []byte) ([]byte, error) { return k.flip(b) }
func (k flipping) Decrypt(_ context.Context, b []byte) ([]byte, error) { return k.flip(b) }

func (k flipping) flip(b []byte) ([]byte, error) {
	out := bytes.Clone(b)
	for i := range out {
		out[i] ^= 0x55
	}
	return out, k.away
}

func TestCodec_wraps(t *testing.T) {
	r, codec := keyring.New(time.Now()), keyring.Codec{Keeper: flipping{}}
	b, err := codec.Encode(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := codec.Decode(t.Context(), b)
	if err != nil || !got.Flow[0].Secret.Equal(r.Flow[0].Secret) || got.Grant[0].ID != r.Grant[0].ID {
		t.Fatalf("Decode() = %v, %v", got.IDs(), err)
	}
	for _, k := range append(r.Flow, r.Grant...) {
		if bytes.Contains(b, []byte(base64.StdEncoding.EncodeToString([]byte(k.Secret.Reveal())))) {
			t.Error("a wrapped ring holds a key in the clear")
		}
	}
	// Ids and times need no keeper, and bring no secrets.
	outline, err := keyring.ParseOutline(b)
	if err != nil || outline.IDs()[1] != r.IDs()[1] || !outline.Flow[0].SealFrom.Equal(r.Flow[0].SealFrom) || !outline.Flow[0].Secret.Empty() {
		t.Errorf("ParseOutline() = %+v, %v", outline, err)
	}
	if plain, _ := keyring.Encode(r); plain != nil {
		if outline, err := keyring.ParseOutline(plain); err != nil || !outline.Grant[0].Secret.Empty() {
			t.Errorf("ParseOutline() of a ring in the clear = %+v, %v", outline, err)
		}
	}
}

// A ring is never taken for one of the other kind.
func TestCodec_kindsAreApart(t *testing.T) {
	r, codec := keyring.New(time.Now()), keyring.Codec{Keeper: flipping{}}
	wrapped, err := codec.Encode(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := keyring.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (keyring.Codec{}).Decode(t.Context(), wrapped); !errors.Is(err, keyring.ErrWrapped) {
		t.Errorf("a wrapped ring without a keeper: %v", err)
	}
	if _, err := codec.Decode(t.Context(), plain); !errors.Is(err, keyring.ErrNotWrapped) {
		t.Errorf("a ring in the clear with a keeper: %v", err)
	}
	if _, err := (keyring.Codec{}).Outline(wrapped); !errors.Is(err, keyring.ErrWrapped) {
		t.Errorf("Outline() of a wrapped ring without a keeper: %v", err)
	}
	if _, err := codec.Outline(plain); !errors.Is(err, keyring.ErrNotWrapped) {
		t.Errorf("Outline() of a ring in the clear with a keeper: %v", err)
	}
}

func TestCodec_refuses(t *testing.T) {
	r, codec := keyring.New(time.Now()), keyring.Codec{Keeper: flipping{}}
	b, err := codec.Encode(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]*strings.Replacer{
		"another id":   strings.NewReplacer(r.Flow[0].ID, "aaaaaaaa"),
		"another time": strings.NewReplacer(r.Flow[0].SealFrom.Format("2006-01-02"), "1999-01-01"),
		"damage":       strings.NewReplacer(`"ring": "`, `"ring": "AAAA`),
		"another key":  strings.NewReplacer(`"wrapped": {`, `"wrapped": {"key": "AAAA", "other": "`, `"key": "`, `"key": "AAAA`),
	} {
		changed := change.Replace(string(b))
		if changed == string(b) {
			t.Fatalf("%s: nothing changed", what)
		}
		if _, err := codec.Decode(t.Context(), []byte(changed)); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	away := keyring.Codec{Keeper: flipping{errors.New("away")}}
	if _, err := away.Decode(t.Context(), b); !isKeeperError(err) {
		t.Errorf("the keeper is away: %v", err)
	}
	if _, err := away.Encode(t.Context(), r); !isKeeperError(err) {
		t.Errorf("the keeper is away: %v", err)
	}
}

func isKeeperError(err error) bool {
	_, ok := errors.AsType[*keyring.KeeperError](err)
	return ok
}
