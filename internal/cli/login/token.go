// SPDX-License-Identifier: Apache-2.0

package login

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/oauthbroker/oauth-broker/internal/cli/reach"
)

// token asks the token endpoint.
func (f *Flow) token(ctx context.Context, endpoint, clientID string, form url.Values) (map[string]any, error) {
	status, kind, body, err := f.post(ctx, endpoint, clientID, form)
	if err != nil {
		return nil, err
	}
	if kind == "application/jwt" {
		// Nobody but the client's own key opens it.
		return map[string]any{"encrypted_response": string(body)}, nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var token map[string]any
	if err := d.Decode(&token); err != nil {
		return nil, fmt.Errorf("the token endpoint answered %d without JSON", status)
	}
	if status != http.StatusOK {
		return nil, tokenError(status, token)
	}
	if access, _ := token["access_token"].(string); access == "" {
		return nil, errors.New("the token response has no access_token")
	}
	return token, nil
}

// tokenError explains an error of the token endpoint (RFC 6749 section 5.2).
func tokenError(status int, members map[string]any) error {
	code, _ := members["error"].(string)
	description, _ := members["error_description"].(string)
	fix := advice(code)
	switch code {
	case "invalid_client":
		fix = "Check --client-id, and the client secret (--client-secret-file)"
	case "invalid_grant":
		fix = "The code or refresh token was used, has expired, or belongs to another client: log in again"
	}
	return fmt.Errorf("the token endpoint answered %d: %s (%s). %s", status, oneLine(code), oneLine(description), fix)
}

// revoke ends the refresh token, or the access token where there is no other.
func (f *Flow) revoke(ctx context.Context, m *metadata, clientID string, token map[string]any) error {
	if m.Revocation == "" {
		return fmt.Errorf("%s has no revocation: the vendor offers none (spec.revocation of the OAuthVendor)", f.Vendor)
	}
	form := url.Values{}
	for _, kind := range []string{"refresh_token", "access_token"} {
		if value, ok := token[kind].(string); ok && form.Get("token") == "" {
			form.Set("token", value)
			form.Set("token_type_hint", kind)
		}
	}
	status, _, body, err := f.post(ctx, m.Revocation, clientID, form)
	if err != nil || status == http.StatusOK {
		return err
	}
	var members map[string]any
	_ = json.Unmarshal(body, &members) // the status tells enough
	code, _ := members["error"].(string)
	description, _ := members["error_description"].(string)
	return fmt.Errorf("the revocation endpoint answered %d: %s (%s)", status, oneLine(code), oneLine(description))
}

// post sends a form with the client's authentication.
func (f *Flow) post(ctx context.Context, endpoint, clientID string, form url.Values) (status int, kind string, body []byte, err error) {
	if f.ClientSecret.Empty() {
		form.Set("client_id", clientID)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", nil, fmt.Errorf("making the request: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if !f.ClientSecret.Empty() {
		// Both halves are form-encoded first (RFC 6749 section 2.3.1).
		r.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(f.ClientSecret.Reveal()))
	}
	return f.send(r)
}

func (f *Flow) send(r *http.Request) (status int, kind string, body []byte, err error) {
	answer, err := f.HTTP.Do(r)
	if err != nil {
		return 0, "", nil, reach.Why(err, r.URL.String())
	}
	defer func() { _ = answer.Body.Close() }()
	kind, _, _ = mime.ParseMediaType(answer.Header.Get("Content-Type"))
	body, err = readAll(answer)
	return answer.StatusCode, kind, body, err
}

// register makes a client of the broker (RFC 7591), public and native.
func (f *Flow) register(ctx context.Context, m *metadata, redirectURI string) (string, error) {
	if m.Registration == "" {
		return "", errors.New("no --client-id was given, and this broker registers no clients for this vendor. Make a BrokerClient and say --client-id <namespace>.<name>; `oauth-broker login --help` shows one")
	}
	b, err := json.Marshal(map[string]any{
		"client_name": "oauth-broker login", "application_type": "native", "redirect_uris": []string{redirectURI},
		"token_endpoint_auth_method": "none", "grant_types": []string{"authorization_code", "refresh_token"},
	})
	if err != nil {
		return "", fmt.Errorf("encoding the registration: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.Registration, bytes.NewReader(b))
	if err != nil {
		return "", fmt.Errorf("making the request: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	status, _, body, err := f.send(r)
	if err != nil {
		return "", err
	}
	var registered struct {
		ClientID    string `json:"client_id"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal(body, &registered); err != nil || status != http.StatusCreated || registered.ClientID == "" {
		return "", fmt.Errorf("registering answered %d: %s (%s). Ask for a BrokerClient and say --client-id", status, oneLine(registered.Error), oneLine(registered.Description))
	}
	return registered.ClientID, nil
}
