// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// calmed answers repeated GETs of one URL from memory for a short while, good
// answers and failures alike, and bounds their size. It serves key sets, where
// every unknown key id would else be a request to the vendor.
type calmed struct {
	next  http.RoundTripper
	limit int64
	now   func() time.Time

	mu     sync.Mutex
	until  time.Time
	status int
	header http.Header
	body   []byte
	err    error
}

const calm = 10 * time.Second

// RoundTrip implements http.RoundTripper.
func (c *calmed) RoundTrip(req *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now().After(c.until) {
		c.fetch(req)
		c.until = c.now().Add(calm)
	}
	if c.err != nil {
		return nil, c.err
	}
	return &http.Response{
		Status: http.StatusText(c.status), StatusCode: c.status, Header: c.header.Clone(), Request: req,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader(c.body)), ContentLength: int64(len(c.body)),
	}, nil
}

func (c *calmed) fetch(req *http.Request) {
	c.status, c.header, c.body, c.err = 0, nil, nil, nil
	resp, err := c.next.RoundTrip(req)
	if err != nil {
		c.err = err
		return
	}
	defer resp.Body.Close() //nolint:errcheck // read-only
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.limit+1))
	switch {
	case err != nil:
		c.err = err
	case int64(len(body)) > c.limit:
		c.err = errors.New("the vendor's key set is longer than transport.maxResponseBytes")
	default:
		c.status, c.header, c.body = resp.StatusCode, resp.Header, body
	}
}
