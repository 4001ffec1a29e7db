// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/broker"
	"github.com/oauthbroker/oauth-broker/broker/guard"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

// site is a stranger's web site with client id metadata documents.
type site struct {
	t     *testing.T
	base  string
	roots *x509.CertPool

	mu       sync.Mutex
	pages    map[string]http.HandlerFunc
	requests []*http.Request
}

const siteName = "client.example.com"

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, pages: map[string]http.HandlerFunc{}, roots: x509.NewCertPool()}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r)
		page := s.pages[r.URL.Path]
		s.mu.Unlock()
		if page == nil {
			http.NotFound(w, r)
			return
		}
		page(w, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s.roots.AddCert(server.Certificate())
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s.base = "https://" + siteName + ":" + port
	return s
}

// serve puts a page at a path and returns its URL.
func (s *site) serve(path string, page http.HandlerFunc) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages[path] = page
	return s.base + path
}

// document puts a good document at a path, with changes, and returns its URL.
func (s *site) document(path string, change map[string]any) string {
	m := metadata()
	m["client_id"] = s.base + path
	maps.Copy(m, change)
	b, err := json.Marshal(m)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.serve(path, answer(http.StatusOK, "application/json", string(b)))
}

func answer(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func (s *site) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

// setup is a Setup that accepts documents; hosts resolve to address.
func (s *site) setup(address string) harness.Setup {
	out := harness.Setup{Edit: func(d *runtimeconfig.Document) { d.Vendors[0].SelfRegisteredUse = true }}
	out.Guard = &guard.Options{
		Timeout: 500 * time.Millisecond, AllowLoopback: address == "127.0.0.1", RootCAs: s.roots,
		Resolver: harness.Resolver(func(string) []netip.Addr { return []netip.Addr{netip.MustParseAddr(address)} }),
	}
	return out
}

func TestRedTeam_H15_GoodDocument(t *testing.T) {
	s := newSite(t)
	id := s.document("/client.json", nil)
	h := harness.Standard(t, s.setup("127.0.0.1"))
	l := h.NewLogin(id)
	page := wantConsent(t, "page", l, l.Authorize())
	for _, text := range []string{"Access goes to app.example", "Described by " + siteName, "Nobody has checked"} {
		if !strings.Contains(page.text, text) {
			t.Errorf("the page does not say %q: %s", text, page.text)
		}
	}
	l.Finish(page.answer(t, "allow"))
	wantTokens(t, "public client", h.Token(tokenURL, l.Form(), harness.None(id)))
	for _, r := range s.requests {
		if r.Method != http.MethodGet || r.Header.Get("Cookie") != "" || r.Header.Get("Authorization") != "" || r.Header.Get("Referer") != "" || r.Header.Get("Accept") != "application/json" {
			t.Errorf("%s with %v", r.Method, r.Header)
		}
	}
	l.Params.Set("redirect_uri", "https://app.example/other")
	wantPage(t, "a redirect URI that is not in the document", l.Authorize(), http.StatusBadRequest)

	key := s.document("/key.json", map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks": json.RawMessage(harness.JWKS(h.Key().Public()))})
	l = h.NewLogin(key)
	agree(t, l)
	wantJSON(t, "no assertion", h.Token(tokenURL, l.Form(), harness.None(key)), failure{http.StatusUnauthorized, "invalid_client"})
	claims := h.Claims(issuer)
	claims["iss"], claims["sub"] = key, key
	wantTokens(t, "assertion", h.Token(tokenURL, l.Form(), harness.Assertion(h.Sign(claims))))
}

func TestRedTeam_H15_UnusableURLs(t *testing.T) {
	s := newSite(t)
	good := s.document("/client.json", nil)
	s.document("/", nil)
	u, err := url.Parse(good)
	if err != nil {
		t.Fatal(err)
	}
	at := func(hostAndPath string) string { return "https://" + hostAndPath }
	h := harness.Standard(t, s.setup("127.0.0.1"))
	for what, id := range map[string]string{
		"http": "http://" + u.Host + "/client.json", "no path": s.base, "root path": s.base + "/", "fragment": good + "#x", "empty fragment": good + "#", "user": at("user@" + u.Host + "/client.json"),
		"password": at("user:pass@" + u.Host + "/client.json"), "empty user": at("@" + u.Host + "/client.json"), "dot segment": s.base + "/./client.json", "two dots": s.base + "/x/../client.json",
		"encoded dots": s.base + "/x/%2e%2e/client.json", "encoded slash": s.base + "/x%2fclient.json", "backslash": s.base + `\client.json`, "IPv4": at("127.0.0.1:" + u.Port() + "/client.json"), "IPv6": at("[::1]:" + u.Port() + "/client.json"),
		"IPv4 in IPv6": at("[::ffff:127.0.0.1]:" + u.Port() + "/client.json"), "one label": at("localhost:" + u.Port() + "/client.json"), "upper case": strings.Replace(good, "client.example", "CLIENT.example", 1), "scheme": strings.Replace(good, "https", "HTTPS", 1),
		"long": good + "?" + strings.Repeat("x", 512), "empty port": at(siteName + ":/client.json"), "no host": at("/client.json"), "other letters": strings.Replace(good, "client.e", "\u0441lient.e", 1), "encoded host": strings.Replace(good, "client.e", "%63lient.e", 1),
		"space": good + " ", "a file": "file:///etc/passwd",
	} {
		l := h.NewLogin(id)
		wantPage(t, what, l.Authorize(), http.StatusBadRequest)
		wantJSON(t, what, h.Token(tokenURL, with(l.Form(), "code", "obc1.x.y"), harness.None(id)), failure{http.StatusUnauthorized, "invalid_client"})
	}
	if n := s.count(); n != 0 {
		t.Errorf("%d requests", n)
	}
	wantUntouched(t, h.Fake)
	off := harness.Standard(t, harness.Setup{Edit: func(d *runtimeconfig.Document) { d.Vendors[0].SelfRegisteredUse = true }})
	wantPage(t, "documents are not accepted", off.NewLogin(good).Authorize(), http.StatusBadRequest)
}

// badDocuments puts documents that cannot be used on a site: name to URL.
func badDocuments(s *site) map[string]string {
	good := s.document("/good.json", nil)
	text := func(path string) string {
		return fmt.Sprintf(`{"client_id":%q,"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"none"`, s.base+path)
	}
	serve := func(path string, status int, kind, more string) string {
		return s.serve(path, answer(status, kind, text(path)+more))
	}
	hang := make(chan struct{})
	return map[string]string{
		"redirect to a good one": s.serve("/redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, good, http.StatusFound) }),
		"redirect inside": s.serve("/inside", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusMovedPermanently)
		}),
		"404": s.base + "/nothing", "500": serve("/500", 500, "application/json", "}"), "201": serve("/201", 201, "application/json", "}"), "304": serve("/304", 304, "application/json", ""),
		"HTML": serve("/html", 200, "text/html", "}"), "no type": serve("/untyped", 200, "", "}"), "6 KB": serve("/6kb", 200, "application/json", `,"x":"`+strings.Repeat("A", 6<<10)+`"}`),
		"another id": s.document("/another", map[string]any{"client_id": good}), "no id": s.document("/noid", map[string]any{"client_id": nil}), "id with a slash": s.document("/slash", map[string]any{"client_id": s.base + "/slash/"}),
		"id as a list": s.document("/list", map[string]any{"client_id": []string{s.base + "/list"}}), "id of another spelling": s.document("/spelling", map[string]any{"client_id": good, "CLIENT_ID": s.base + "/spelling"}),
		"secret": s.document("/secret", map[string]any{"client_secret": "everybody-can-read-this"}), "basic": s.document("/basic", map[string]any{"token_endpoint_auth_method": "client_secret_basic"}),
		"post": s.document("/post", map[string]any{"token_endpoint_auth_method": "client_secret_post"}), "client_secret_jwt": s.document("/jwt", map[string]any{"token_endpoint_auth_method": "client_secret_jwt"}),
		"null method": s.document("/null", map[string]any{"token_endpoint_auth_method": nil}), "keys elsewhere": s.document("/keys", map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": good}),
		"script": s.document("/script", map[string]any{"redirect_uris": []string{harness.RedirectURI, "javascript:alert(1)"}}), "http": s.document("/http", map[string]any{"redirect_uris": []string{"http://app.example/cb"}}),
		"wildcard": s.document("/wildcard", map[string]any{"redirect_uris": []string{"https://*.example/cb"}}), "no redirect URIs": s.document("/none", map[string]any{"redirect_uris": []string{}}),
		"repeated": serve("/repeated", 200, "application/json", `,"redirect_uris":["https://evil.example/cb"]}`), "cut": serve("/cut", 200, "application/json", ""), "trailing": serve("/trailing", 200, "application/json", "}{}"),
		"name": s.document("/name", map[string]any{"client_name": "Cl\u202eaude"}), "list": s.serve("/array", answer(200, "application/json", "[]")), "empty": s.serve("/empty", answer(200, "application/json", "")),
		"slow": s.serve("/slow", func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-hang:
			}
		}),
		"compressed": s.serve("/gzip", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			answer(200, "application/json", "\x1f\x8b\x08\x00")(w, r)
		}),
	}
}

