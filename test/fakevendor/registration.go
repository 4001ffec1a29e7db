// SPDX-License-Identifier: Apache-2.0

package fakevendor

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// registration is the client metadata that the vendor reads (RFC 7591 section 2).
type registration struct {
	RedirectURIs []string `json:"redirect_uris"`
	AuthMethod   string   `json:"token_endpoint_auth_method"`
	SoftwareID   string   `json:"software_id"`
	ClientID     string   `json:"client_id"`
	ClientSecret string   `json:"client_secret"`
	// JWKS holds the key of private_key_jwt.
	JWKS struct {
		Keys []json.RawMessage `json:"keys"`
	} `json:"jwks"`
	SigningAlgorithm string `json:"token_endpoint_auth_signing_alg"`
}

// key is the one public key of the client; nil where it shows none, or more, or
// what it should keep to itself.
func (r registration) key() *jose.JSONWebKey {
	var key jose.JSONWebKey
	if len(r.JWKS.Keys) != 1 || json.Unmarshal(r.JWKS.Keys[0], &key) != nil || !key.Valid() || !key.IsPublic() || key.Algorithm != r.SigningAlgorithm {
		return nil
	}
	return &key
}

// register is RFC 7591, open or with an initial access token.
func (s *Server) register(w http.ResponseWriter, x *exchange) {
	if want := s.options.InitialAccessToken; want != "" && x.r.Header.Get("Authorization") != "Bearer "+want {
		s.refuseToken(w, x)
		return
	}
	asked, metadata, failure := readRegistration(x, http.MethodPost)
	if failure != nil {
		s.fail(w, x, failure)
		return
	}
	client := Client{ID: "registered-" + rand.Text(), SoftwareID: asked.SoftwareID}
	if s.options.Manageable {
		client.ManagementToken = "registration-token-" + rand.Text()
	}
	s.shape(&client, asked, true)
	s.AddClient(client)
	s.note(func() { s.stats.Registrations++ })
	s.tell(x, client, metadata)
	s.answer(w, x, s.options.RegistrationStatus, metadata)
}

func readRegistration(x *exchange, method string) (asked registration, metadata map[string]any, failure *oauthError) {
	metadata = map[string]any{}
	if json.Unmarshal(x.rec.Body, &metadata) != nil || json.Unmarshal(x.rec.Body, &asked) != nil || x.r.Method != method {
		return asked, nil, &oauthError{http.StatusBadRequest, "invalid_client_metadata", "not a " + method + " of a JSON object"}
	}
	if len(asked.RedirectURIs) == 0 || slices.ContainsFunc(asked.RedirectURIs, func(u string) bool { return strings.Contains(u, "#") }) {
		return asked, nil, &oauthError{http.StatusBadRequest, "invalid_redirect_uri", "redirect_uris are missing or malformed"}
	}
	if asked.AuthMethod == "" {
		asked.AuthMethod = MethodBasic
	}
	if asked.AuthMethod == MethodPrivateKeyJWT && asked.key() == nil {
		return asked, nil, &oauthError{http.StatusBadRequest, "invalid_client_metadata", "private_key_jwt needs one public key in jwks, of token_endpoint_auth_signing_alg"}
	}
	return asked, metadata, nil
}

// shape makes the client what was asked for, with a new secret where fresh.
func (s *Server) shape(client *Client, asked registration, fresh bool) {
	client.RedirectURIs, client.Methods, client.PublicKey = asked.RedirectURIs, []string{asked.AuthMethod}, nil
	switch asked.AuthMethod {
	case MethodPrivateKeyJWT:
		client.Secret, client.PublicKey = "", asked.key().Key
		return
	case MethodNone:
		client.Secret = ""
		return
	}
	if fresh {
		client.Secret = "registered-secret-" + rand.Text()
	}
	if s.options.RegisteredSecretLifetime > 0 && (client.SecretExpires.IsZero() || !s.options.FixedExpiry) {
		client.SecretExpires = s.options.Now().Add(s.options.RegisteredSecretLifetime)
	}
}

// tell completes the client information response (RFC 7591 section 3.2.1).
func (s *Server) tell(x *exchange, client Client, metadata map[string]any) {
	metadata["client_id"], metadata["client_id_issued_at"] = client.ID, s.options.Now().Unix()
	metadata["token_endpoint_auth_method"] = client.Methods[0]
	if client.Secret != "" {
		metadata["client_secret"], metadata["client_secret_expires_at"] = client.Secret, 0
		if !client.SecretExpires.IsZero() {
			metadata["client_secret_expires_at"] = client.SecretExpires.Unix()
		}
	}
	if client.ManagementToken != "" {
		metadata["registration_access_token"] = client.ManagementToken
		metadata["registration_client_uri"] = s.origin(x.r) + s.options.IssuerPath + "/register/" + client.ID
	}
}

func (s *Server) refuseToken(w http.ResponseWriter, x *exchange) {
	s.note(func() { x.rec.Error = "invalid_token" })
	w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
}

// manage is RFC 7592: update and delete. Who shows no good token for this app, or
// names one that is gone, gets 401.
func (s *Server) manage(w http.ResponseWriter, x *exchange) {
	client, known := s.client(x.r.URL.Path[strings.LastIndex(x.r.URL.Path, "/")+1:])
	if !known || client.ManagementToken == "" || x.r.Header.Get("Authorization") != "Bearer "+client.ManagementToken {
		s.refuseToken(w, x)
		return
	}
	s.note(func() { x.rec.ClientID = client.ID })
	if x.r.Method == http.MethodDelete {
		s.RemoveClient(client.ID)
		s.note(func() { s.stats.Unregistrations++ })
		w.WriteHeader(http.StatusNoContent)
		return
	}
	asked, metadata, failure := readRegistration(x, http.MethodPut)
	if failure == nil && (asked.ClientID != client.ID || asked.ClientSecret != "" && asked.ClientSecret != client.Secret) {
		failure = &oauthError{http.StatusBadRequest, "invalid_client_metadata", "client_id or client_secret is another's"}
	}
	for _, forbidden := range []string{"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"} {
		if _, there := metadata[forbidden]; there && failure == nil {
			failure = &oauthError{http.StatusBadRequest, "invalid_client_metadata", forbidden + " must not be there"}
		}
	}
	if failure != nil {
		s.fail(w, x, failure)
		return
	}
	if s.options.RotateOnUpdate {
		client.ManagementToken = "registration-token-" + rand.Text()
	}
	s.shape(&client, asked, s.options.RotateOnUpdate)
	s.AddClient(client)
	s.note(func() { s.stats.RegistrationUpdates++ })
	s.tell(x, client, metadata)
	s.answer(w, x, http.StatusOK, metadata)
}

// RegisteredApps are the apps that registered themselves and are there now.
func (s *Server) RegisteredApps() []Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	var apps []Client
	for _, c := range s.clients {
		if strings.HasPrefix(c.ID, "registered-") {
			apps = append(apps, c)
		}
	}
	slices.SortFunc(apps, func(a, b Client) int { return strings.Compare(a.ID, b.ID) })
	return apps
}
