// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"html/template"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// The hosts of a site, all on one port.
const (
	// hostVendor sends users without a session to hostSignIn.
	hostVendor = "vendor.example"
	hostSignIn = "sign-in.example"
	// hostQuick approves at once.
	hostQuick = "quick.example"
	// hostApplication is where web applications have their redirect URI.
	hostApplication = "app.example"
)

// Site is the world around the broker.
type Site struct {
	// Server has TLS; its certificate is good for 127.0.0.1.
	Server *httptest.Server
	Vendor *fakevendor.Server

	port string
}

// StartSite serves until the test ends.
func StartSite(t testing.TB, app fakevendor.Client) *Site {
	t.Helper()
	s := &Site{Vendor: fakevendor.New(fakevendor.Options{Clients: []fakevendor.Client{app}})}
	s.Server = httptest.NewTLSServer(s)
	t.Cleanup(s.Server.Close)
	_, s.port, _ = net.SplitHostPort(s.Server.Listener.Addr().String())
	return s
}

// Origin of a host.
func (s *Site) Origin(host string) string { return "https://" + host + ":" + s.port }

// ServeHTTP chooses by host.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, _, _ := net.SplitHostPort(r.Host)
	switch {
	case host == hostVendor && r.URL.Path == "/authorize":
		s.authorize(w, r)
	case host == hostVendor && r.URL.Path == "/session":
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1", Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		http.Redirect(w, r, "/authorize?"+r.URL.RawQuery, http.StatusFound)
	case host == hostSignIn:
		s.signIn(w, r)
	case host == hostApplication:
		application(w, r)
	default:
		s.Vendor.ServeHTTP(w, r)
	}
}

// authorize is the vendor's, for users who may have to sign in first.
func (s *Site) authorize(w http.ResponseWriter, r *http.Request) {
	if _, err := r.Cookie("session"); err != nil {
		http.Redirect(w, r, s.Origin(hostSignIn)+"/?"+r.URL.RawQuery, http.StatusFound)
		return
	}
	s.Vendor.ServeHTTP(w, r)
}

// signIn shows a form on GET, and takes it on POST. The query is the
// authorization request.
func (s *Site) signIn(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodGet:
		page(w, `<h1>Sign in to the vendor</h1><form method="post"><label>Name <input name="user"></label>
<button name="do" value="in">Sign in</button><button name="do" value="cancel">Cancel</button></form>`, nil)
	case r.FormValue("do") == "cancel":
		q := r.URL.Query()
		answer := url.Values{"error": {"access_denied"}, "state": {q.Get("state")}}
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+answer.Encode(), http.StatusSeeOther)
	default:
		http.Redirect(w, r, s.Origin(hostVendor)+"/session?"+r.URL.RawQuery, http.StatusSeeOther)
	}
}

// application is a client's website: its redirect URI, and pages that another
// site could have: a link to a login, and a frame around one.
func application(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/link":
		page(w, `<a href="{{.}}">Connect</a>`, r.URL.Query().Get("to"))
	case "/frame":
		page(w, `<iframe src="{{.}}"></iframe>`, r.URL.Query().Get("to"))
	default:
		page(w, `<h1>Back at the application</h1>`, nil)
	}
}

func page(w http.ResponseWriter, body string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	t := template.Must(template.New("page").Parse(`<!doctype html><html lang="en"><title>Test</title><body>` + body))
	_ = t.Execute(w, data) // who hung up needs no answer
}

// StartNative serves the redirect URI of a native application, plain http on a
// loopback port, and returns it.
func StartNative(t testing.TB) string {
	t.Helper()
	native := httptest.NewServer(http.HandlerFunc(application))
	t.Cleanup(native.Close)
	return native.URL + "/callback"
}
