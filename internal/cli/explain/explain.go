// SPDX-License-Identifier: Apache-2.0

// Package explain finds what a broker logged about one request, by the code that
// an error page shows, and puts it into words: what happened, and what to do.
//
// The broker logs one event for each request, as JSON. Its cause is a fixed text
// of the broker's, and words.go has advice for each; a test holds the two
// together.
package explain

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/cli/terminal"
)

// maxLine bounds one line of a log.
const maxLine = 1 << 20

// Event is a broker's log line of one request.
type Event struct {
	Time       time.Time     `json:"time"`
	RequestID  string        `json:"requestID"`
	Method     string        `json:"method"`
	Route      string        `json:"route"`
	Status     int           `json:"status"`
	Took       time.Duration `json:"took"`
	Outcome    string        `json:"outcome"`
	Client     string        `json:"client,omitempty"`
	Vendor     string        `json:"vendor,omitempty"`
	Credential string        `json:"credential,omitempty"`
	Grant      string        `json:"grant,omitempty"`
	Cause      string        `json:"cause,omitempty"`
	// Message tells the request's own line ("request") from others with its id.
	Message string `json:"msg"`
	// Pod is where the line was found, where that is known.
	Pod string `json:"pod,omitempty"`
}

// CheckID refuses what is no code of an error page.
func CheckID(id string) error {
	if len(id) != 26 || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return fmt.Errorf("%q is no error code: it has 26 characters of A to Z and 2 to 7, as the error page shows it", id)
	}
	return nil
}

// Find looks for the event in a log. Lines may have a prefix, as `kubectl logs
// --prefix` gives them; what is no JSON is passed over. It is nil where the log
// has no such event.
func Find(log io.Reader, id string) (*Event, error) {
	lines := bufio.NewScanner(log)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for lines.Scan() {
		line := lines.Text()
		if !strings.Contains(line, id) {
			continue
		}
		start := strings.IndexByte(line, '{')
		if start < 0 {
			continue
		}
		var e Event
		if err := json.Unmarshal([]byte(line[start:]), &e); err != nil || e.RequestID != id || e.Message != "request" {
			continue
		}
		return &e, nil
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("reading the log: a line is longer than %d bytes", maxLine)
	} else if err != nil {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	return nil, nil //nolint:nilnil // nothing found, and nothing is wrong
}

// Text is the event in words.
func (e *Event) Text() string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "%s  %s %s answered %d", e.Time.UTC().Format("2006-01-02 15:04:05 MST"), terminal.Line(e.Method), terminal.Line(e.Route), e.Status)
	if e.Took > 0 {
		fmt.Fprintf(b, " after %s", e.Took.Round(time.Millisecond))
	}
	b.WriteString("\n")
	for _, row := range []struct{ name, value string }{
		{"step", Step(e.Route, e.Grant)}, {"client", e.Client}, {"vendor", e.Vendor}, {"credential", e.Credential},
		{"outcome", e.Outcome}, {"cause", e.Cause}, {"pod", e.Pod},
	} {
		if row.value != "" {
			fmt.Fprintf(b, "  %-11s %s\n", row.name, terminal.Line(row.value))
		}
	}
	w := e.Words()
	fmt.Fprintf(b, "\nWhat happened: %s\nWhat to do:    %s\n", w.What, w.Fix)
	return b.String()
}

// Step names the part of a login that a route serves.
func Step(route, grant string) string {
	switch {
	case grant == "refresh_token":
		return "refresh"
	case strings.HasSuffix(route, "/authorize"):
		return "the application sends the user to the broker"
	case route == "/v1/consent":
		return "the consent page"
	case strings.HasPrefix(route, "/v1/callback"):
		return "the vendor sends the user back to the broker"
	case strings.HasSuffix(route, "/token"):
		return "the application redeems the code"
	case strings.HasSuffix(route, "/register"):
		return "registration"
	case strings.HasSuffix(route, "/revoke"):
		return "revocation"
	case strings.HasSuffix(route, "/par"):
		return "the application pushes its request"
	}
	return ""
}
