// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/broker/live"
	"github.com/oauthbroker/oauth-broker/broker/once"
	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// BenchmarkSteps is what a login's steps cost in the broker's handlers, without
// sockets and net/http's server: what is ours to make cheaper. Token holds the
// call to a vendor, and that vendor's own work, in this process.
func BenchmarkSteps(b *testing.B) {
	s := newHandlers(b)
	ask := url.Values{
		"client_id": {clientID(1)}, "redirect_uri": {redirectURI}, "response_type": {"code"}, "scope": {scope},
		"state": {"client-state-1"}, "nonce": {nonceAt(1)}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	authorize := request(http.MethodGet, "/v1/vendors/"+vendorName+"/authorize?"+ask.Encode())
	w := s.serve(authorize, "")
	toVendor := w.location(b)
	back := url.Values{"state": {toVendor.Query().Get("state")}, "code": {"4/0AeaYSHDqVb3k2JmX9n1uTg7pQ5cR8wZyLfKe-" + nonceAt(1)}, "iss": {s.vendor.URL}}
	callback := request(http.MethodGet, "/v1/callback?"+back.Encode())
	cookie, _, _ := strings.Cut(w.header.Get("Set-Cookie"), ";")
	callback.Header.Set("Cookie", cookie)
	toClient := s.serve(callback, "").location(b)
	form := url.Values{"grant_type": {"authorization_code"}, "code": {toClient.Query().Get("code")}, "redirect_uri": {redirectURI}, "code_verifier": {verifier}}.Encode()
	token := request(http.MethodPost, "/v1/vendors/"+vendorName+"/token")
	token.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(clientID(1)+":"+clientSecret)))
	token.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	token.ContentLength = int64(len(form))
	for _, step := range []struct {
		name, body string
		request    *http.Request
		status     int
	}{
		{"authorize", "", authorize, http.StatusFound}, {"callback", "", callback, http.StatusFound}, {"token", form, token, http.StatusOK},
	} {
		b.Run(step.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if w := s.serve(step.request, step.body); w.status != step.status {
					b.Fatalf("status %d: %s", w.status, w.body)
				}
			}
		})
	}
}

// handlers is a broker and a vendor in this process.
type handlers struct {
	handler http.Handler
	vendor  *httptest.Server
}

func newHandlers(b *testing.B) *handlers {
	b.Helper()
	mux := http.NewServeMux()
	s := &handlers{vendor: httptest.NewUnstartedServer(mux)}
	s.vendor.EnableHTTP2 = true
	s.vendor.StartTLS()
	b.Cleanup(s.vendor.Close)
	v, err := newVendor(s.vendor.URL)
	if err != nil {
		b.Fatal(err)
	}
	mux.HandleFunc("POST /token", v.token)
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, v.jwks) })
	dir := b.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.vendor.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(dir, certFile), ca, 0o600); err != nil {
		b.Fatal(err)
	}
	doc, err := document(dir, strings.TrimPrefix(s.vendor.URL, "https://"), 10)
	if err != nil {
		b.Fatal(err)
	}
	snapshot, err := runtimeconfig.NewSnapshot(doc, "1", 1, runtimeconfig.Options{Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	keys, err := seal.NewKeys(keyring.New(time.Now()), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	config := &live.Config{}
	config.Set(snapshot)
	server, err := broker.New(broker.Config{
		PublicURL: "https://broker.example.com", Config: config, Keys: keys, Once: once.Stateless{}, Registry: prometheus.NewRegistry(),
		Logger: slog.New(slog.NewJSONHandler(nowhere{}, nil)), Now: time.Now, Limits: broker.Limits{AddressRate: 1e9, ClientRate: 1e9, VendorCalls: 256},
	})
	if err != nil {
		b.Fatal(err)
	}
	s.handler = server.Public()
	return s
}

// nowhere has the log's lines written, and keeps none.
type nowhere struct{}

func (nowhere) Write(b []byte) (int, error) { return len(b), nil }

func request(method, target string) *http.Request {
	r := httptest.NewRequest(method, "https://broker.example.com"+target, nil)
	r.TLS = &tls.ConnectionState{}
	return r
}

// written is a ResponseWriter that keeps what it gets.
type written struct {
	header http.Header
	status int
	body   []byte
}

func (w *written) Header() http.Header    { return w.header }
func (w *written) WriteHeader(status int) { w.status = status }
func (w *written) Write(b []byte) (int, error) {
	w.status = max(w.status, http.StatusOK)
	w.body = b
	return len(b), nil
}

func (w *written) location(b *testing.B) *url.URL {
	b.Helper()
	to, err := url.Parse(w.header.Get("Location"))
	if err != nil || w.status != http.StatusFound {
		b.Fatalf("status %d, %v: %s", w.status, err, w.body)
	}
	return to
}

// serve sends a copy of r: handlers may change what they get.
func (s *handlers) serve(r *http.Request, body string) *written {
	w, sent := &written{header: http.Header{}}, *r
	sent.Body = io.NopCloser(strings.NewReader(body))
	s.handler.ServeHTTP(w, &sent)
	return w
}
