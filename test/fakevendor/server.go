// SPDX-License-Identifier: Apache-2.0

package fakevendor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// maxBody is what is read of a request.
const maxBody = 1 << 20

// Server is the vendor. It is an http.Handler; Start gives it a listener.
type Server struct {
	options Options
	tls     tlsState
	// done is closed at the end of the test: hanging answers give up.
	done chan struct{}

	mu        sync.Mutex
	base      string
	clients   map[string]Client
	grants    map[string]*grant // by code
	access    map[string]*grant // by access token
	refresh   map[string]*grant // by refresh token
	spent     map[string]*grant // refresh tokens that were used up
	usedJTIs  map[string]bool   // of client assertions
	behaviour map[Endpoint]*queued
	requests  []*Request
	stats     Stats
}

// exchange is one request under way.
type exchange struct {
	r        *http.Request
	endpoint Endpoint
	rec      *Request
	// form is the body's parameters; bad is why it could not be read.
	form url.Values
	bad  string
	// edit changes the JSON answer, callback the callback parameters, idToken the
	// ID token; each may be nil.
	behaviour Behaviour
}

// New makes a vendor.
func New(o Options) *Server {
	s := &Server{
		options: o.withDefaults(), done: make(chan struct{}), clients: map[string]Client{}, grants: map[string]*grant{},
		access: map[string]*grant{}, refresh: map[string]*grant{}, spent: map[string]*grant{},
		usedJTIs: map[string]bool{}, behaviour: map[Endpoint]*queued{},
	}
	for _, c := range o.Clients {
		s.AddClient(c)
	}
	return s
}

// AddClient registers a client, or replaces the one of that id.
func (s *Server) AddClient(c Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c.ID] = c
}

// RemoveClient forgets a client, as a vendor does whose app was deleted.
func (s *Server) RemoveClient(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, id)
}

// ServeHTTP records the request, then behaves or misbehaves.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := s.read(r)
	x.behaviour = s.next(x.endpoint)
	s.note(func() { x.rec.Behaviour = x.behaviour.Name })
	switch {
	case x.behaviour.Write == nil:
		s.handle(w, x)
	case x.behaviour.Process:
		s.handle(discard{header: http.Header{}}, x)
		x.behaviour.Write(w, r)
	default:
		x.behaviour.Write(w, r)
	}
}

func (s *Server) handle(w http.ResponseWriter, x *exchange) {
	switch x.endpoint {
	case Authorize:
		s.authorize(w, x)
	case Token, Refresh:
		s.token(w, x)
	case JWKS:
		s.answer(w, x, http.StatusOK, s.options.Keys.jwks())
	case Discovery:
		s.answer(w, x, http.StatusOK, s.metadata(x.r))
	case Userinfo:
		s.userinfo(w, x)
	case Introspection:
		s.introspect(w, x)
	case Revocation:
		s.revoke(w, x)
	case Registration:
		s.register(w, x)
	case Management:
		s.manage(w, x)
	case Other:
		http.NotFound(w, x.r)
	}
}

// answer writes JSON after the behaviour's edit.
func (s *Server) answer(w http.ResponseWriter, x *exchange, status int, answer map[string]any) {
	if x.behaviour.Edit != nil {
		x.behaviour.Edit(answer)
	}
	writeJSON(w, status, answer)
}

// read parses and records a request.
func (s *Server) read(r *http.Request) *exchange {
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxBody))
	x := &exchange{r: r, form: url.Values{}}
	if r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodDelete && len(body) > 0 {
		x.form, x.bad = s.parseBody(r, body)
	}
	r.Body, r.PostForm = io.NopCloser(bytes.NewReader(body)), x.form
	x.endpoint = s.endpoint(r, x.form)
	x.rec = s.record(x.endpoint, r, body)
	return x
}

func (s *Server) endpoint(r *http.Request, form url.Values) Endpoint {
	path := s.options.IssuerPath
	if s.options.Manners.Revocation.Style == "DeletePath" && strings.HasPrefix(r.URL.Path, s.place(Revocation)+"/") {
		return Revocation
	}
	if e, ok := s.options.Manners.find(r, form); ok {
		return e
	}
	if len(s.options.Manners.Paths) > 0 && !strings.Contains(r.URL.Path, "/.well-known/") {
		return Other
	}
	switch r.URL.Path {
	case path + "/authorize":
		return Authorize
	case path + "/token":
		if form.Get("grant_type") == "refresh_token" {
			return Refresh
		}
		return Token
	case path + "/refresh":
		return Refresh
	case path + "/jwks":
		return JWKS
	case path + "/userinfo":
		return Userinfo
	case path + "/introspect":
		return Introspection
	case path + "/revoke":
		return Revocation
	case path + "/register":
		return Registration
	case path + "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server" + path:
		return Discovery
	}
	if strings.HasPrefix(r.URL.Path, path+"/register/") {
		return Management
	}
	return Other
}

// parseBody reads a form or, where the shape says so, a JSON object.
func (s *Server) parseBody(r *http.Request, body []byte) (form url.Values, bad string) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err != nil:
		return url.Values{}, "no content type"
	case kind == "application/json":
		return parseJSON(body)
	case kind != "application/x-www-form-urlencoded":
		return url.Values{}, "content type " + kind
	}
	form, err = url.ParseQuery(string(body))
	if err != nil {
		return url.Values{}, "malformed form"
	}
	return form, repeated(form)
}

func parseJSON(body []byte) (form url.Values, bad string) {
	var object map[string]any
	if err := json.Unmarshal(body, &object); err != nil {
		return url.Values{}, "malformed JSON"
	}
	form = url.Values{}
	for k, v := range object {
		form.Set(k, fmt.Sprint(v))
	}
	return form, ""
}

// repeated names a parameter that is there twice (RFC 6749 section 3.2 forbids it).
func repeated(form url.Values) string {
	for name, values := range form {
		if len(values) > 1 && name != "resource" {
			return "parameter " + name + " is repeated"
		}
	}
	return ""
}

// discard is where a processed answer goes that the client never sees.
type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
