// SPDX-License-Identifier: Apache-2.0

package fakekms

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"
	"time"
)

const (
	azureVault  = "oauth-broker.vault.azure.net"
	azureLogin  = "login.microsoftonline.com"
	azureTenant = "11111111-2222-3333-4444-555555555555"
	azureToken  = "azure-token-canary-0123456789"
)

// AzureURL names the key in Azure Key Vault.
func (k *KMS) AzureURL() string {
	return "azurekeyvault://" + azureVault + "/keys/" + Key + "/0123456789abcdef"
}

// AzureEnv is the environment of a program that uses Azure Key Vault, through the
// same kind of proxy as GCPEnv.
func (k *KMS) AzureEnv(t testing.TB) []string {
	t.Helper()
	certificate, roots := newCertificate(t, azureVault, azureLogin)
	proxy := newTunnel(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+azureLogin+"/", k.azureMetadata)
	mux.HandleFunc("POST "+azureLogin+"/"+azureTenant+"/oauth2/v2.0/token", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"access_token": azureToken, "token_type": "Bearer", "expires_in": 3600})
	})
	mux.HandleFunc("POST "+azureVault+"/keys/"+Key+"/{version}/{operation}", k.azure)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}}
	go func() { _ = server.ServeTLS(proxy, "", "") }()
	t.Cleanup(func() { _ = server.Close() })
	return []string{
		"HTTPS_PROXY=http://" + proxy.Addr().String(), "NO_PROXY=", "SSL_CERT_FILE=" + roots,
		"AZURE_TENANT_ID=" + azureTenant, "AZURE_CLIENT_ID=broker", "AZURE_CLIENT_SECRET=azure-secret-canary-0123456789",
	}
}

// azureMetadata describes the login host.
func (k *KMS) azureMetadata(w http.ResponseWriter, _ *http.Request) {
	base := "https://" + azureLogin + "/" + azureTenant
	answer(w, map[string]any{
		"tenant_discovery_endpoint": base + "/v2.0/.well-known/openid-configuration", "api-version": "1.1",
		"metadata": []any{map[string]any{"preferred_network": azureLogin, "preferred_cache": azureLogin, "aliases": []string{azureLogin}}},
		"issuer":   base + "/v2.0", "authorization_endpoint": base + "/oauth2/v2.0/authorize", "token_endpoint": base + "/oauth2/v2.0/token",
	})
}

// azure is the vault: it wants a token for itself, and encrypts and decrypts.
func (k *KMS) azure(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+azureToken {
		w.Header().Set("WWW-Authenticate", `Bearer authorization="https://`+azureLogin+"/"+azureTenant+`", resource="https://vault.azure.net"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	operation := r.PathValue("operation")
	if k.isAway(operation) {
		w.WriteHeader(http.StatusForbidden)
		answer(w, map[string]any{"error": map[string]string{"code": "Forbidden", "message": "away"}})
		return
	}
	var in struct{ Alg, Value string }
	err := json.NewDecoder(r.Body).Decode(&in)
	value, err2 := base64.RawURLEncoding.DecodeString(in.Value)
	if err == nil && err2 == nil && operation == "decrypt" {
		value, err = k.aead.Open(nil, nil, value, nil)
	} else if err == nil {
		value = k.aead.Seal(nil, nil, value, nil)
	}
	if err != nil || err2 != nil || in.Alg != "RSA-OAEP-256" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	answer(w, map[string]any{"kid": "https://" + azureVault + r.URL.Path, "value": base64.RawURLEncoding.EncodeToString(value)})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
