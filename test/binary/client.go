// SPDX-License-Identifier: Apache-2.0

package binary

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/test/authority"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// HTTP is a client that trusts the install's CA and the given vendors, follows
// no redirect and has no cookies.
func (in *Install) HTTP(vendors ...*fakevendor.Server) *http.Client {
	in.T.Helper()
	pool := in.CA.Pool()
	for _, v := range vendors {
		pool.AppendCertsFromPEM(v.CAPEM())
	}
	t := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}
	return &http.Client{
		Transport: listening{in.listener, t, in.Public}, Timeout: Patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// TLS trusts the install's CA.
func (in *Install) TLS() *tls.Config {
	return &tls.Config{RootCAs: in.CA.Pool(), MinVersion: tls.VersionTLS12}
}

// Browser is an ordinary HTTP client with a cookie jar. It follows redirects up
// to the application, whose host it does not ask.
func (in *Install) Browser(application string, vendors ...*fakevendor.Server) *http.Client {
	in.T.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		in.T.Fatal(err)
	}
	c := in.HTTP(vendors...)
	c.Jar = jar
	c.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), application) || len(via) > 10 {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return c
}

// Client is an application that uses golang.org/x/oauth2 as it is.
type Client struct {
	oauth2.Config
	in      *Install
	vendors []*fakevendor.Server
}

// Client of a vendor's issuer at the broker.
func (in *Install) Client(vendor string, c oauth2.Config, vendors ...*fakevendor.Server) *Client {
	issuer := in.PublicURL + "/v1/vendors/" + vendor
	c.Endpoint.AuthURL, c.Endpoint.TokenURL = issuer+"/authorize", issuer+"/token"
	return &Client{Config: c, in: in, vendors: vendors}
}

// Context makes x/oauth2 use the install's HTTP client.
func (c *Client) Context() context.Context {
	return context.WithValue(c.in.T.Context(), oauth2.HTTPClient, c.in.HTTP(c.vendors...))
}

// Login is one login up to the redirect to the application.
type Login struct {
	State, Verifier string
	Answer          url.Values // the parameters that came back
}

// Login sends a new browser through a login. The answer may be an error.
func (c *Client) Login(options ...oauth2.AuthCodeOption) (*Login, error) {
	return c.LoginWith(c.in.Browser(c.RedirectURL, c.vendors...), options...)
}

// LoginWith sends a browser of the caller's through a login.
func (c *Client) LoginWith(browser *http.Client, options ...oauth2.AuthCodeOption) (*Login, error) {
	l := &Login{State: "state-" + rand.Text(), Verifier: oauth2.GenerateVerifier()}
	options = append(options, oauth2.S256ChallengeOption(l.Verifier))
	return l, l.walk(browser, c.AuthCodeURL(l.State, options...))
}

func (l *Login) walk(browser *http.Client, start string) error {
	answer, err := browser.Get(start)
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	to, err := answer.Location()
	if err != nil {
		return &StatusError{Status: answer.StatusCode}
	}
	l.Answer = to.Query()
	if l.Answer.Get("state") != l.State {
		return errors.New("another state came back")
	}
	if e := l.Answer.Get("error"); e != "" {
		return errors.New(e + ": " + l.Answer.Get("error_description"))
	}
	return nil
}

// Token redeems the login's code.
func (c *Client) Token(l *Login, options ...oauth2.AuthCodeOption) (*oauth2.Token, error) {
	return c.Exchange(c.Context(), l.Answer.Get("code"), append(options, oauth2.VerifierOption(l.Verifier))...)
}

// Renew refreshes a token.
func (c *Client) Renew(t *oauth2.Token) (*oauth2.Token, error) {
	return c.TokenSource(c.Context(), &oauth2.Token{RefreshToken: t.RefreshToken}).Token()
}

// Issue puts a new certificate of the install's CA in the place of the one before
// and returns its serial number.
func (in *Install) Issue() string {
	in.T.Helper()
	certificate, err := in.CA.Issue("127.0.0.1")
	if err != nil {
		in.T.Fatal(err)
	}
	if err := authority.Write(in.Dir, certificate); err != nil {
		in.T.Fatal(err)
	}
	return certificate.Leaf.SerialNumber.String()
}
