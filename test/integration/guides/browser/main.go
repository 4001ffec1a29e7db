// SPDX-License-Identifier: Apache-2.0

// Command browser stands for the reader's browser where a guide has one opened:
// it is $BROWSER, follows every redirect, and signs in at the example provider
// of `make run`, as the user that provider has.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := visit(ctx, os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, "browser:", err)
		cancel()
		os.Exit(1)
	}
}

// visit opens a page, and fills in the login form where it comes.
func visit(ctx context.Context, address string) error {
	ca, err := os.ReadFile(os.Getenv("CURL_CA_BUNDLE"))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := &http.Client{Jar: jar, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	at, page, err := open(client, r)
	if err != nil {
		return err
	}
	form := fields(page)
	if !form.Has("username") {
		return errors.New("no login form came")
	}
	form.Set("username", "test-user@localhost")
	form.Set("password", "verysecure")
	if r, err = http.NewRequestWithContext(ctx, http.MethodPost, at.ResolveReference(action(page)).String(), strings.NewReader(form.Encode())); err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, page, err = open(client, r)
	if err == nil && !strings.Contains(page, "Your part here is done") {
		err = errors.New("the last page is another one")
	}
	return err
}

func open(client *http.Client, r *http.Request) (*url.URL, string, error) {
	answer, err := client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	page, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %d", answer.Request.URL.Host, answer.StatusCode)
	}
	return answer.Request.URL, string(page), err
}

// fields are the inputs of a page.
func fields(page string) url.Values {
	out := url.Values{}
	for _, input := range regexp.MustCompile(`<input[^>]*>`).FindAllString(page, -1) {
		out.Set(attribute(input, "name"), attribute(input, "value"))
	}
	return out
}

func action(page string) *url.URL {
	u, err := url.Parse(attribute(regexp.MustCompile(`<form[^>]*>`).FindString(page), "action"))
	if err != nil {
		return &url.URL{}
	}
	return u
}

func attribute(tag, name string) string {
	if m := regexp.MustCompile(name + `="([^"]*)"`).FindStringSubmatch(tag); m != nil {
		return html.UnescapeString(m[1])
	}
	return ""
}
