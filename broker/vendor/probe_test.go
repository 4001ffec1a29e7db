// SPDX-License-Identifier: Apache-2.0

package vendor

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// tokenEndpoint answers as a vendor with one app does, and keeps what it got.
type tokenEndpoint struct {
	mu    sync.Mutex
	forms []string
	// answer gets whether the client is right.
	answer func(w http.ResponseWriter, known, right bool)
}

func (v *tokenEndpoint) start(t *testing.T) Endpoint {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		v.mu.Lock()
		v.forms = append(v.forms, r.PostForm.Encode())
		v.mu.Unlock()
		known := r.PostForm.Get("client_id") == "app"
		v.answer(w, known, known && r.PostForm.Get("client_secret") == "good")
	}))
	t.Cleanup(server.Close)
	e := Endpoint{
		Vendor: &runtimeconfig.Vendor{
			Name: "acme", PKCE: true, ClientAuth: runtimeconfig.ClientAuth{Method: runtimeconfig.AuthPost},
			Transport: runtimeconfig.Transport{TimeoutSeconds: 10, MaxResponseBytes: 1 << 20},
		},
		Target:     &runtimeconfig.Target{Endpoints: runtimeconfig.Endpoints{Token: server.URL}},
		Credential: &runtimeconfig.Credential{ClientID: "app", ClientSecret: secret.New("good")},
	}
	return e
}

func (v *tokenEndpoint) asked() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]string(nil), v.forms...)
}

func says(status int, code string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"error":%q}`, code)
	}
}

func TestProbe(t *testing.T) {
	always := func(f func(http.ResponseWriter)) func(http.ResponseWriter, bool, bool) {
		return func(w http.ResponseWriter, _, _ bool) { f(w) }
	}
	clientFirst := func(wrong, right func(http.ResponseWriter)) func(http.ResponseWriter, bool, bool) {
		return func(w http.ResponseWriter, _, ok bool) {
			if ok {
				right(w)
			} else {
				wrong(w)
			}
		}
	}
	standard := clientFirst(says(401, "invalid_client"), says(400, "invalid_grant"))
	for name, c := range map[string]struct {
		answer     func(w http.ResponseWriter, known, right bool)
		good, evil Verdict // with the right secret, and with a wrong one
	}{
		"RFC 6749":                {standard, VerdictAccepted, VerdictRefused},
		"GitHub, inside a 200":    {clientFirst(says(200, "incorrect_client_credentials"), says(200, "bad_verification_code")), VerdictAccepted, VerdictRefused},
		"Slack":                   {clientFirst(says(200, "bad_client_secret"), says(200, "invalid_code")), VerdictAccepted, VerdictRefused},
		"the code first":          {always(says(400, "invalid_grant")), VerdictUntold, VerdictUntold},
		"unauthorized_client":     {clientFirst(says(401, "unauthorized_client"), says(400, "invalid_grant")), VerdictAccepted, VerdictUntold},
		"invalid_request":         {always(says(400, "invalid_request")), VerdictUntold, VerdictUntold},
		"an error of its own":     {always(says(400, "access_denied")), VerdictUntold, VerdictUntold},
		"401 without an error":    {always(func(w http.ResponseWriter) { w.WriteHeader(401) }), VerdictUntold, VerdictUntold},
		"404 page":                {always(func(w http.ResponseWriter) { w.WriteHeader(404); _, _ = fmt.Fprint(w, "<html>") }), VerdictUntold, VerdictUntold},
		"redirect":                {always(func(w http.ResponseWriter) { w.Header().Set("Location", "/x"); w.WriteHeader(307) }), VerdictUntold, VerdictUntold},
		"too long":                {always(func(w http.ResponseWriter) { _, _ = fmt.Fprint(w, strings.Repeat(" ", 2<<20)) }), VerdictUntold, VerdictUntold},
		"a token, of all things":  {always(func(w http.ResponseWriter) { _, _ = fmt.Fprint(w, `{"access_token":"a","token_type":"Bearer"}`) }), VerdictUntold, VerdictUntold},
		"429 and invalid_client":  {always(says(429, "invalid_client")), VerdictUnavailable, VerdictUnavailable},
		"503 and invalid_grant":   {always(says(503, "invalid_grant")), VerdictUnavailable, VerdictUnavailable},
		"temporarily_unavailable": {always(says(400, "temporarily_unavailable")), VerdictUnavailable, VerdictUnavailable},
	} {
		for value, want := range map[string]Verdict{"good": c.good, "evil": c.evil} {
			v := &tokenEndpoint{answer: c.answer}
			e := v.start(t)
			e.Credential.ClientSecret = secret.New(value)
			if got := NewClient(time.Now, nil).Probe(t.Context(), e, "https://broker.example/v1/callback"); got.Verdict != want {
				t.Errorf("%s, %s secret: %s, want %s", name, value, got.Verdict, want)
			}
		}
	}
}

// TestProbe_request: what is sent is a code exchange like any other, with a code
// that cannot exist; the control is asked once, with nothing of the app in it.
func TestProbe_request(t *testing.T) {
	v := &tokenEndpoint{answer: func(w http.ResponseWriter, _, right bool) {
		if right {
			says(400, "invalid_grant")(w)
			return
		}
		says(401, "invalid_client")(w)
	}}
	e := v.start(t)
	c := NewClient(time.Now, nil)
	for range 3 {
		if got := c.Probe(t.Context(), e, "https://broker.example/v1/callback"); got.Verdict != VerdictAccepted {
			t.Fatalf("got %+v", got)
		}
	}
	forms := v.asked()
	if len(forms) != 4 {
		t.Fatalf("got %d requests, want three probes and one control", len(forms))
	}
	for n, form := range forms {
		for _, part := range []string{"grant_type=authorization_code", "code=oauth-broker-probe-", "code_verifier=", "redirect_uri=https%3A%2F%2Fbroker.example%2Fv1%2Fcallback"} {
			if !strings.Contains(form, part) {
				t.Errorf("request %d lacks %q", n, part)
			}
		}
		if control := n == 1; strings.Contains(form, "good") == control || strings.Contains(form, "client_id=app") == control {
			t.Errorf("request %d: %s", n, form)
		}
	}
	if forms[0] == forms[2] {
		t.Error("the made-up code is the same twice")
	}
}

func TestProbe_vendorAway(t *testing.T) {
	v := &tokenEndpoint{answer: func(w http.ResponseWriter, _, _ bool) {
		w.Header().Set("Retry-After", "90")
		says(429, "slow_down")(w)
	}}
	e := v.start(t)
	c := NewClient(time.Now, nil)
	if got := c.Probe(t.Context(), e, ""); got.Verdict != VerdictUnavailable || got.RetryAfter != 90*time.Second {
		t.Errorf("got %+v, want the vendor's 90 seconds", got)
	}
	e.Target.Endpoints.Token = "http://127.0.0.1:1/token"
	if got := c.Probe(t.Context(), e, ""); got.Verdict != VerdictUnavailable {
		t.Errorf("no connection: %+v", got)
	}
}
