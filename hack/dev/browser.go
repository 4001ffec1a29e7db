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
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// maxHops is where a redirect loop ends.
const maxHops = 15

// browser is a headless browser: it keeps cookies, follows redirects one by
// one, and fills in the login form.
type browser struct {
	demo   *demo
	client *http.Client
	// broker says which broker takes the next connection to the public URL.
	broker int
	login  login
	// sawApp is set when the vendor saw the client id that it should.
	sawApp bool
}

// newBrowser makes one without any cookie.
func (d *demo) newBrowser(l login) *browser {
	jar, _ := cookiejar.New(nil) // never fails without options
	b := &browser{demo: d, login: l}
	b.client = &http.Client{
		Jar: jar, Timeout: 20 * time.Second, Transport: d.transport(func() int { return b.broker }),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return b
}

// transport trusts the throw-away CA, and takes connections to the public URL
// to the broker that is chosen at that time.
func (d *demo) transport(broker func() int) *http.Transport {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	public := fmt.Sprintf("localhost:%d", d.ports.public)
	return &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: d.trust.Pool(), MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == public {
				address = d.ports.brokerAddress(broker())
			}
			return dialer.DialContext(ctx, network, address)
		},
	}
}

// visit opens a page and goes on until the provider's answer would leave for
// the client's redirect URI; it returns that URL.
func (b *browser) visit(ctx context.Context, start string) (*url.URL, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, start, nil)
	if err != nil {
		return nil, fmt.Errorf("making the first request: %w", err)
	}
	for range maxHops {
		b.broker = b.login.authorize
		if strings.HasPrefix(r.URL.Path, "/v1/callback") {
			b.broker = b.login.callback
		}
		if r.URL.Host == b.demo.provider.host && r.URL.Query().Get("client_id") == b.login.vendorApp {
			b.sawApp = true
		}
		location, form, err := b.hop(r)
		switch {
		case err != nil:
			return nil, err
		case form != nil:
			r, err = form.request(ctx, map[string]string{"username": userName, "password": userPassword})
		case location.Scheme+"://"+location.Host+location.Path == b.login.redirectURI:
			b.demo.hop("client", "GET", "", location)
			return location, nil
		default:
			r, err = http.NewRequestWithContext(ctx, http.MethodGet, location.String(), nil)
		}
		if err != nil {
			return nil, fmt.Errorf("making the next request: %w", err)
		}
	}
	return nil, fmt.Errorf("no end after %d hops", maxHops)
}

// hop sends one request; the answer is a redirect or a form.
func (b *browser) hop(r *http.Request) (location *url.URL, f *form, err error) {
	answer, err := b.client.Do(r)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", b.who(r.URL), err)
	}
	defer func() { _ = answer.Body.Close() }()
	b.demo.hop(b.who(r.URL), r.Method, strconv.Itoa(answer.StatusCode), r.URL)
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return nil, nil, fmt.Errorf("reading the page: %w", err)
	}
	if answer.StatusCode >= 300 && answer.StatusCode < 400 {
		location, err := answer.Location()
		if err != nil {
			return nil, nil, fmt.Errorf("redirect of %s: %w", b.who(r.URL), err)
		}
		return location, nil, nil
	}
	if answer.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%s answered %d: %s", b.who(r.URL), answer.StatusCode, pageText(body))
	}
	f, err = parseForm(r.URL, body)
	return nil, f, err
}

// who serves a URL.
func (b *browser) who(u *url.URL) string {
	if u.Host == b.demo.provider.host {
		return "provider"
	}
	return brokerName(b.broker)
}

// form is the first form of a page.
type form struct {
	action *url.URL
	method string
	values url.Values
}

func (f *form) request(ctx context.Context, fill map[string]string) (*http.Request, error) {
	for name, value := range fill {
		if f.values.Has(name) {
			f.values.Set(name, value)
		}
	}
	r, err := http.NewRequestWithContext(ctx, f.method, f.action.String(), strings.NewReader(f.values.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r, nil
}

// parseForm finds the first form and its named inputs.
func parseForm(page *url.URL, body []byte) (*form, error) {
	document, err := html.Parse(strings.NewReader(string(body)))
	if err != nil {
		return nil, fmt.Errorf("parsing the page: %w", err)
	}
	f := &form{values: url.Values{}}
	for node := range document.Descendants() {
		switch {
		case node.Type != html.ElementNode:
		case node.Data == "form" && f.action == nil:
			f.method = strings.ToUpper(attribute(node, "method"))
			if f.action, err = page.Parse(attribute(node, "action")); err != nil {
				return nil, fmt.Errorf("form action: %w", err)
			}
		case node.Data == "input" && f.action != nil && attribute(node, "name") != "":
			f.values.Set(attribute(node, "name"), attribute(node, "value"))
		}
	}
	if f.action == nil {
		return nil, errors.New("a page without a form: " + pageText(body))
	}
	return f, nil
}

func attribute(node *html.Node, name string) string {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// pageText is what a reader would see of an error page, shortened.
func pageText(body []byte) string {
	document, err := html.Parse(strings.NewReader(string(body)))
	if err != nil {
		return "unreadable page"
	}
	var words []string
	for node := range document.Descendants() {
		if node.Type == html.TextNode && node.Parent != nil && node.Parent.Data != "style" && node.Parent.Data != "script" {
			words = append(words, strings.Fields(node.Data)...)
		}
	}
	text := strings.Join(words, " ")
	return text[:min(len(text), 400)]
}