// Each bad document is fetched once, refused, and not asked for again for ten
// seconds, whoever names it.
func TestRedTeam_H15_BadDocuments(t *testing.T) {
	s := newSite(t)
	documents := badDocuments(s)
	o := s.setup("127.0.0.1")
	o.Replicas = 1
	h := harness.Standard(t, o)
	for what, id := range documents {
		before := s.count()
		l := h.NewLogin(id)
		page, refusal := http.StatusBadRequest, failure{http.StatusUnauthorized, "invalid_client"}
		if what == "500" || what == "slow" { // which says nothing of the client
			page, refusal = http.StatusServiceUnavailable, failure{http.StatusServiceUnavailable, "temporarily_unavailable"}
		}
		wantPage(t, what, l.Authorize(), page)
		wantPage(t, what, l.Authorize(), page)
		wantJSON(t, what, h.Token(tokenURL, with(l.Form(), "code", "obc1.x.y"), harness.None(id)), refusal)
		if n := s.count() - before; n != 1 {
			t.Errorf("%s: fetched %d times", what, n)
		}
	}
	before := s.count()
	h.Clock.Advance(11 * time.Second)
	wantPage(t, "later", h.NewLogin(documents["404"]).Authorize(), http.StatusBadRequest)
	if n := s.count() - before; n != 1 {
		t.Errorf("after ten seconds: fetched %d times", n)
	}
	wantUntouched(t, h.Fake)
	if strings.Contains(h.Logs(), siteName) {
		t.Error("the log repeats a stranger's URL")
	}
}

