// SPDX-License-Identifier: Apache-2.0

package body_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/oauthbroker/oauth-broker/broker/body"
)

func TestBuffers_Read(t *testing.T) {
	var b body.Buffers
	for length, wantErr := range map[int]error{0: nil, 1: nil, 512: nil, 99_999: nil, 100_000: nil, 100_001: body.ErrTooLong, 1_000_000: body.ErrTooLong} {
		text := strings.Repeat("x", length)
		got, err := b.Read(iotest.OneByteReader(strings.NewReader(text)), 100_000)
		if !errors.Is(err, wantErr) || err == nil && got != text {
			t.Errorf("%d bytes: %d, %v", length, len(got), err)
		}
	}
	if _, err := b.Read(io.MultiReader(strings.NewReader("a"), iotest.ErrReader(io.ErrUnexpectedEOF)), 10); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a body that breaks off: %v", err)
	}
}

// What was read stays what it was when its buffer is used again.
func TestBuffers_again(t *testing.T) {
	var b body.Buffers
	first, err := b.Read(strings.NewReader("first"), 10)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := b.Read(strings.NewReader("other"), 10); err != nil || first != "first" || second != "other" {
		t.Errorf("%q, %q, %v", first, second, err)
	}
}
