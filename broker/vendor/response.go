// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// Tokens is a vendor's token response. Members holds every member as the vendor
// wrote it; where the vendor keeps a standard member elsewhere, a copy stands at
// the standard place.
type Tokens struct {
	Members oauth.Object
	// AccessToken and RefreshToken repeat members; RefreshToken is empty where
	// there is none.
	AccessToken  secret.Text
	RefreshToken secret.Text
	IDToken      secret.Text
	// Scope is the granted scopes; HasScope is false where the vendor tells none.
	Scope    []string
	HasScope bool
}

// answer is an HTTP answer whose body was read.
type answer struct {
	status int
	header http.Header
	body   string
}

// limits of members; longer ones are no tokens.
const (
	maxToken     = 64 << 10
	maxExpiresIn = 10 * 365 * 24 * 3600
)

// parse reads a token endpoint's answer.
func (e Endpoint) parse(a answer, now time.Time) (*Tokens, error) {
	members, err := e.decode(a)
	if err != nil {
		if a.status == http.StatusOK {
			return nil, failed(OutcomeMalformed, "the vendor's token response is unreadable: "+err.Error())
		}
		return nil, statusError(a.status, a.header, now)
	}
	if code, isError := e.errorCode(a.status, members); isError {
		outcome, reason := outcomeOf(code)
		// Auth0, and Atlassian with it, say access_denied to a wrong client secret.
		untold := code == "" || code == oauth.AccessDenied && a.status == http.StatusUnauthorized
		if outcome == OutcomeRefused && untold || a.status == http.StatusTooManyRequests || a.status >= 500 {
			return nil, statusError(a.status, a.header, now)
		}
		return nil, &Error{Outcome: outcome, Reason: reason, RetryAfter: retryAfter(a.header, now)}
	}
	if a.status < 200 || a.status > 299 {
		return nil, statusError(a.status, a.header, now)
	}
	return e.tokens(members)
}

func (e Endpoint) decode(a answer) (oauth.Object, error) {
	format := e.Vendor.TokenResponse.Format
	if format == runtimeconfig.FormatByContentType {
		format = runtimeconfig.FormatJSON
		mt, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
		if err == nil && (mt == "application/x-www-form-urlencoded" || mt == "text/plain") {
			format = runtimeconfig.FormatForm
		}
	}
	if format == runtimeconfig.FormatForm {
		return decodeForm(a.body)
	}
	return oauth.ParseObject(a.body)
}

func decodeForm(s string) (oauth.Object, error) {
	q, err := url.ParseQuery(s)
	if err != nil {
		return nil, errors.New("not form encoding")
	}
	o := make(oauth.Object, 0, len(q))
	for name, all := range q {
		if len(all) != 1 {
			return nil, errors.New("a member is repeated")
		}
		o = append(o, oauth.Member{Name: name, Value: oauth.Quote(all[0])})
	}
	return o, nil
}

// errorCode finds an OAuth error, also inside a 200. "error": false says that there
// is none, and is no code (RFC 6749 section 5.2).
func (e Endpoint) errorCode(status int, m oauth.Object) (code string, isError bool) {
	r := e.Vendor.TokenResponse
	if r.ErrorPath != "" {
		if v, ok := at(m, r.ErrorPath); ok && text(v) == r.ErrorEquals {
			if v, ok := at(m, r.ErrorCodePath); ok && r.ErrorCodePath != "" {
				return text(v), true
			}
			isError = true
		}
	}
	if v := m.Get("error"); !isEmpty(v) && v != "false" {
		return text(v), true
	}
	return "", isError || status < 200 || status > 299
}

func (e Endpoint) tokens(members oauth.Object) (t *Tokens, err error) {
	t = &Tokens{Members: members}
	m := &t.Members
	e.lift(m)
	if t.AccessToken, err = token(m, "access_token"); err != nil {
		return nil, err
	}
	if t.AccessToken.Empty() {
		return nil, failed(OutcomeMalformed, "the vendor's token response has no access_token")
	}
	if t.RefreshToken, err = token(m, "refresh_token"); err != nil {
		return nil, err
	}
	if t.IDToken, err = token(m, "id_token"); err != nil {
		return nil, err
	}
	if err := e.checkType(m); err != nil {
		return nil, err
	}
	e.fixExpiry(m)
	e.readScope(t)
	return t, nil
}

