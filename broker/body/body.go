// SPDX-License-Identifier: Apache-2.0

// Package body reads bodies of HTTP requests and answers, which hold tokens and
// whose length others choose.
package body

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// ErrTooLong is a body of more bytes than may be.
var ErrTooLong = errors.New("the body is too long")

// keptBytes bounds the buffers that are kept: one long body does not stay.
const keptBytes = 64 << 10

// Buffers are used for one body after another. The zero value is ready.
type Buffers struct{ pool sync.Pool }

// Borrow gives an empty buffer until it is given back.
func (b *Buffers) Borrow() (buf *bytes.Buffer, giveBack func()) {
	buf, ok := b.pool.Get().(*bytes.Buffer)
	if !ok {
		buf = &bytes.Buffer{}
	}
	return buf, func() {
		if buf.Reset(); buf.Cap() <= keptBytes {
			b.pool.Put(buf)
		}
	}
}

// Read reads r to its end. It takes no more memory than a few times what came,
// whatever length was announced, and returns ErrTooLong after limit bytes, else
// the errors of r.
func (b *Buffers) Read(r io.Reader, limit int64) (string, error) {
	buf, giveBack := b.Borrow()
	defer giveBack()
	n, err := buf.ReadFrom(&io.LimitedReader{R: r, N: limit + 1})
	switch {
	case n > limit:
		return "", ErrTooLong
	case err != nil:
		return "", err
	}
	return buf.String(), nil
}
