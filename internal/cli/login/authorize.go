// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/oauthbroker/oauth-broker/internal/cli/reach"
	"github.com/oauthbroker/oauth-broker/internal/cli/terminal"
)

// authorize sends the browser to the broker and waits for what comes back.
func (f *Flow) authorize(ctx context.Context, m *metadata, l *loopback, clientID string) (code, verifier string, err error) {
	verifier, l.state, l.issuer = oauth2.GenerateVerifier(), rand.Text(), m.Issuer
	query := url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {l.redirectURI}, "state": {l.state},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"},
	}
	for name, value := range map[string]string{"scope": strings.Join(f.Scopes, " "), "resource": f.Resource, "credential": f.Credential} {
		if value != "" {
			query.Set(name, value)
		}
	}
	address, err := url.Parse(m.Authorization)
	if err != nil {
		return "", "", errors.New("the metadata's authorization_endpoint is no URL")
	}
	address.RawQuery = query.Encode()
	if err := f.preflight(ctx, address.String(), l); err != nil {
		return "", "", err
	}
	f.step("waiting for the browser")
	if err := f.Open(ctx, address.String()); err != nil {
		return "", "", err
	}
	code, err = l.wait(ctx)
	return code, verifier, err
}

// preflight asks without a browser, so that a request which the broker refuses
// is told of here and not in a page. It spends nothing: a login begins in the
// browser that gets the cookie.
func (f *Flow) preflight(ctx context.Context, address string, l *loopback) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	answer, err := f.HTTP.Do(r)
	if err != nil {
		return reach.Why(err, address)
	}
	defer func() { _ = answer.Body.Close() }()
	if to, err := answer.Location(); err == nil {
		if strings.HasPrefix(to.String(), l.redirectURI+"?") {
			_, err := l.judge(to.Query())
			return err
		}
		return nil
	}
	if answer.StatusCode == http.StatusOK {
		return nil // the consent page
	}
	page, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswer)) // what there is of it
	return refusedBy(answer.StatusCode, string(page), l.redirectURI)
}

// refusedBy reads what a page of the broker tells people.
func refusedBy(status int, page, redirectURI string) *Refused {
	e := &Refused{Status: status, redirectURI: redirectURI, Title: http.StatusText(status)}
	if m := regexp.MustCompile(`(?s)<h1[^>]*>(.*?)</h1>\s*<p[^>]*>(.*?)</p>`).FindStringSubmatch(page); m != nil {
		e.Title, e.Text = plainText(m[1]), plainText(m[2])
	}
	if m := regexp.MustCompile(`<code[^>]*>\s*([A-Z2-7]{26})\s*</code>`).FindStringSubmatch(page); m != nil {
		e.ID = m[1]
	}
	return e
}

// plainText is HTML without tags, fit for a terminal.
func plainText(fragment string) string {
	text := html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(fragment, ""))
	return terminal.Line(text)
}

// loopback waits for the answer on a loopback address (RFC 8252 section 7.3).
type loopback struct {
	redirectURI   string
	path          string
	state, issuer string
	listener      net.Listener
	server        *http.Server
	answer        chan answer
}

type answer struct {
	code string
	err  error
}

// listen takes the port of the redirect URI, or a free one.
func listen(ctx context.Context, redirectURI string) (*loopback, error) {
	u, err := url.Parse(redirectURI)
	if err != nil || u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("--redirect-uri %q is no URL like http://127.0.0.1/callback", redirectURI)
	}
	if !isLoopback(u.Hostname()) {
		return nil, fmt.Errorf("--redirect-uri %q: the host must be 127.0.0.1, [::1] or localhost, since this program waits there", redirectURI)
	}
	port := u.Port()
	if port == "" {
		port = "0"
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("waiting for the browser at %s: %w. Choose another port in --redirect-uri", redirectURI, err)
	}
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	u.Host = net.JoinHostPort(u.Hostname(), port)
	l := &loopback{redirectURI: u.String(), path: u.Path, listener: listener, answer: make(chan answer, 1)}
	l.server = &http.Server{Handler: l, ReadHeaderTimeout: 10 * time.Second}
	return l, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (l *loopback) close() {
	if l.server != nil {
		_ = l.server.Close()
	}
	_ = l.listener.Close()
}

// wait serves until the answer is there.
func (l *loopback) wait(ctx context.Context) (string, error) {
	go func() { _ = l.server.Serve(l.listener) }()
	select {
	case a := <-l.answer:
		// The browser gets its page before the listener closes.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = l.server.Shutdown(ctx)
		return a.code, a.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return "", errors.New("nobody finished the login in time. Start again; --timeout gives more time")
		}
		return "", errors.New("interrupted")
	}
}

// ServeHTTP takes the answer. What does not belong to this login is turned away
// and changes nothing.
func (l *loopback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	query := r.URL.Query()
	if r.Method != http.MethodGet || r.URL.Path != l.path || subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(l.state)) != 1 {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, pageOf("This is not the login that is waited for", "Look at the terminal."))
		return
	}
	code, err := l.judge(query)
	// The code is not redeemed yet: only the terminal can tell of a success.
	title, text := "Your part here is done", "The terminal says whether you are signed in. You may close this window."
	if err != nil {
		title, text = "The login did not succeed", "The terminal says why. You may close this window."
	}
	_, _ = io.WriteString(w, pageOf(title, text))
	select {
	case l.answer <- answer{code: code, err: err}:
	default: // the page was loaded again
	}
}

func pageOf(title, text string) string {
	return "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\"><title>" + title +
		"</title></head><body><main><h1>" + title + "</h1><p>" + text + "</p></main></body></html>"
}

// judge checks an authorization response: state, iss, then error or code.
func (l *loopback) judge(query url.Values) (string, error) {
	switch {
	case subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(l.state)) != 1:
		return "", errors.New("another state came back: this is not the answer to this login")
	case query.Get("iss") != l.issuer:
		return "", fmt.Errorf("the answer's iss is not %s: it may come from another server, and is not used", l.issuer)
	case query.Get("error") != "":
		return "", &Denied{Code: oneLine(query.Get("error")), Description: oneLine(query.Get("error_description"))}
	case query.Get("code") == "":
		return "", errors.New("the answer holds neither code nor error")
	}
	return query.Get("code"), nil
}

// oneLine makes another side's text fit for a terminal.
func oneLine(s string) string {
	const most = 300
	s = terminal.Line(s)
	if len(s) > most {
		s = s[:most] + "..."
	}
	return s
}
