// SPDX-License-Identifier: Apache-2.0

package canary_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/canary"
)

const marker = "a-value-of-29-letters-and-more"

// Each kind of secret is found after it passed by once.
func TestCheck_everyKind(t *testing.T) {
	in := func(change func(r *http.Request)) func(*canary.Secrets) {
		return func(s *canary.Secrets) {
			r := httptest.NewRequest(http.MethodGet, "https://broker.example/", nil)
			change(r)
			s.Request(r, nil)
		}
	}
	given := func(body string) func(*canary.Secrets) {
		return func(s *canary.Secrets) {
			if !s.Answer(answer(http.StatusOK, nil), []byte(body)) {
				t.Errorf("%s is no answer with tokens", body)
			}
		}
	}
	pass := map[string]func(*canary.Secrets){
		"planted":             func(s *canary.Secrets) { s.Mark("a secret", marker) },
		"query":               in(func(r *http.Request) { r.URL.RawQuery = "code=" + marker }),
		"cookie of a request": in(func(r *http.Request) { r.Header.Set("Cookie", "a="+marker) }),
		"bearer token":        in(func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+marker) }),
		"password":            in(func(r *http.Request) { r.SetBasicAuth("app", marker) }),
		"cookie of an answer": func(s *canary.Secrets) {
			s.Answer(answer(http.StatusOK, http.Header{"Set-Cookie": {"a=" + marker}}), nil)
		},
		"redirect": func(s *canary.Secrets) {
			s.Answer(answer(http.StatusFound, http.Header{"Location": {"https://app.example/?state=" + marker}}), nil)
		},
		"access token":  given(`{"access_token":"` + marker + `"}`),
		"refresh token": given(`{"access_token":"x","refresh_token":"` + marker + `"}`),
		"ID token":      given(`{"access_token":"x","id_token":"` + marker + `"}`),
		"new secret":    given(`{"client_id":"x","client_secret":"` + marker + `"}`),
		"new token":     given(`{"client_id":"x","registration_access_token":"` + marker + `"}`),
	}
	for _, name := range []string{"state", "nonce", "code", "code_verifier", "client_secret", "client_assertion", "refresh_token", "access_token", "token"} {
		pass["parameter "+name] = func(s *canary.Secrets) {
			s.Request(httptest.NewRequest(http.MethodPost, "https://broker.example/", nil), []byte(url.Values{name: {marker}}.Encode()))
		}
	}
	for name, hear := range pass {
		s := canary.New()
		if found := check(t, s, "it says "+marker); found != "" {
			t.Errorf("%s: found %s before it passed by", name, found)
		}
		hear(s)
		if found := check(t, s, "it says "+marker); !strings.HasPrefix(found, "the log holds a secret") {
			t.Errorf("%s: found %q", name, found)
		}
	}
}

// What fakevendor and seal make is known from the start.
func TestCheck_beginnings(t *testing.T) {
	for _, prefix := range []string{"vendor-code-", "vendor-access-", "vendor-refresh-", "obl1.", "obc1.", "obr1.", "obg1."} {
		if check(t, canary.New(), prefix+"abc") == "" {
			t.Errorf("%s is not found", prefix)
		}
	}
}

// An error that speaks of tokens is searched as every error is.
func TestAnswer_error(t *testing.T) {
	if canary.New().Answer(answer(http.StatusBadRequest, nil), []byte(`{"access_token":"x"}`)) {
		t.Error("an error may hold secrets")
	}
}

func answer(status int, header http.Header) *http.Response {
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(""))}
}

// check is what is found in a log.
func check(t *testing.T, s *canary.Secrets, log string) string {
	t.Helper()
	h := &canary.Heard{TB: t}
	s.Check(h, map[string]string{"the log": log})
	return strings.Join(h.Errors, "\n")
}