// The host of a document is not reachable where it resolves to an address of
// special use, and nobody learns more than from any other failure.
func TestRedTeam_H15_I12_SpecialAddresses(t *testing.T) {
	s := newSite(t)
	id := s.document("/client.json", nil)
	for _, address := range []string{"127.0.0.2", "169.254.169.254", "10.0.0.1", "100.64.0.1", "0.0.0.0", "192.168.1.1"} {
		h := harness.Standard(t, s.setup(address))
		wantPage(t, address, h.NewLogin(id).Authorize(), http.StatusServiceUnavailable)
	}
	if n := s.count(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// A caller that asks too often makes the broker fetch no more, at whatever
// endpoint it names its documents.
func TestRedTeam_H15_FetchesAreLimited(t *testing.T) {
	for name, ask := range map[string]func(h *harness.Harness, id string) *harness.Response{
		"token": func(h *harness.Harness, id string) *harness.Response {
			return h.Token(tokenURL, url.Values{"grant_type": {"x"}}, harness.None(id))
		},
		"register": func(h *harness.Harness, id string) *harness.Response {
			header := http.Header{"Content-Type": {"application/json"}}
			(&http.Request{Header: header}).SetBasicAuth(url.QueryEscape(id), "secret")
			return h.Send(http.MethodPost, harness.PublicURL+"/register", `{"vendor":"nobody"}`, header)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			o := s.setup("127.0.0.1")
			o.Replicas, o.Limits = 1, broker.Limits{AddressRate: 0.5} // five at once
			h := harness.Standard(t, o)
			start, refused := time.Now(), 0
			for i := range 40 {
				if r := ask(h, fmt.Sprintf("%s/client-%d.json", s.base, i)); r.Status == http.StatusTooManyRequests {
					refused++
				}
			}
			if most := 6 + int(time.Since(start).Seconds()); s.count() > most || s.count()+refused < 40 {
				t.Errorf("fetched %d times, want at most %d; %d requests were refused", s.count(), most, refused)
			}
		})
	}
}

func TestRedTeam_H15_CacheIsBounded(t *testing.T) {
	s := newSite(t)
	for header, want := range map[string]time.Duration{
		"": 5 * time.Minute, "max-age=600": 10 * time.Minute, "no-store": time.Minute, "no-cache, max-age=600": time.Minute, "max-age=0": time.Minute, "max-age=99999999": 24 * time.Hour,
		"private, MAX-AGE=120": 2 * time.Minute, "max-age=-1": time.Minute, "max-age=x": 5 * time.Minute,
	} {
		id := s.document("/c.json", nil)
		document := s.pages["/c.json"]
		s.serve("/c.json", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", header)
			document(w, r)
		})
		o := s.setup("127.0.0.1")
		o.Replicas = 1
		h := harness.Standard(t, o)
		before := s.count()
		l := h.NewLogin(id)
		wantConsent(t, header, l, l.Authorize())
		h.Clock.Advance(want - 5*time.Second)
		wantConsent(t, header, l, l.Authorize())
		if n := s.count() - before; n != 1 {
			t.Errorf("%q: fetched %d times before %s", header, n, want)
		}
		h.Clock.Advance(10 * time.Second)
		wantConsent(t, header, l, l.Authorize())
		if n := s.count() - before; n != 2 {
			t.Errorf("%q: fetched %d times after %s", header, n, want)
		}
	}
}

