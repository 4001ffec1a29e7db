// SPDX-License-Identifier: Apache-2.0

package fakevendor_test

import (
	"context"
	"net/http"
	"net/url"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

const redirectURI = "https://client.example/callback"

// party is a standard client of a vendor.
type party struct {
	t      *testing.T
	vendor *fakevendor.Server
	ctx    context.Context
	config oauth2.Config
}

// start makes a vendor with one confidential client, and that client.
func start(t *testing.T, o fakevendor.Options) *party {
	t.Helper()
	if o.Clients == nil {
		o.Clients = []fakevendor.Client{{ID: "app", Secret: "s3cret", RedirectURIs: []string{redirectURI}}}
	}
	vendor := fakevendor.New(o).Start(t)
	return &party{
		t: t, vendor: vendor, ctx: context.WithValue(t.Context(), oauth2.HTTPClient, vendor.Client()),
		config: oauth2.Config{
			ClientID: o.Clients[0].ID, ClientSecret: o.Clients[0].Secret, RedirectURL: redirectURI, Scopes: []string{"openid", "read"},
			Endpoint: oauth2.Endpoint{AuthURL: vendor.URL(fakevendor.Authorize), TokenURL: vendor.URL(fakevendor.Token), AuthStyle: oauth2.AuthStyleInHeader},
		},
	}
}

// authorize returns the callback's parameters; they are empty where there is no redirect.
func (p *party) authorize(options ...oauth2.AuthCodeOption) url.Values {
	p.t.Helper()
	return p.get(p.config.AuthCodeURL("state-1", options...))
}

func (p *party) get(address string) url.Values {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.ctx, http.MethodGet, address, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err := p.vendor.Client().Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	location, err := answer.Location()
	if err != nil {
		return url.Values{}
	}
	return location.Query()
}

// login does the whole flow with PKCE and a nonce.
func (p *party) login(options ...oauth2.AuthCodeOption) (*oauth2.Token, error) {
	p.t.Helper()
	verifier := oauth2.GenerateVerifier()
	callback := p.authorize(append(options, oauth2.S256ChallengeOption(verifier), oidc.Nonce("nonce-1"))...)
	if callback.Get("state") != "state-1" || callback.Get("code") == "" {
		p.t.Fatalf("callback = %v", callback)
	}
	return p.config.Exchange(p.ctx, callback.Get("code"), oauth2.VerifierOption(verifier))
}

func (p *party) mustLogin() *oauth2.Token {
	p.t.Helper()
	token, err := p.login()
	if err != nil {
		p.t.Fatal(err)
	}
	return token
}

// verify checks the ID token as a standard relying party does.
func (p *party) verify(token *oauth2.Token) error {
	p.t.Helper()
	id, err := p.relyingParty(token)
	if err != nil {
		return err
	}
	if id.Nonce != "nonce-1" {
		p.t.Errorf("nonce = %q", id.Nonce)
	}
	return id.VerifyAccessToken(token.AccessToken)
}

func (p *party) verifyIgnoringNonce(token *oauth2.Token) error {
	p.t.Helper()
	id, err := p.relyingParty(token)
	if err != nil {
		return err
	}
	return id.VerifyAccessToken(token.AccessToken)
}

func (p *party) relyingParty(token *oauth2.Token) (*oidc.IDToken, error) {
	ctx := oidc.ClientContext(p.ctx, p.vendor.Client())
	provider, err := oidc.NewProvider(ctx, p.vendor.Issuer())
	if err != nil {
		return nil, err
	}
	raw, _ := token.Extra("id_token").(string)
	return provider.VerifierContext(ctx, &oidc.Config{ClientID: p.config.ClientID}).Verify(p.ctx, raw)
}
