// SPDX-License-Identifier: Apache-2.0

package selftest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// emulator is an OAuth vendor that approves every login at once. It holds the
// broker to what a vendor would: registered redirect URI, PKCE, client
// authentication, a code that is good once.
type emulator struct {
	clientID, clientSecret string
	// redirectBase begins the broker's redirect URI.
	redirectBase string

	mu      sync.Mutex
	codes   map[string]grant
	refresh map[string]bool
	// issued are the access tokens that were given out.
	issued map[string]bool
}

type grant struct{ redirectURI, challenge string }

func newEmulator(clientID, redirectBase string) *emulator {
	return &emulator{clientID: clientID, clientSecret: rand.Text(), redirectBase: redirectBase, codes: map[string]grant{}, refresh: map[string]bool{}, issued: map[string]bool{}}
}

func (e *emulator) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", e.authorize)
	mux.HandleFunc("POST /token", e.token)
	return mux
}

func (e *emulator) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	switch {
	case err != nil || !strings.HasPrefix(q.Get("redirect_uri"), e.redirectBase):
		http.Error(w, "redirect_uri is not registered", http.StatusBadRequest)
		return
	case q.Get("client_id") != e.clientID:
		http.Error(w, "unknown client_id", http.StatusBadRequest)
		return
	case q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" || q.Get("state") == "":
		http.Error(w, "response_type, PKCE with S256 and state are wanted", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	e.mu.Lock()
	e.codes[code] = grant{q.Get("redirect_uri"), q.Get("code_challenge")}
	e.mu.Unlock()
	answer := back.Query()
	answer.Set("code", code)
	answer.Set("state", q.Get("state"))
	back.RawQuery = answer.Encode()
	w.Header().Set("Location", back.String())
	w.WriteHeader(http.StatusFound)
}

func (e *emulator) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	id, password, _ := r.BasicAuth()
	if id != e.clientID || subtle.ConstantTimeCompare([]byte(password), []byte(e.clientSecret)) != 1 {
		answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	if !e.good(r) {
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	access, refresh := "access-"+rand.Text(), "refresh-"+rand.Text()
	e.mu.Lock()
	e.issued[access], e.refresh[refresh] = true, true
	e.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": 300, "refresh_token": refresh})
}

// good takes a code or refresh token, which is then spent.
func (e *emulator) good(r *http.Request) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch r.PostFormValue("grant_type") {
	case "authorization_code":
		g, ok := e.codes[r.PostFormValue("code")]
		delete(e.codes, r.PostFormValue("code"))
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		return ok && g.redirectURI == r.PostFormValue("redirect_uri") && g.challenge == base64.RawURLEncoding.EncodeToString(sum[:])
	case "refresh_token":
		ok := e.refresh[r.PostFormValue("refresh_token")]
		delete(e.refresh, r.PostFormValue("refresh_token"))
		return ok
	}
	return false
}

// gave tells whether an access token is of this vendor: the real one.
func (e *emulator) gave(token string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.issued[token]
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller's loss
}

// certificate makes a self-signed certificate for an address; it lives as long
// as this process.
func certificate(host string, now time.Time) (tls.Certificate, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("making the certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "oauth-broker selftest"},
		NotBefore: now.Add(-5 * time.Minute), NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("making the certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), nil
}
