// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// metadata is what a client reads of RFC 8414.
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`
	IssuerParameter       bool     `json:"authorization_response_iss_parameter_supported"`
}

// login is one login by an unmodified golang.org/x/oauth2 client.
type login struct {
	clientID, clientSecret string
	redirectURI            string
	scopes                 []string
	// vendorApp is the client id that the vendor must see.
	vendorApp string
	// authorize, callback and token are the brokers that serve these steps.
	authorize, callback, token int
}

// loginShared is acme's: it has no OAuth app of its own and is allowed the
// platform's.
func (d *demo) loginShared(ctx context.Context) error {
	d.fact("credential", "%s: Secret %s/zitadel-app of OAuthVendor zitadel", runtimeconfig.SourceShared, operatorNamespace)
	return d.logIn(ctx, login{
		clientID: "acme.cli", redirectURI: "http://127.0.0.1:7777/callback", vendorApp: "platform-app",
		scopes: []string{"openid", "profile", "email", "offline_access"}, authorize: 0, callback: 1, token: 0,
	})
}

// loginBYOC is globex's: its namespace brought an OAuth app.
func (d *demo) loginBYOC(ctx context.Context) error {
	d.fact("credential", "%s: BYOCCredential globex/zitadel", runtimeconfig.SourceBYOC)
	return d.logIn(ctx, login{
		clientID: "globex.web", clientSecret: "sample-only-make-yours-with-openssl-rand-hex-32", redirectURI: "https://app.globex.example/oauth/callback",
		vendorApp: "globex-app", scopes: []string{"openid", "profile", "offline_access"}, authorize: 1, callback: 0, token: 1,
	})
}

// logIn authorizes, redeems, uses and refreshes.
func (d *demo) logIn(ctx context.Context, l login) error {
	config, m, err := d.clientConfig(ctx, l)
	if err != nil {
		return err
	}
	code, verifier, err := d.authorize(ctx, l, config, m)
	if err != nil {
		return err
	}
	tokenBroker := l.token
	client := &http.Client{Timeout: 20 * time.Second, Transport: d.transport(func() int { return tokenBroker })}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, client)
	token, err := config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return fmt.Errorf("redeeming the code at broker %d: %w", l.token+1, err)
	}
	d.line("%-9s POST 200  %s with the code", brokerName(l.token), config.Endpoint.TokenURL)
	if err := d.showTokens(ctx, token); err != nil {
		return err
	}
	tokenBroker = 1 - l.token
	fresh, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	if err != nil {
		return fmt.Errorf("refreshing at broker %d: %w", tokenBroker+1, err)
	}
	if fresh.AccessToken == token.AccessToken {
		return errors.New("the refresh gave the same access token")
	}
	d.line("%-9s POST 200  %s with the refresh token", brokerName(tokenBroker), config.Endpoint.TokenURL)
	return d.showTokens(ctx, fresh)
}

// clientConfig discovers the per-vendor issuer as any client does.
func (d *demo) clientConfig(ctx context.Context, l login) (*oauth2.Config, metadata, error) {
	issuer := d.ports.publicURL() + "/v1/vendors/zitadel"
	client := &http.Client{Timeout: 20 * time.Second, Transport: d.transport(func() int { return l.authorize })}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, metadataURL(issuer), nil)
	if err != nil {
		return nil, metadata{}, fmt.Errorf("making the metadata request: %w", err)
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil, metadata{}, fmt.Errorf("reading the metadata: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	d.hop(brokerName(l.authorize), http.MethodGet, strconv.Itoa(answer.StatusCode), r.URL)
	var m metadata
	if err := json.NewDecoder(answer.Body).Decode(&m); err != nil {
		return nil, metadata{}, fmt.Errorf("reading the metadata: %w", err)
	}
	if m.Issuer != issuer || len(m.ChallengeMethods) != 1 || m.ChallengeMethods[0] != "S256" || !m.IssuerParameter {
		return nil, metadata{}, fmt.Errorf("the metadata is not what a client expects: %+v", m)
	}
	style := oauth2.AuthStyleInHeader
	if l.clientSecret == "" {
		style = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{
		ClientID: l.clientID, ClientSecret: l.clientSecret, RedirectURL: l.redirectURI, Scopes: l.scopes,
		Endpoint: oauth2.Endpoint{AuthURL: m.AuthorizationEndpoint, TokenURL: m.TokenEndpoint, AuthStyle: style},
	}, m, nil
}

// metadataURL puts the well-known part before the issuer's path (RFC 8414 section 3.1).
func metadataURL(issuer string) string {
	return strings.Replace(issuer, "/v1/", "/.well-known/oauth-authorization-server/v1/", 1)
}

// authorize sends the browser and checks what comes back, as a client must.
func (d *demo) authorize(ctx context.Context, l login, config *oauth2.Config, m metadata) (code, verifier string, err error) {
	verifier = oauth2.GenerateVerifier()
	state := oauth2.GenerateVerifier()
	b := d.newBrowser(l)
	back, err := b.visit(ctx, config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier)))
	if err != nil {
		return "", "", err
	}
	query := back.Query()
	switch {
	case query.Get("error") != "":
		return "", "", authorizeError{code: query.Get("error"), description: query.Get("error_description")}
	case query.Get("state") != state:
		return "", "", errors.New("another state came back")
	case query.Get("iss") != m.Issuer:
		return "", "", fmt.Errorf("iss is %q", query.Get("iss"))
	case query.Get("code") == "":
		return "", "", errors.New("no code came back")
	case !b.sawApp:
		return "", "", fmt.Errorf("the vendor did not see client id %s", l.vendorApp)
	}
	return query.Get("code"), verifier, nil
}

// authorizeError is an error that came back by redirect (RFC 6749 section 4.1.2.1).
type authorizeError struct{ code, description string }

func (e authorizeError) Error() string { return "authorization error " + e.code + ": " + e.description }

// showTokens prints tokens masked, and uses the access token at the vendor:
// it is the real one.
func (d *demo) showTokens(ctx context.Context, token *oauth2.Token) error {
	if token.RefreshToken == "" {
		return errors.New("no refresh token came")
	}
	d.fact("  access token", "%s, %s, expires in %s", masked(token.AccessToken), token.TokenType, time.Until(token.Expiry).Round(time.Second))
	d.fact("  refresh token", "%s, sealed by the broker", masked(token.RefreshToken))
	if _, ok := token.Extra("id_token").(string); ok {
		d.fact("  ID token", "passed on, after the broker validated it")
	}
	if scope, ok := token.Extra("scope").(string); ok {
		d.fact("  granted scope", "%s", scope)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.provider.issuer+"/userinfo", nil)
	if err != nil {
		return fmt.Errorf("making the API request: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+token.AccessToken)
	answer, err := send(r)
	if err != nil {
		return fmt.Errorf("calling the vendor's API: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	var user struct {
		Subject string `json:"sub"`
		Name    string `json:"name"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&user); err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the vendor's API answered %d to the access token: %w", answer.StatusCode, err)
	}
	d.hop("provider", http.MethodGet, strconv.Itoa(answer.StatusCode), r.URL)
	d.fact("  it says: token of", "%s", strings.TrimSpace(user.Subject+" "+user.Name))
	return nil
}

// refusedScope tells whether a broker refuses a scope, without a login.
func (d *demo) refusedScope(ctx context.Context, broker int, scope string) (bool, error) {
	query := url.Values{
		"response_type": {"code"}, "client_id": {"acme.cli"}, "redirect_uri": {"http://127.0.0.1:7777/callback"}, "scope": {"openid " + scope},
		"state": {oauth2.GenerateVerifier()}, "code_challenge": {oauth2.S256ChallengeFromVerifier(oauth2.GenerateVerifier())}, "code_challenge_method": {"S256"},
	}
	b := d.newBrowser(login{})
	b.broker = broker
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.ports.publicURL()+"/v1/vendors/zitadel/authorize?"+query.Encode(), nil)
	if err != nil {
		return false, fmt.Errorf("making the request: %w", err)
	}
	answer, err := b.client.Do(r)
	if err != nil {
		return false, fmt.Errorf("asking broker %d: %w", broker+1, err)
	}
	defer func() { _ = answer.Body.Close() }()
	location, err := answer.Location()
	if err != nil {
		return false, fmt.Errorf("broker %d answered %d: %w", broker+1, answer.StatusCode, err)
	}
	return location.Query().Get("error") == "invalid_scope", nil
}
