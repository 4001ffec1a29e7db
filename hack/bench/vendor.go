// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// appID and appSecret are the OAuth app that every credential is for.
	appID     = "bench-app-0123456789.apps.vendor.example"
	appSecret = "bench-app-secret-0123456789abcdef"
	// nonces is how many nonces users take in turn. The vendor signs one ID token
	// for each at its start: signing is the vendor's work and not what is measured.
	nonces  = 64
	rsaBits = 2048
	keyID   = "bench-key-1"
)

func nonceAt(i int) string { return "nonce-of-the-benchmark-" + strconv.Itoa(i%nonces) }

// vendorServer is a vendor that answers at once: its ID tokens are signed
// beforehand, and it keeps nothing.
type vendorServer struct {
	// code and refresh are the answers of the token endpoint, by nonce.
	code    map[string][]byte
	refresh []byte
	jwks    []byte
	issuer  string
}

// serveVendor is the vendor's process.
func serveVendor(ctx context.Context, dir, listen string) error {
	v, err := newVendor("https://" + listen)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", v.authorize)
	mux.HandleFunc("POST /token", v.token)
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, v.jwks) })
	return serveTLS(ctx, dir, listen, mux)
}

func newVendor(issuer string) (*vendorServer, error) {
	key, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return nil, fmt.Errorf("making the vendor's key: %w", err)
	}
	v := &vendorServer{code: map[string][]byte{}, issuer: issuer}
	v.jwks, err = json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: keyID, Algorithm: "RS256", Use: "sig"}}})
	if err != nil {
		return nil, fmt.Errorf("encoding the vendor's key: %w", err)
	}
	for i := range nonces {
		access := "vendor-access-token." + rand.Text() + rand.Text() + rand.Text() + rand.Text()
		idToken, err := v.idToken(key, nonceAt(i), access)
		if err != nil {
			return nil, err
		}
		if v.code[nonceAt(i)], err = tokenResponse(access, idToken); err != nil {
			return nil, err
		}
	}
	v.refresh, err = tokenResponse("vendor-access-token."+rand.Text()+rand.Text()+rand.Text()+rand.Text(), "")
	return v, err
}

// idToken is like those of the large vendors: RS256, at_hash, a few claims of
// the person.
func (v *vendorServer) idToken(key *rsa.PrivateKey, nonce, access string) (string, error) {
	hash, now := sha256.Sum256([]byte(access)), time.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": v.issuer, "aud": appID, "azp": appID, "sub": "110169484474386276334", "nonce": nonce,
		"at_hash": base64.RawURLEncoding.EncodeToString(hash[:16]), "iat": now.Unix(), "exp": now.Add(24 * time.Hour).Unix(),
		"email": "someone@example.com", "email_verified": true, "name": "Some One", "given_name": "Some", "family_name": "One",
		"picture": "https://pictures.vendor.example/a/ACg8ocJXq0123456789abcdef",
	})
	if err != nil {
		return "", fmt.Errorf("encoding claims: %w", err)
	}
	header := `{"alg":"RS256","kid":"` + keyID + `","typ":"JWT"}`
	signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func tokenResponse(access, idToken string) ([]byte, error) {
	m := map[string]any{
		"access_token": access, "expires_in": 3599, "refresh_token": "vendor-refresh-token." + rand.Text() + rand.Text() + rand.Text(),
		"scope": "openid profile offline_access", "token_type": "Bearer",
	}
	if idToken != "" {
		m["id_token"] = idToken
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encoding the token response: %w", err)
	}
	return b, nil
}

// authorize approves at once. The nonce comes back in the code, so that the
// vendor needs no memory.
func (v *vendorServer) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != appID || q.Get("code_challenge") == "" || q.Get("state") == "" {
		http.Error(w, "client_id, code_challenge or state is not good", http.StatusBadRequest)
		return
	}
	back := url.Values{"state": {q.Get("state")}, "code": {"4/0AeaYSHDqVb3k2JmX9n1uTg7pQ5cR8wZyLfKe-" + q.Get("nonce")}, "iss": {v.issuer}}
	w.Header().Set("Location", q.Get("redirect_uri")+"?"+back.Encode())
	w.WriteHeader(http.StatusFound)
}

// token redeems any code, and refuses what lacks a part: a broker that sends
// less than it has to is not to win.
func (v *vendorServer) token(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	if err := r.ParseForm(); err != nil || id != appID || secret != appSecret {
		http.Error(w, "the client is not authenticated", http.StatusUnauthorized)
		return
	}
	if r.PostForm.Get("grant_type") == "refresh_token" && strings.HasPrefix(r.PostForm.Get("refresh_token"), "vendor-refresh-token.") {
		answerJSON(w, v.refresh)
		return
	}
	_, nonce, _ := strings.Cut(r.PostForm.Get("code"), "-")
	answer := v.code[nonce]
	if answer == nil || r.PostForm.Get("code_verifier") == "" || r.PostForm.Get("redirect_uri") == "" {
		http.Error(w, "code, code_verifier or redirect_uri is not good", http.StatusBadRequest)
		return
	}
	answerJSON(w, answer)
}

func answerJSON(w http.ResponseWriter, b []byte) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b)
}

// serveTLS serves with the settings of the broker's own listener until ctx ends.
func serveTLS(ctx context.Context, dir, listen string, h http.Handler) error {
	server := &http.Server{
		Addr: listen, Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second,
		WriteTimeout: 75 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.ListenAndServeTLS(dir+"/"+certFile, dir+"/"+keyFile); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}
