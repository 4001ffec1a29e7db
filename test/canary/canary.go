// SPDX-License-Identifier: Apache-2.0

// Package canary remembers the secrets that pass by in a test, and finds them
// where none may stand.
package canary

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// Secrets are those to look for. Make them with New.
type Secrets struct {
	mu    sync.Mutex
	kinds map[string]string // secret -> what it is
}

// minLength keeps short test values ("x", "abc") from matching by chance.
const minLength = 12

// New makes Secrets that know what fakevendor and seal make by how it begins.
func New() *Secrets {
	s := &Secrets{kinds: map[string]string{}}
	for _, prefix := range []string{"vendor-code-", "vendor-access-", "vendor-refresh-", "obl1.", "obc1.", "obr1.", "obg1."} {
		s.kinds[prefix] = "something that begins with " + prefix
	}
	return s
}

// Mark adds a secret, and tells whether it is long enough to be looked for.
func (s *Secrets) Mark(what, value string) bool {
	if len(value) < minLength {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kinds[value] = what
	return true
}

// Values marks the secrets among parameters.
func (s *Secrets) Values(where string, values url.Values) {
	for _, name := range []string{
		"state", "code", "code_verifier", "client_secret", "client_assertion", "refresh_token", "access_token", "token", "nonce",
	} {
		for _, v := range values[name] {
			s.Mark(name+" of a "+where, v)
		}
	}
}

// Request marks the secrets of a request: query, form, cookies, Authorization.
func (s *Secrets) Request(r *http.Request, body []byte) {
	s.Values("query", r.URL.Query())
	if form, err := url.ParseQuery(string(body)); err == nil && len(body) < 1<<20 {
		s.Values("form", form)
	}
	for _, cookie := range r.Cookies() {
		s.Mark("cookie", cookie.Value)
	}
	s.authorization(r.Header)
}

func (s *Secrets) authorization(h http.Header) {
	_, value, _ := strings.Cut(h.Get("Authorization"), " ")
	s.Mark("Authorization header", value)
	if raw, err := base64.StdEncoding.DecodeString(value); err == nil {
		_, password, _ := strings.Cut(string(raw), ":")
		s.Mark("password", password)
	}
}

// Answer marks the secrets of an answer. given is true where its body is tokens or
// a registration: secrets must stand in it.
func (s *Secrets) Answer(a *http.Response, body []byte) (given bool) {
	if to, err := a.Location(); err == nil {
		s.Values("redirect", to.Query())
	}
	for _, cookie := range a.Cookies() {
		s.Mark("cookie", cookie.Value)
	}
	var members struct {
		Access       string `json:"access_token"`
		Refresh      string `json:"refresh_token"`
		ID           string `json:"id_token"`
		ClientID     string `json:"client_id"`
		Secret       string `json:"client_secret"`
		Registration string `json:"registration_access_token"`
	}
	if a.StatusCode > http.StatusCreated || json.Unmarshal(body, &members) != nil || members.Access == "" && members.ClientID == "" {
		return false
	}
	s.Mark("access token", members.Access)
	s.Mark("refresh token", members.Refresh)
	s.Mark("ID token", members.ID)
	s.Mark("client secret of a registration", members.Secret)
	s.Mark("registration access token", members.Registration)
	return true
}

// Vendor marks the secrets that the broker sent to a vendor.
func (s *Secrets) Vendor(v *fakevendor.Server) {
	for _, r := range v.Requests() {
		s.Values("vendor request", r.Query)
		s.Values("vendor request", r.Form)
		s.authorization(r.Header)
	}
}

// Check fails the test for every secret in a text; what it is of is the key.
func (s *Secrets) Check(t testing.TB, places map[string]string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for place, text := range places {
		for value, what := range s.kinds {
			if strings.Contains(text, value) {
				t.Errorf("%s holds a secret: %s (%.30s...)", place, what, value)
			}
		}
	}
}
