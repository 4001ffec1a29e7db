// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/guard"
	"github.com/oauthbroker/oauth-broker/test/poll"
)

// rawServer speaks TLS and then what the test lets it.
func rawServer(t *testing.T, protocol string, speak func(net.Conn)) (port string, o guard.Options) {
	t.Helper()
	like, o, _ := serveNames(t, false, nil)
	config := &tls.Config{Certificates: like.TLS.Certificates, NextProtos: []string{protocol}, MinVersion: tls.VersionTLS12}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetReadBuffer(1024) // full at once
			}
			go speak(tls.Server(conn, config))
		}
	}()
	return portOf(t, l.Addr().String()), o
}

// frame is an HTTP/2 frame (RFC 9113 section 4.1).
func frame(kind, flags, stream byte, payload []byte) []byte {
	n := len(payload)
	return append([]byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags, 0, 0, 0, stream}, payload...)
}

// The kinds of frames that the tests send, and the flag that ends headers.
const (
	frameHeaders, frameSettings, framePing, frameContinuation = 1, 4, 6, 9
	flagNone, flagEndHeaders                                  = 0, 4
)

// pings is a flood that the client has to answer, before anything was asked.
func pings() []byte {
	flood := frame(frameSettings, flagNone, 0, nil)
	for range 1000 {
		flood = append(flood, frame(framePing, flagNone, 0, make([]byte, 8))...)
	}
	return flood
}

// TestClient_endsConnections: strangers' hosts that flood the client and read
// nothing do not keep their connections. The client's answers to their frames
// fill a connection, and whoever waits to write there would wait for ever.
func TestClient_endsConnections(t *testing.T) {
	flood := pings()
	port, o := rawServer(t, "h2", func(conn net.Conn) {
		for {
			if _, err := conn.Write(flood); err != nil {
				return
			}
		}
	})
	o.Timeout = time.Second
	c := guard.NewClient(o)
	var all sync.WaitGroup
	for i := range 8 { // all that may be open
		all.Go(func() {
			if _, err := call(t.Context(), c, fmt.Sprintf("https://flood-%d.example.com:%s/", i, port)); err == nil {
				t.Error("there is an answer")
			}
		})
	}
	all.Wait()
	poll.Until(t, 5*time.Second, func() error {
		if _, err := call(t.Context(), c, "https://nobody.example.com:1/"); errors.Is(err, guard.ErrBusy) {
			return err
		}
		return nil
	})
}

// TestClient_endlessHeaders: headers without end end the call after a bounded
// number of bytes, long before its time is up. HTTP/2 frames that hold nothing
// take the call's time, and no memory.
func TestClient_endlessHeaders(t *testing.T) {
	long := strings.Repeat("x", 256)
	settings := frame(frameSettings, flagNone, 0, nil)
	begun := append(settings, frame(frameHeaders, flagNone, 1, []byte{0x88})...) // status 200, in HPACK (RFC 7541)
	field, early := append([]byte{0, 1, 'x', 127, 129, 1}, long...), []byte{8, 3, '1', '0', '3'}
	for name, c := range map[string]struct {
		protocol    string
		begin, more []byte
		timeout     time.Duration
	}{
		"fields":             {"http/1.1", []byte("HTTP/1.1 200 OK\r\n"), []byte("X: " + long + "\r\n"), time.Minute},
		"one field":          {"http/1.1", []byte("HTTP/1.1 200 OK\r\nX: "), []byte(long), time.Minute},
		"status line":        {"http/1.1", []byte("HTTP/1.1 200 "), []byte(long), time.Minute},
		"early hints":        {"http/1.1", nil, []byte("HTTP/1.1 103 Early Hints\r\nX: " + long + "\r\n\r\n"), time.Minute},
		"continue":           {"http/1.1", nil, []byte("HTTP/1.1 100 Continue\r\n\r\n"), time.Minute},
		"continuation":       {"h2", begun, frame(frameContinuation, flagNone, 1, field), time.Minute},
		"early hints, 2":     {"h2", settings, frame(frameHeaders, flagEndHeaders, 1, append(early, field...)), time.Minute},
		"empty early hints":  {"h2", settings, frame(frameHeaders, flagEndHeaders, 1, early), time.Minute},
		"empty continuation": {"h2", begun, frame(frameContinuation, flagNone, 1, nil), time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			port, o := rawServer(t, c.protocol, func(conn net.Conn) {
				defer conn.Close()
				asked := make([]byte, 4096) // the request; over HTTP/2 at least what comes before it
				_, err := conn.Read(asked)
				for next := c.begin; err == nil; next = c.more {
					_, err = conn.Write(next)
				}
			})
			o.Timeout = c.timeout
			start := time.Now()
			_, err := call(t.Context(), guard.NewClient(o), "https://headers.example.com:"+port+"/")
			if took := time.Since(start); err == nil || took > 30*time.Second {
				t.Errorf("%v after %s", err, took)
			}
		})
	}
}
