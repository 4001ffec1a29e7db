// SPDX-License-Identifier: Apache-2.0

package binary

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// HTTP is a client that trusts the install's CA and the given vendors, follows
// no redirect and has no cookies.
func (in *Install) HTTP(vendors ...*fakevendor.Server) *http.Client {
	in.T.Helper()
	pool := in.CA.pool.Clone()
	for _, v := range vendors {
		pool.AppendCertsFromPEM(v.CAPEM())
	}
	t := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}
	return &http.Client{
		Transport: listening{in.canary, t, in.Public}, Timeout: Patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// TLS trusts the install's CA.
func (in *Install) TLS() *tls.Config {
	return &tls.Config{RootCAs: in.CA.pool, MinVersion: tls.VersionTLS12}
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

// Authority is a throw-away CA.
type Authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

// NewAuthority makes one.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{pool: x509.NewCertPool()}
	a.key, a.cert = newCertificate(t, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "throw-away CA"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil)
	a.pool.AddCert(a.cert)
	return a
}

// Issue writes a new certificate for an IP address to tls.crt and tls.key of
// dir, one after the other, and returns its serial number.
func (a *Authority) Issue(t testing.TB, dir, ip string) string {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	key, cert := newCertificate(t, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: ip}, IPAddresses: []net.IP{net.ParseIP(ip)}, KeyUsage: x509.KeyUsageDigitalSignature,
	}, a)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"tls.crt": {Type: "CERTIFICATE", Bytes: cert.Raw}, "tls.key": {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return serial.String()
}

func newCertificate(t testing.TB, template *x509.Certificate, by *Authority) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, parentKey := template, key
	if by != nil {
		parent, parentKey = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}
