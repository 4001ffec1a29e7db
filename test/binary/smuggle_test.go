// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/test/binary"
)

// A token request that the broker refuses by itself: with wholeBody where it is
// read as it was meant.
const (
	tokenHead = "POST /v1/vendors/acme/token HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	tokenBody = "grant_type=none&client_id=initech.cli"
	wholeBody = "unsupported_grant_type"
	chunked   = "Transfer-Encoding: chunked\r\n"
)

// chunks is tokenBody as one chunk whose size line is the caller's.
func chunks(size string) string { return size + tokenBody + "\r\n0\r\n\r\n" }

// rawAnswer is one answer on a connection.
type rawAnswer struct {
	*http.Response
	body string
}

// raw writes bytes to the public listener, in HTTP/1.1 over TLS, and gives all
// answers up to the end of the connection.
func (s *site) raw(t *testing.T, request string) (answers []rawAnswer) {
	t.Helper()
	conn, err := (&tls.Dialer{Config: s.TLS()}).DialContext(t.Context(), "tcp", s.Public)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	for {
		if _, err := r.Peek(1); errors.Is(err, io.EOF) {
			return answers
		}
		answer, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("after %d answers: %v", len(answers), err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, rawAnswer{answer, string(body)})
	}
}

// rawHost and rawLength are the good headers, and hidden is a second request
// behind the first, which ends the connection.
func (s *site) rawHost() string { return "Host: " + s.Public + "\r\n" }

func rawLength() string { return fmt.Sprintf("Content-Length: %d\r\n", len(tokenBody)) }

func (s *site) hidden() string {
	return "GET /v1/authorize?client_id=hidden HTTP/1.1\r\n" + s.rawHost() + "Connection: close\r\n\r\n"
}

// TestRedTeam_K02_AmbiguousRequests: where a proxy might read another request
// than the broker, the HTTP server refuses, no handler sees it, and what comes
// behind it on the connection is no request.
func TestRedTeam_K02_AmbiguousRequests(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.Start().Ready()
	host, length := s.rawHost(), rawLength()
	for name, c := range map[string]struct {
		headers, body string
		want          int
	}{
		"two hosts":                     {headers: host + "Host: evil.example\r\n" + length},
		"one host twice":                {headers: host + host + length},
		"no host":                       {headers: length},
		"space in the host":             {headers: "Host: evil.example a\r\n" + length},
		"host behind a bare LF":         {headers: host + length + "X-A: b\nHost: evil.example\r\n"},
		"two lengths":                   {headers: host + length + "Content-Length: 5\r\n"},
		"length behind a bare LF":       {headers: host + length + "X-A: b\nContent-Length: 5\r\n"},
		"list of lengths":               {headers: host + "Content-Length: 37, 37\r\n"},
		"length with a sign":            {headers: host + "Content-Length: +37\r\n"},
		"negative length":               {headers: host + "Content-Length: -1\r\n"},
		"hexadecimal length":            {headers: host + "Content-Length: 0x25\r\n"},
		"empty length":                  {headers: host + "Content-Length: \r\n"},
		"length of 20 digits":           {headers: host + "Content-Length: 99999999999999999999\r\n"},
		"space before the colon":        {headers: host + "Content-Length : 37\r\n"},
		"chunked, space before colon":   {headers: host + length + "Transfer-Encoding : chunked\r\n", body: chunks("25\r\n")},
		"chunked and no length at all":  {headers: host + "Content-Length: x\r\n" + chunked, body: chunks("25\r\n")},
		"chunked and two lengths":       {headers: host + length + "Content-Length: 5\r\n" + chunked, body: chunks("25\r\n")},
		"chunked after a vertical tab":  {headers: host + length + "Transfer-Encoding: \x0bchunked\r\n", body: chunks("25\r\n")},
		"encoding that is none":         {headers: host + length + "Transfer-Encoding: xchunked\r\n", body: chunks("25\r\n"), want: http.StatusNotImplemented},
		"two encodings in one header":   {headers: host + length + "Transfer-Encoding: identity, chunked\r\n", body: chunks("25\r\n"), want: http.StatusNotImplemented},
		"two headers with an encoding":  {headers: host + length + chunked + "Transfer-Encoding: identity\r\n", body: chunks("25\r\n"), want: http.StatusNotImplemented},
		"bare CR in a header":           {headers: host + length + "X-A: b\rContent-Length: 5\r\n"},
		"NUL in a header":               {headers: host + length + "X-A: b\x00\r\n"},
		"header without a name":         {headers: host + length + ": b\r\n"},
		"line that is no header at all": {headers: host + length + "GET / HTTP/1.1\r\n"},
	} {
		if c.body == "" {
			c.body = tokenBody
		}
		if c.want == 0 {
			c.want = http.StatusBadRequest
		}
		answers := s.raw(t, tokenHead+c.headers+"\r\n"+c.body+s.hidden())
		if len(answers) != 1 || answers[0].StatusCode != c.want || answers[0].Header.Get("X-Request-Id") != "" {
			t.Errorf("%s: got %d answers, want a %d of the HTTP server: %v", name, len(answers), c.want, answers)
		}
	}
	wantRoutes(t, "refused requests", b, false)
	// The same requests without a fault, to see that they would be counted.
	s.raw(t, tokenHead+host+length+"\r\n"+tokenBody+s.hidden())
	wantRoutes(t, "good requests", b, true)
}

