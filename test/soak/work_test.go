// SPDX-License-Identifier: Apache-2.0

//go:build soak

package soak_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

const (
	appSecret   = "app-secret-canary-0123456789"
	webSecret   = "web-client-secret-canary-0123456789"
	application = "https://app.example/callback"
)

// reload writes the configuration anew, each time a little different. The scopes
// of the vendor that behaves stay.
func (s *soak) reload(n int) {
	var all strings.Builder
	for name, v := range map[string]*fakevendor.Server{"good": s.good, "rude": s.rude} {
		fmt.Fprintf(&all, `apiVersion: oauthbroker.dev/v1alpha1
kind: OAuthVendor
metadata: {name: %[1]s}
spec:
  issuer: %[2]s
  endpoints: {authorization: %[2]s/authorize, token: %[2]s/token, jwks: %[2]s/jwks, revocation: %[2]s/revoke}
  scopes: {default: [openid], allowed: [openid, files, scope-%[4]d]}
  revocation: {style: RFC7009}
  credentials:
    secretRef: {name: app}
    allowedNamespaces: {from: Names, names: [globex]}
  trustedNamespaces: {from: Names, names: [globex]}
  transport:
    timeoutSeconds: 2
    caBundle: |
      %[3]s
---
`, name, v.Issuer(), strings.ReplaceAll(strings.TrimSpace(string(v.CAPEM())), "\n", "\n      "), n)
	}
	fmt.Fprintf(&all, `apiVersion: v1
kind: Secret
metadata: {name: app, namespace: oauth-broker-system}
stringData: {clientID: app, clientSecret: %s}
---
apiVersion: oauthbroker.dev/v1alpha1
kind: BrokerClient
metadata: {name: web, namespace: globex}
spec:
  redirectURIs: [%q]
  authentication: {method: ClientSecret, secretRef: {name: web}}
  vendors: [{name: good}, {name: rude}]
---
apiVersion: v1
kind: Secret
metadata: {name: web, namespace: globex}
stringData: {clientSecret: %s}
`, appSecret, application, webSecret)
	s.Write("config/all.yaml", all.String())
	s.count("reloads")
}

// misbehave lets the second vendor do the next thing.
func (s *soak) misbehave(n int) {
	all := []fakevendor.Behaviour{
		{}, s.rude.Hang(), fakevendor.ResetConnection(), {}, s.rude.Drip(20 * time.Millisecond), fakevendor.CutShort(), {}, fakevendor.Endless(), fakevendor.GzipBomb(), {},
		fakevendor.RetryLater(http.StatusServiceUnavailable, "1"), fakevendor.RetryLater(http.StatusTooManyRequests, "1"), fakevendor.Answer(http.StatusInternalServerError, "text/html", "<b>error</b>"), {},
	}
	all = append(append(all, fakevendor.BadAnswers()...), fakevendor.BadIDTokens(s.rude.Issuer())...)
	b := all[n%len(all)]
	s.rude.Set(fakevendor.Token, b)
	if b.IDToken == nil {
		s.rude.Set(fakevendor.Refresh, b)
		s.rude.Set(fakevendor.JWKS, fakevendor.Behaviour{Name: b.Name, Write: b.Write})
	}
}

// behaved logs in, refreshes and revokes at the vendor that behaves. Nothing may
// fail.
func (s *soak) behaved() {
	u := s.user("good", s.good)
	s.each(loginEvery, func(int) {
		if err := u.life(); err != nil && s.ctx.Err() == nil {
			s.fail("%s: %v", time.Now().Format(time.TimeOnly), err)
		}
	})
}

// misbehaved logs in at the other one. Its errors must be OAuth errors, soon.
func (s *soak) misbehaved() {
	u := s.user("rude", s.rude)
	s.each(loginEvery, func(int) {
		start := time.Now()
		err := u.login()
		var refused *oauth2.RetrieveError
		switch {
		case err == nil:
			s.count("answers of the other vendor: tokens")
		case errors.As(err, &refused) && refused.ErrorCode != "":
			s.count("answers of the other vendor: errors")
		case s.ctx.Err() == nil:
			s.fail("at the vendor that misbehaves: %v", err)
		}
		if took := time.Since(start); took > 20*time.Second {
			s.fail("a login at the vendor that misbehaves took %s", took)
		}
	})
}

// user is a browser and a client of one vendor.
type user struct {
	s      *soak
	client *binary.Client
	http   *http.Client
	token  *oauth2.Token
}

func (s *soak) user(vendor string, v *fakevendor.Server) *user {
	c := s.Client(vendor, oauth2.Config{ClientID: "globex.web", ClientSecret: webSecret, RedirectURL: application, Endpoint: oauth2.Endpoint{AuthStyle: oauth2.AuthStyleInHeader}}, v)
	return &user{s: s, client: c, http: &http.Client{Transport: s.lb.Transport(v), Timeout: time.Minute}}
}

// context does not end with the soak: what is under way is to end well.
func (u *user) context() context.Context {
	return context.WithValue(context.WithoutCancel(u.s.ctx), oauth2.HTTPClient, u.http)
}

func (u *user) login() error {
	browser := u.s.Browser(application)
	browser.Transport = u.http.Transport
	l, err := u.client.LoginWith(browser)
	if err != nil {
		return fmt.Errorf("login: %w", err)
	}
	if u.token, err = u.client.Exchange(u.context(), l.Answer.Get("code"), oauth2.VerifierOption(l.Verifier)); err != nil {
		return fmt.Errorf("token: %w", err)
	}
	return nil
}

// life is a login, three refreshes and a revocation.
func (u *user) life() error {
	if err := u.login(); err != nil {
		return err
	}
	u.s.count("logins")
	for range 3 {
		next, err := u.client.TokenSource(u.context(), &oauth2.Token{RefreshToken: u.token.RefreshToken}).Token()
		if err != nil {
			return fmt.Errorf("refresh: %w", err)
		}
		u.token = next
		u.s.count("refreshes")
	}
	form := url.Values{"token": {u.token.RefreshToken}}
	r, err := http.NewRequestWithContext(u.context(), http.MethodPost, strings.TrimSuffix(u.client.Endpoint.TokenURL, "/token")+"/revoke", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("globex.web", webSecret)
	answer, err := u.http.Do(r)
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("revoke: status %d", answer.StatusCode)
	}
	u.s.count("revocations")
	return nil
}
