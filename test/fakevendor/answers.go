// SPDX-License-Identifier: Apache-2.0

package fakevendor

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// endlessBytes is where "endless" ends, so that a client without a limit fails
// its test instead of the machine.
const endlessBytes = 1 << 30

// Answer writes a fixed answer.
func Answer(status int, contentType, body string) Behaviour {
	return Behaviour{
		Name: http.StatusText(status) + " " + abbreviate(contentType+" "+body),
		Write: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		},
	}
}

// JSON writes a fixed JSON answer.
func JSON(status int, body string) Behaviour { return Answer(status, "application/json", body) }

// OAuthError writes a standard error answer.
func OAuthError(status int, code string) Behaviour { return JSON(status, `{"error":"`+code+`"}`) }

// RetryLater answers 429 or 503 with Retry-After.
func RetryLater(status int, retryAfter string) Behaviour {
	return Behaviour{
		Name: http.StatusText(status) + " with Retry-After",
		Write: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", retryAfter)
			http.Error(w, "later", status)
		},
	}
}

// RedirectTo answers with a redirect, for example to a Sink.
func RedirectTo(status int, target string) Behaviour {
	return Behaviour{
		Name: http.StatusText(status) + " to another host",
		Write: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", target)
			w.WriteHeader(status)
		},
	}
}

// Endless starts a JSON answer and never finishes it.
func Endless() Behaviour {
	return Behaviour{Name: "endless body", Write: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"`)
		pour(w)
	}}
}

// GzipBomb is a small compressed body that grows without end.
func GzipBomb() Behaviour {
	return Behaviour{Name: "gzip bomb", Write: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, `{"access_token":"`)
		pour(z)
		_ = z.Close()
	}}
}

// pour writes until the client hangs up.
func pour(w io.Writer) {
	block := bytes.Repeat([]byte("A"), 64<<10)
	for range endlessBytes / len(block) {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// Drip sends a good looking answer one byte at a time (slow-loris).
func (s *Server) Drip(every time.Duration) Behaviour {
	return Behaviour{Name: "slow body", Write: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		tick := time.NewTicker(every)
		defer tick.Stop()
		rest := strings.NewReader(`{"access_token":"` + strings.Repeat("A", 1<<16))
		for {
			select {
			case <-tick.C:
				_, err := io.CopyN(w, rest, 1)
				if err != nil || http.NewResponseController(w).Flush() != nil {
					abort()
				}
			case <-r.Context().Done():
				abort() // an end in good order could still reach the client
			case <-s.done:
				abort()
			}
		}
	}}
}

// Hang reads the request, handles it, and never answers.
func (s *Server) Hang() Behaviour {
	return Behaviour{Name: "no answer", Process: true, Write: func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-s.done:
		}
		abort()
	}}
}

// abort breaks the connection, in the way that net/http has for it.
func abort() { panic(http.ErrAbortHandler) }

// ResetConnection reads the request and breaks the connection.
func ResetConnection() Behaviour {
	return Behaviour{Name: "connection reset", Write: func(http.ResponseWriter, *http.Request) {
		abort()
	}}
}

// CutShort promises more than it sends.
func CutShort() Behaviour {
	return Behaviour{Name: "body cut short", Write: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"access_token":"a`)
	}}
}

// Member puts a value into an otherwise good answer.
func Member(name string, value any) Behaviour {
	return Behaviour{Name: name + " is odd", Edit: func(answer map[string]any) { setPath(answer, name, value) }}
}

// Without leaves members out of an otherwise good answer.
func Without(names ...string) Behaviour {
	return Behaviour{Name: "no " + strings.Join(names, ", "), Edit: func(answer map[string]any) {
		maps.DeleteFunc(answer, func(name string, _ any) bool {
			return slices.Contains(names, name)
		})
	}}
}

// Deny makes the user refuse.
func Deny() Behaviour { return AuthorizeError("access_denied", "the user said no") }

// AuthorizeError answers an authorization request with an error.
func AuthorizeError(code, description string) Behaviour {
	return Behaviour{Name: "authorization error " + code, Callback: func(values url.Values) {
		values.Del("code")
		values.Set("error", code)
		values.Set("error_description", description)
	}}
}

// CallbackParameter sets a parameter of the authorization response to the
// given values; with none it is left out.
func CallbackParameter(name string, values ...string) Behaviour {
	return Behaviour{Name: "callback " + name + " = " + abbreviate(strings.Join(values, " and ")), Callback: func(all url.Values) {
		if len(values) == 0 {
			all.Del(name)
			return
		}
		all[name] = values
	}}
}

func abbreviate(s string) string {
	if len(s) > 60 {
		return s[:60] + "..."
	}
	return s
}

// BadAnswers are token answers that no client may take for a token. The ones
// that take their time (Endless, GzipBomb, Drip, Hang) are not among them.
func BadAnswers() []Behaviour {
	const page = "<!doctype html><title>Sign in</title>"
	return []Behaviour{
		Answer(http.StatusOK, "text/html", page),
		Answer(http.StatusOK, "application/json", page),
		Answer(http.StatusOK, "text/html", `{"access_token":"a","token_type":"Bearer"`),
		JSON(http.StatusOK, ""),
		JSON(http.StatusOK, "null"),
		JSON(http.StatusOK, "42"),
		JSON(http.StatusOK, `"text"`),
		JSON(http.StatusOK, `[{"access_token":"a","token_type":"Bearer"}]`),
		JSON(http.StatusOK, `{"access_token":"a","token_type":"Bear`),
		JSON(http.StatusOK, `{"access_token":"a","token_type":"Bearer"} trailing`),
		JSON(http.StatusOK, `{"access_token":"a","access_token":"b","token_type":"Bearer"}`),
		JSON(http.StatusOK, `{}`),
		JSON(http.StatusOK, `{"error":"bad_verification_code"}`),
		JSON(http.StatusOK, `{"access_token":"a","token_type":"Bearer","error":"x"}`),
		JSON(http.StatusOK, strings.Repeat(`{"a":`, 20000)),
		Answer(http.StatusNoContent, "application/json", ""),
		CutShort(),
		Without("access_token"),
		Member("access_token", 42),
		Member("access_token", nil),
		Member("access_token", ""),
		Member("access_token", map[string]any{"token": "a"}),
		Member("access_token", []any{"a"}),
		Member("access_token", "a\r\nSet-Cookie: x=y"),
		Member("token_type", "MAC"),
		Member("token_type", 7),
		Without("token_type"),
	}
}