// wantRoutes tells whether handlers saw the two requests.
func wantRoutes(t *testing.T, what string, b *binary.Broker, want bool) {
	t.Helper()
	metrics, err := b.AdminGet("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range []string{"/v1/vendors/{vendor}/token", "/v1/authorize"} {
		if got := strings.Contains(metrics, `route="`+route+`"`); got != want {
			t.Errorf("%s: %s was counted: %v, want %v", what, route, got, want)
		}
	}
}

// TestRedTeam_K02_BrokenChunks: a body whose chunks can be read in two ways is
// no body, and ends the connection.
func TestRedTeam_K02_BrokenChunks(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Start().Ready()
	for name, body := range map[string]string{
		"size line ends in a bare LF":  chunks("25\n"),
		"every line ends in a bare LF": strings.ReplaceAll(chunks("25\n"), "\r", ""),
		"bare LF in an extension":      chunks("25;a\nb\r\n"),
		"long extension":               chunks("25;" + strings.Repeat("a", 5000) + "\r\n"),
		"size with 0x":                 chunks("0x25\r\n"),
		"size with a sign":             chunks("+25\r\n"),
		"size of 17 digits":            chunks("10000000000000025\r\n"),
		"size that is too small":       chunks("24\r\n"),
		"size that is too large":       chunks("26\r\n"),
		"no size":                      chunks("\r\n"),
	} {
		answers := s.raw(t, tokenHead+s.rawHost()+chunked+"\r\n"+body+s.hidden())
		if len(answers) != 1 || answers[0].StatusCode != http.StatusBadRequest || !strings.Contains(answers[0].body, "the body broke off") {
			t.Errorf("%s: got %d answers, want one that refuses the body: %v", name, len(answers), answers)
		}
	}
}

// TestRedTeam_K02_ChunkedBeatsLength: as RFC 9112 section 6.3 has it, a length
// beside chunks counts for nothing, whether it is too small or too large, and
// the next request begins behind the last chunk. Lengths that agree are one.
func TestRedTeam_K02_ChunkedBeatsLength(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Start().Ready()
	for name, request := range map[string]string{
		"small length": "Content-Length: 5\r\n" + chunked + "\r\n" + chunks("25\r\n"),
		"large length": "Content-Length: 500\r\n" + chunked + "\r\n" + chunks("25\r\n"),
		"equal length": rawLength() + rawLength() + "\r\n" + tokenBody,
	} {
		answers := s.raw(t, tokenHead+s.rawHost()+request+s.hidden())
		if len(answers) != 2 || !strings.Contains(answers[0].body, wholeBody) || !strings.HasPrefix(answers[1].Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: got %d answers, want one for each request: %v", name, len(answers), answers)
		}
	}
}
