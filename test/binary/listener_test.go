// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestListener_answers sends odd and good requests to the public listener.
// Every answer of ours has the security headers.
func TestListener_answers(t *testing.T) {
	s := newSite(t)
	b := s.Start().Ready()
	const form = "application/x-www-form-urlencoded"
	good := strings.TrimPrefix(s.cli("acme").AuthCodeURL("s"), s.PublicURL)
	for name, c := range map[string]struct {
		method, path, body string
		header             http.Header
		want               int
	}{
		"metrics":                  {method: http.MethodGet, path: "/metrics", want: http.StatusNotFound},
		"revision":                 {method: http.MethodGet, path: "/revision", want: http.StatusNotFound},
		"debug":                    {method: http.MethodGet, path: "/debug/pprof/", want: http.StatusNotFound},
		"landing page":             {method: http.MethodGet, path: "/", want: http.StatusOK},
		"encoded way to metrics":   {method: http.MethodGet, path: "/v1/%2e%2e/metrics", want: http.StatusNotFound},
		"health":                   {method: http.MethodGet, path: "/healthz", want: http.StatusOK},
		"ready":                    {method: http.MethodGet, path: "/readyz", want: http.StatusOK},
		"metadata":                 {method: http.MethodGet, path: "/.well-known/oauth-authorization-server/v1/vendors/acme", want: http.StatusOK},
		"metadata of nobody":       {method: http.MethodGet, path: "/.well-known/oauth-authorization-server/v1/vendors/nobody", want: http.StatusNotFound},
		"HEAD of authorize":        {method: http.MethodHead, path: good, want: http.StatusMethodNotAllowed},
		"HEAD of shared authorize": {method: http.MethodHead, path: "/v1/authorize", want: http.StatusMethodNotAllowed},
		"HEAD of callback":         {method: http.MethodHead, path: "/v1/callback?state=x&code=y", want: http.StatusMethodNotAllowed},
		"HEAD of vendor callback":  {method: http.MethodHead, path: "/v1/callback/acme", want: http.StatusMethodNotAllowed},
		"PUT of token":             {method: http.MethodPut, path: "/v1/token", want: http.StatusMethodNotAllowed},
		"GET of token":             {method: http.MethodGet, path: "/v1/vendors/acme/token", want: http.StatusMethodNotAllowed},
		"TRACE":                    {method: http.MethodTrace, path: "/v1/authorize", want: http.StatusMethodNotAllowed},
		"page":                     {method: http.MethodGet, path: "/v1/authorize?client_id=nobody", want: http.StatusBadRequest},
		"redirect with error":      {method: http.MethodGet, path: good, want: http.StatusFound}, // no PKCE
		"token error":              {method: http.MethodPost, path: "/v1/vendors/acme/token", body: "grant_type=none&client_id=initech.cli", header: http.Header{"Content-Type": {form}}, want: http.StatusBadRequest},
		"unknown client":           {method: http.MethodPost, path: "/v1/vendors/acme/token", body: "grant_type=refresh_token&refresh_token=x&client_id=no.body", header: http.Header{"Content-Type": {form}}, want: http.StatusUnauthorized},
		"body too large":           {method: http.MethodPost, path: "/v1/token", body: strings.Repeat("a", 80<<10), header: http.Header{"Content-Type": {form}}, want: http.StatusRequestEntityTooLarge},
		"query too long":           {method: http.MethodGet, path: "/v1/authorize?x=" + strings.Repeat("a", 32<<10), want: http.StatusRequestURITooLong},
	} {
		t.Run(name, func(t *testing.T) {
			answer, body := s.send(t, c.method, c.path, c.body, c.header)
			if answer.StatusCode != c.want {
				t.Errorf("got status %d, want %d: %.200s", answer.StatusCode, c.want, body)
			}
			for header, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
				"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'", "Strict-Transport-Security": "max-age=",
			} {
				if got := answer.Header.Get(header); !strings.HasPrefix(got, want) && !publicDocument(c.want, c.path, header) {
					t.Errorf("%s is %q, want %q", header, got, want)
				}
			}
			if page := strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html"); page && answer.Header.Get("X-Frame-Options") != "DENY" {
				t.Error("a page can be framed")
			}
			if answer.Header.Get("X-Request-Id") == "" || answer.Header.Get("Server") != "" {
				t.Errorf("got X-Request-Id %q and Server %q", answer.Header.Get("X-Request-Id"), answer.Header.Get("Server"))
			}
		})
	}
	b.Stop()
	if strings.Contains(b.Log(), "panic") {
		t.Errorf("panic in the log: %s", b.Log())
	}
	checkJSON(t, b.Log())
}

// publicDocument: metadata may be cached.
func publicDocument(status int, path, header string) bool {
	return status == http.StatusOK && header == "Cache-Control" && strings.HasPrefix(path, "/.well-known/")
}

func (s *site) send(t *testing.T, method, path, body string, header http.Header) (answer *http.Response, text string) {
	t.Helper()
	u, err := url.Parse(s.PublicURL + path)
	if err != nil {
		t.Fatal(err)
	}
	r := (&http.Request{Method: method, URL: u, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}).WithContext(t.Context())
	if body == "" {
		r.Body = http.NoBody
	}
	if header != nil {
		r.Header = header
	}
	answer, err = s.HTTP().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(b)
}

// TestListener_oversizeHeaders are refused by the HTTP server itself, in both
// versions of the protocol. In HTTP/2 the server announces its limit, and a
// client that has read it by then does not even send them.
func TestListener_oversizeHeaders(t *testing.T) {
	s := newSite(t)
	s.Start().Ready()
	for _, http2 := range []bool{false, true} {
		c := s.HTTP()
		c.Transport = &http.Transport{TLSClientConfig: s.TLS(), ForceAttemptHTTP2: http2}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.PublicURL+"/healthz", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 7 {
			r.Header.Add("Cookie", strings.Repeat(string(rune('a'+i)), 10<<10))
		}
		answer, err := c.Do(r)
		if http2 && err != nil && strings.Contains(err.Error(), "larger than peer's advertised limit") {
			continue
		}
		if err != nil {
			t.Errorf("HTTP/2 %v: %v", http2, err)
			continue
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge || (answer.ProtoMajor == 2) != http2 {
			t.Errorf("HTTP/2 %v: got %s %s, want 431", http2, answer.Proto, answer.Status)
		}
	}
}

// TestListener_admin serves what the public one must not.
func TestListener_admin(t *testing.T) {
	s := newSite(t)
	b := s.Start().Ready()
	login(t, s.web())
	metrics, err := b.AdminGet("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`oauth_broker_requests_total{outcome="ok",route="/v1/vendors/{vendor}/token",status="200",vendor="acme"} 1`,
		`oauth_broker_vendor_calls_total{leg="code",outcome="ok",vendor="acme"} 1`, "go_goroutines", "process_open_fds",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics do not hold %s", want)
		}
	}
	if r := b.Revision(); r.Revision == "" || r.Sequence != 0 || len(r.KeyIDs) != 2 {
		t.Errorf("got revision %+v", r)
	}
	if _, err := b.AdminGet("/debug/pprof/"); err == nil {
		t.Error("profiles are served unasked")
	}
	if _, err := b.AdminGet("/v1/authorize"); err == nil {
		t.Error("the admin listener serves logins")
	}
	b.Stop()
	if index, err := s.Start("--pprof").Ready().AdminGet("/debug/pprof/"); err != nil || !strings.Contains(index, "heap") {
		t.Errorf("with --pprof: %v", err)
	}
}
