// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
)

const webSecret = "e2e-only-make-yours-with-openssl-rand-hex-32"

// app is a client of the broker.
type app struct{ id, secret, redirect, vendorApp string }

func apps() []app {
	return []app{
		{id: "acme.cli", redirect: "http://127.0.0.1:7777/callback", vendorApp: "platform-app"},
		{id: "globex.web", secret: webSecret, redirect: "https://app.globex.example/callback", vendorApp: "globex-app"},
	}
}

// remembered are refresh tokens from the beginning: they must work to the end.
type remembered struct {
	mu      sync.Mutex
	refresh map[string]string // by client id
}

// counts of answers and connections.
type counts struct {
	answers, bad, retried atomic.Int64
}

// user is a browser and a client program.
type user struct {
	suite  *suite
	counts *counts
	http   *http.Client
}

// newUser has no cookies and no connections yet. fresh makes a connection for
// each request, so that the Service chooses a pod each time.
func (s *suite) newUser(c *counts, fresh bool) *user {
	jar, _ := cookiejar.New(nil) // never fails without options
	dialer := net.Dialer{Timeout: 5 * time.Second}
	return &user{suite: s, counts: c, http: &http.Client{
		Jar: jar, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &counting{counts: c, next: &http.Transport{
			DisableKeepAlives: fresh, TLSClientConfig: &tls.Config{RootCAs: s.trust.Pool(), MinVersion: tls.VersionTLS12},
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				if address == host+":443" {
					address = s.service
				}
				return dialer.DialContext(ctx, network, address)
			},
		}},
	}}
}

// maxAttempts to connect, 100 ms apart. Until kubelet and kube-proxy have taken a dead
// pod out of the Service, one of three connections goes to it.
const maxAttempts = 12

// counting counts answers, and sends a request again when no connection was to
// be had, as browsers and clients do. It does not hide an answer of any kind.
type counting struct {
	counts *counts
	next   *http.Transport
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	for attempt := 0; ; attempt++ {
		answer, err := c.next.RoundTrip(r)
		if err == nil {
			c.counts.answers.Add(1)
			if answer.StatusCode >= 400 {
				c.counts.bad.Add(1)
			}
			return answer, nil
		}
		var op *net.OpError
		if attempt >= maxAttempts-1 || r.Context().Err() != nil || !errors.As(err, &op) || op.Op != "dial" && r.Method != http.MethodGet {
			return nil, err
		}
		c.counts.retried.Add(1)
		if r.GetBody != nil {
			if r.Body, err = r.GetBody(); err != nil {
				return nil, err
			}
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}

func (a app) config() *oauth2.Config {
	style := oauth2.AuthStyleInHeader
	if a.secret == "" {
		style = oauth2.AuthStyleInParams
	}
	issuer := publicURL + "/v1/vendors/e2e"
	return &oauth2.Config{
		ClientID: a.id, ClientSecret: a.secret, RedirectURL: a.redirect, Scopes: []string{"openid", "profile"},
		Endpoint: oauth2.Endpoint{AuthURL: issuer + "/authorize", TokenURL: issuer + "/token", AuthStyle: style},
	}
}

// logIn is a complete login: authorize, vendor, callback, token.
func (u *user) logIn(ctx context.Context, a app) (*oauth2.Token, error) {
	config, verifier, state := a.config(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	at, err := url.Parse(config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier)))
	if err != nil {
		return nil, err
	}
	sawApp := false
	for hops := 0; !strings.HasPrefix(at.String(), a.redirect); hops++ {
		if hops > 8 {
			return nil, errors.New("too many redirects")
		}
		sawApp = sawApp || at.Host == vendorIP && at.Query().Get("client_id") == a.vendorApp
		if at, err = u.hop(ctx, at); err != nil {
			return nil, err
		}
	}
	q := at.Query()
	switch {
	case q.Get("error") != "":
		return nil, fmt.Errorf("authorization error %s: %s", q.Get("error"), q.Get("error_description"))
	case q.Get("state") != state || q.Get("iss") != publicURL+"/v1/vendors/e2e":
		return nil, errors.New("another state or iss came back")
	case !sawApp:
		return nil, fmt.Errorf("the vendor did not see app %s", a.vendorApp)
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, u.http)
	return config.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(verifier))
}

// hop follows one redirect.
func (u *user) hop(ctx context.Context, at *url.URL) (*url.URL, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	answer, err := u.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("GET %s%s: %w", at.Host, at.Path, errors.Unwrap(err))
	}
	defer func() { _ = answer.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<16)) // read to the end, so that the connection is used again
	if answer.StatusCode < 300 || answer.StatusCode > 399 {
		return nil, fmt.Errorf("GET %s%s answered %d: %.300s", at.Host, at.Path, answer.StatusCode, body)
	}
	return answer.Location()
}

// refresh uses a refresh token.
func (u *user) refresh(ctx context.Context, a app, token string) (*oauth2.Token, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, u.http)
	return a.config().TokenSource(ctx, &oauth2.Token{RefreshToken: token}).Token()
}

// logins logs every client in, and remembers the first refresh tokens.
func (s *suite) logins(ctx context.Context) error {
	for _, a := range apps() {
		u := s.newUser(&counts{}, true)
		token, err := u.logIn(ctx, a)
		if err != nil {
			return fmt.Errorf("%s: %w", a.id, err)
		}
		if token.RefreshToken == "" || token.Extra("id_token") == nil {
			return fmt.Errorf("%s: refresh token or ID token is missing", a.id)
		}
		if _, err := u.refresh(ctx, a, token.RefreshToken); err != nil {
			return fmt.Errorf("%s: refreshing: %w", a.id, err)
		}
		s.tokens.mu.Lock()
		if s.tokens.refresh == nil {
			s.tokens.refresh = map[string]string{}
		}
		if s.tokens.refresh[a.id] == "" {
			s.tokens.refresh[a.id] = token.RefreshToken
		}
		s.tokens.mu.Unlock()
		s.line("%-11s logged in with the vendor's app %s, tokens came, refresh works", a.id, a.vendorApp)
	}
	return nil
}

// refreshOld uses the refresh tokens of the first install: the keys are the same.
func (s *suite) refreshOld(ctx context.Context) error {
	for _, a := range apps() {
		if _, err := s.newUser(&counts{}, true).refresh(ctx, a, s.tokens.refresh[a.id]); err != nil {
			return fmt.Errorf("%s: the refresh token from before: %w", a.id, err)
		}
	}
	s.line("refresh tokens from the first install still work")
	return nil
}
