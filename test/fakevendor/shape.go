// SPDX-License-Identifier: Apache-2.0

package fakevendor

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Format is how token answers are written.
type Format string

// The formats.
const (
	FormatJSON Format = ""
	// FormatForm is application/x-www-form-urlencoded, always.
	FormatForm Format = "form"
	// FormatByAccept is form-encoded unless Accept names application/json (GitHub).
	FormatByAccept Format = "byAccept"
)

// Expiry is how expires_in is written.
type Expiry string

// The ways to write expires_in.
const (
	ExpirySeconds      Expiry = ""
	ExpiryString       Expiry = "string"
	ExpiryFloat        Expiry = "float"
	ExpiryMilliseconds Expiry = "milliseconds"
	ExpiryAbsent       Expiry = "absent"
	ExpiryZero         Expiry = "zero"
	ExpiryNegative     Expiry = "negative"
	ExpiryHuge         Expiry = "huge"
)

// Omitted leaves a member out where the empty string means the default.
const Omitted = "-"

// Shape is how a vendor spells requests and answers. The zero value is the
// standard spelling.
type Shape struct {
	Format Format
	Expiry Expiry
	// TokenType is "Bearer" when empty; Omitted leaves it out.
	TokenType string
	// ScopeSeparator is a space when empty, AnswerScopeSeparator the same.
	ScopeSeparator       string
	AnswerScopeSeparator string
	// ScopeParameter of authorization requests is "scope" when empty.
	ScopeParameter string
	// OmitScope leaves scope out of token answers.
	OmitScope bool
	// Paths maps a standard member of token answers to its dotted path.
	Paths map[string]string
	// Extra members are added to token answers.
	Extra map[string]any
	// ErrorStatus of token errors that would be 400 or 401; 200 for the vendors
	// that hide errors in a success.
	ErrorStatus int
	// OKMember adds "ok": true or false to token answers (Slack).
	OKMember bool
	// ErrorCodes maps a standard error code to the vendor's.
	ErrorCodes map[string]string
	// JSONRequests takes token requests as JSON objects, and nothing else.
	JSONRequests bool
	// Renames maps a standard authorization parameter to the vendor's.
	Renames map[string]string
	// OmitResponseType refuses a response_type.
	OmitResponseType bool
	// CodeParameter of callbacks is "code" when empty.
	CodeParameter string
	// CallbackExtra parameters are added to callbacks.
	CallbackExtra url.Values
}

// GitHub answers form-encoded by default, with errors in a 200, comma separated
// scopes and no expiry.
func GitHub() Shape {
	return Shape{
		Format: FormatByAccept, Expiry: ExpiryAbsent, TokenType: "bearer", ScopeSeparator: ",", ErrorStatus: http.StatusOK,
		ErrorCodes: map[string]string{"invalid_grant": "bad_verification_code", "invalid_client": "incorrect_client_credentials"},
	}
}

// Slack answers with ok and nests the user's token.
func Slack() Shape {
	return Shape{
		TokenType: "user", ScopeSeparator: ",", ScopeParameter: "user_scope", ErrorStatus: http.StatusOK, OKMember: true,
		ErrorCodes: map[string]string{"invalid_grant": "invalid_code", "invalid_client": "bad_client_secret"},
		Paths: map[string]string{
			"access_token": "authed_user.access_token", "refresh_token": "authed_user.refresh_token", "scope": "authed_user.scope",
			"token_type": "authed_user.token_type", "expires_in": "authed_user.expires_in",
		},
		Extra: map[string]any{"team": map[string]any{"id": "T1", "name": "Team One"}, "app_id": "A1"},
	}
}

func (s Shape) withDefaults() Shape {
	if s.TokenType == "" {
		s.TokenType = "Bearer"
	}
	if s.ScopeSeparator == "" {
		s.ScopeSeparator = " "
	}
	if s.AnswerScopeSeparator == "" {
		s.AnswerScopeSeparator = s.ScopeSeparator
	}
	if s.ScopeParameter == "" {
		s.ScopeParameter = "scope"
	}
	if s.CodeParameter == "" {
		s.CodeParameter = "code"
	}
	return s
}

// parameter is the vendor's name of a standard authorization parameter.
func (s Shape) parameter(name string) string {
	if name == "scope" && s.ScopeParameter != "scope" {
		return s.ScopeParameter
	}
	if renamed, ok := s.Renames[name]; ok {
		return renamed
	}
	return name
}

func (s Shape) splitScopes(v string) []string {
	if s.ScopeSeparator == " " {
		return strings.Fields(v)
	}
	return strings.FieldsFunc(v, func(r rune) bool { return strings.ContainsRune(s.ScopeSeparator, r) })
}

// tokenAnswer spells a successful token answer.
func (s Shape) tokenAnswer(standard map[string]any, lifetime time.Duration) map[string]any {
	switch s.Expiry {
	case ExpirySeconds:
		standard["expires_in"] = int64(lifetime / time.Second)
	case ExpiryString:
		standard["expires_in"] = fmt.Sprint(int64(lifetime / time.Second))
	case ExpiryFloat:
		standard["expires_in"] = json.RawMessage(fmt.Sprintf("%.1f", lifetime.Seconds()))
	case ExpiryMilliseconds:
		standard["expires_in"] = int64(lifetime / time.Millisecond)
	case ExpiryZero:
		standard["expires_in"] = 0
	case ExpiryNegative:
		standard["expires_in"] = -1
	case ExpiryHuge:
		standard["expires_in"] = json.RawMessage("1e18")
	case ExpiryAbsent:
	}
	if s.TokenType != Omitted {
		standard["token_type"] = s.TokenType
	}
	if s.OmitScope {
		delete(standard, "scope")
	}
	answer := maps.Clone(s.Extra)
	if answer == nil {
		answer = map[string]any{}
	}
	if s.OKMember {
		answer["ok"] = true
	}
	for name, value := range standard {
		path, ok := s.Paths[name]
		if !ok {
			path = name
		}
		setPath(answer, path, value)
	}
	return answer
}

// tokenError spells an error; the status is the vendor's too.
func (s Shape) tokenError(status int, code, description string) (int, map[string]any) {
	if s.ErrorStatus != 0 && status < http.StatusInternalServerError {
		status = s.ErrorStatus
	}
	if vendors, ok := s.ErrorCodes[code]; ok {
		code = vendors
	}
	answer := map[string]any{"error": code, "error_description": description}
	if s.OKMember {
		answer["ok"] = false
	}
	return status, answer
}

func setPath(m map[string]any, path string, value any) {
	head, rest, nested := strings.Cut(path, ".")
	if !nested {
		m[head] = value
		return
	}
	child, ok := m[head].(map[string]any)
	if !ok {
		child = map[string]any{}
		m[head] = child
	}
	setPath(child, rest, value)
}

// encode writes an answer in the vendor's format.
func (s Shape) encode(w http.ResponseWriter, r *http.Request, status int, answer map[string]any) {
	form := s.Format == FormatForm ||
		s.Format == FormatByAccept && !strings.Contains(r.Header.Get("Accept"), "application/json")
	if !form {
		writeJSON(w, status, answer)
		return
	}
	values := url.Values{}
	for k, v := range answer {
		values.Set(k, fmt.Sprint(v))
	}
	w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(values.Encode()))
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