// lift copies standard members from the vendor's places to the standard ones.
// All are read before one is written: a place may lie inside a standard member.
func (e Endpoint) lift(m *oauth.Object) {
	found := map[string]string{}
	for standard, path := range e.Vendor.TokenResponse.Paths {
		if v, ok := at(*m, path); ok {
			found[standard] = v
		}
	}
	for standard := range e.Vendor.TokenResponse.Paths {
		if v, ok := found[standard]; ok {
			m.Set(standard, v)
		} else {
			m.Delete(standard)
		}
	}
}

// SetRefreshToken puts a refresh token into a token response, also where this
// vendor keeps its own, so that the vendor's stands nowhere.
func (e Endpoint) SetRefreshToken(m *oauth.Object, token string) {
	if path := e.Vendor.TokenResponse.Paths["refresh_token"]; path != "" {
		replaceAt(m, path, oauth.Quote(token))
	}
	m.Set("refresh_token", oauth.Quote(token))
}

// DropRefreshToken takes the refresh token out, wherever this vendor keeps it.
func (e Endpoint) DropRefreshToken(m *oauth.Object) {
	if path := e.Vendor.TokenResponse.Paths["refresh_token"]; path != "" {
		replaceAt(m, path, "null")
	}
	m.Delete("refresh_token")
}

// token reads a member that must be a printable string, where it is there.
func token(m *oauth.Object, name string) (secret.Text, error) {
	v := m.Get(name)
	if isEmpty(v) {
		m.Delete(name)
		return secret.Text{}, nil
	}
	s := oauth.Unquote(v)
	if s == "" || len(s) > maxToken {
		return secret.Text{}, failed(OutcomeMalformed, "the vendor's "+name+" is not a usable string")
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return secret.Text{}, failed(OutcomeMalformed, "the vendor's "+name+" holds characters that no token has")
		}
	}
	return secret.New(s), nil
}

// checkType checks token_type (RFC 6749 section 5.1).
func (e Endpoint) checkType(m *oauth.Object) error {
	v := m.Get("token_type")
	if v == "" || isNull(v) {
		if e.Vendor.TokenResponse.TokenTypeOptional {
			m.Set("token_type", `"Bearer"`)
			return nil
		}
		return failed(OutcomeMalformed, "the vendor's token response has no token_type; set tokenResponse.tokenType: Optional if that is how this vendor answers")
	}
	kind := text(v)
	if !strings.EqualFold(kind, "bearer") && !slices.Contains(e.Vendor.TokenResponse.TokenTypes, kind) {
		return failed(OutcomeMalformed, "the vendor's token_type is neither bearer nor listed in tokenResponse.tokenTypes")
	}
	return nil
}

// fixExpiry turns expires_in into whole seconds. Zero, negative and unreadable
// mean unknown, and the member goes: nothing is invented in its place.
func (e Endpoint) fixExpiry(m *oauth.Object) {
	v := m.Get("expires_in")
	if v == "" {
		return
	}
	seconds, err := strconv.ParseFloat(text(v), 64)
	if e.Vendor.TokenResponse.Milliseconds {
		seconds /= 1000
	}
	if err != nil || !(seconds >= 1) { // also NaN
		m.Delete("expires_in")
		return
	}
	m.Set("expires_in", strconv.FormatInt(int64(min(seconds, maxExpiresIn)), 10))
}

// readScope reads the granted scopes and writes them with spaces. What the
// vendor does not tell is not filled in.
func (e Endpoint) readScope(t *Tokens) {
	v := t.Members.Get("scope")
	if v == "" || isNull(v) {
		return
	}
	var list []string
	if v[0] == '"' || json.Unmarshal([]byte(v), &list) != nil {
		list = strings.FieldsFunc(text(v), func(r rune) bool {
			return r == ' ' || string(r) == e.Vendor.TokenResponse.ScopeSeparator
		})
	}
	t.Scope, t.HasScope = list, true
	t.Members.Set("scope", oauth.Quote(strings.Join(list, " ")))
}
