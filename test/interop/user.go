// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"sync/atomic"
	"syscall"
	"time"
)

// User is a person with a browser: opens what a client asks to open, allows on
// the consent page, and follows every redirect to the end.
type User struct {
	// Browser has cookies and follows no redirect by itself.
	Browser *http.Client
	// Consents counts the pages that were answered.
	Consents atomic.Int32
}

// NewUser makes one with an empty cookie jar; transport says whom it trusts.
func NewUser(transport *http.Client) (*User, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	browser := *transport
	browser.Jar = jar
	browser.CheckRedirect = nil // follow all of them, ten at most
	browser.Transport = slow{transport.Transport}
	return &User{Browser: &browser}, nil
}

// slow is a transport as slow as a person is, for clients that print the URL
// before they listen at their redirect URI.
type slow struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		answer, err := s.next.RoundTrip(r)
		if !errors.Is(err, syscall.ECONNREFUSED) || r.Method != http.MethodGet {
			return answer, err
		}
		select {
		case <-tick.C:
		case <-r.Context().Done(): // the client's timeout
			return nil, err
		}
	}
}

// Open goes through the login that begins at address.
func (u *User) Open(address string) error {
	page, err := u.Browser.Get(address)
	if err != nil {
		return fmt.Errorf("opening the authorization URL: %w", err)
	}
	body, err := read(page)
	if err != nil {
		return err
	}
	form, ok := consentForm(body)
	if !ok {
		return nil // the client's own page
	}
	u.Consents.Add(1)
	target, err := page.Request.URL.Parse("/v1/consent")
	if err != nil {
		return err
	}
	page, err = u.Browser.PostForm(target.String(), form)
	if err != nil {
		return fmt.Errorf("pressing Allow: %w", err)
	}
	_, err = read(page)
	return err
}

func read(page *http.Response) (string, error) {
	body, err := io.ReadAll(io.LimitReader(page.Body, 1<<20))
	err = errors.Join(err, page.Body.Close())
	if err == nil && page.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s: %s", page.Request.URL.Host, page.Status, body)
	}
	return string(body), err
}

// consentForm reads the hidden fields of the consent page and adds the answer.
func consentForm(page string) (url.Values, bool) {
	form := url.Values{"action": {"allow"}}
	hidden := regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`)
	for _, m := range hidden.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	return form, form.Has("request")
}