// The broker is no amplifier: many requests at once make one fetch.
func TestRedTeam_H15_OneFetchForMany(t *testing.T) {
	s := newSite(t)
	id := s.document("/client.json", nil)
	o := s.setup("127.0.0.1")
	o.Replicas = 1
	h := harness.Standard(t, o)
	statuses := make([]int, 50)
	inParallel(len(statuses), func(i int) { statuses[i] = h.NewLogin(id).Authorize().Status })
	for _, status := range statuses {
		if status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
	if n := s.count(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
}

// What the document said when the login began holds to its end.
func TestRedTeam_H16_DocumentChangesMeanwhile(t *testing.T) {
	s := newSite(t)
	id := s.document("/client.json", nil)
	h := harness.Standard(t, s.setup("127.0.0.1"))
	l := h.NewLogin(id)
	page := wantConsent(t, "page", l, l.Authorize())
	s.document("/client.json", map[string]any{"redirect_uris": []string{"https://evil.example/cb"}, "client_name": "Evil"})
	h.Clock.Advance(6 * time.Minute) // beyond the cache
	toVendor := page.answer(t, "allow")
	wantVendor(t, "after the change", h, toVendor)
	if r := l.Finish(toVendor); r.Location == nil || r.Location.Host != "app.example" || l.Code == "" {
		t.Errorf("the code goes to %v", r.Location)
	}
	wantJSON(t, "the new redirect URI", h.Token(tokenURL, with(l.Form(), "redirect_uri", "https://evil.example/cb"), harness.None(id)), failure{http.StatusBadRequest, "invalid_grant"})
	wantTokens(t, "the login", h.Token(tokenURL, l.Form(), harness.None(id)))
	wantPage(t, "the old redirect URI in a new login", l.Authorize(), http.StatusBadRequest)
}
