// SPDX-License-Identifier: Apache-2.0

package fakevendor

import (
	"crypto/rand"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// grant is one approval by the user and the tokens that came of it.
type grant struct {
	clientID    string
	redirectURI string
	challenge   string
	nonce       string
	subject     string
	scopes      []string
	expires     time.Time
	used        bool
	revoked     bool
	authTime    time.Time
}

// authorize approves or denies at once, as a user who is signed in would.
func (s *Server) authorize(w http.ResponseWriter, x *exchange) {
	query := x.r.URL.Query()
	if x.r.Method == http.MethodPost {
		query = x.form
	} else if x.r.Method != http.MethodGet {
		http.Error(w, "GET or POST", http.StatusMethodNotAllowed)
		return
	}
	get := func(name string) string { return query.Get(s.options.Shape.parameter(name)) }
	client, known := s.client(get("client_id"))
	switch {
	case repeated(query) != "":
		s.page(w, x, repeated(query))
		return
	case !known:
		s.page(w, x, "unknown client_id")
		return
	case !slices.Contains(client.RedirectURIs, get("redirect_uri")):
		s.page(w, x, "redirect_uri is not registered")
		return
	case s.options.MaxState > 0 && len(get("state")) > s.options.MaxState:
		s.page(w, x, "state is too long")
		return
	}
	callback := s.callback(get("state"))
	code, description := s.checkAuthorize(get)
	if wrong := s.options.Manners.check(Authorize, query); code == "" && wrong != "" {
		code, description = "invalid_request", wrong
	}
	if code != "" {
		s.note(func() { x.rec.Error = code })
		callback.Set("error", code)
		callback.Set("error_description", description)
	} else {
		callback.Set(s.options.Shape.CodeParameter, s.issueCode(get))
	}
	if x.behaviour.Callback != nil {
		x.behaviour.Callback(callback)
	}
	s.sendBack(w, x, get, callback)
}

// callback has the parameters that every answer carries.
func (s *Server) callback(state string) url.Values {
	values := url.Values{}
	for name, extra := range s.options.Shape.CallbackExtra {
		values[name] = slices.Clone(extra)
	}
	if state != "" {
		values.Set("state", state)
	}
	if s.options.IssuerParameter {
		values.Set("iss", s.Issuer())
	}
	return values
}

func (s *Server) checkAuthorize(get func(string) string) (code, description string) {
	scopes := s.options.Shape.splitScopes(get("scope"))
	pkce := get("code_challenge") != "" || get("code_challenge_method") != ""
	wellFormed := len(get("code_challenge")) == 43 && get("code_challenge_method") == "S256"
	responseType := get("response_type")
	switch {
	case s.options.Shape.OmitResponseType && responseType != "":
		return "invalid_request", "response_type is not expected"
	case !s.options.Shape.OmitResponseType && responseType != "code":
		return "unsupported_response_type", "only code"
	case s.options.PKCE == PKCERefused && pkce:
		return "invalid_request", "unknown parameter code_challenge"
	case s.options.PKCE == PKCERequired && !wellFormed:
		return "invalid_request", "PKCE with S256 is required"
	case s.options.PKCE == PKCEOptional && pkce && !wellFormed:
		return "invalid_request", "PKCE is malformed"
	case slices.ContainsFunc(s.options.Manners.Scopes, func(scope string) bool { return !slices.Contains(scopes, scope) }):
		return "invalid_scope", "a scope is missing"
	case slices.ContainsFunc(scopes, func(scope string) bool { return !s.knownScope(scope) }):
		return "invalid_scope", "a scope is unknown"
	case get("request") != "":
		return "request_not_supported", ""
	case get("request_uri") != "":
		return "request_uri_not_supported", ""
	case s.options.Deny:
		return "access_denied", "the user said no"
	}
	return "", ""
}

func (s *Server) knownScope(scope string) bool {
	wellFormed := regexp.MustCompile(`^[!#-\[\]-~]+$`)
	return wellFormed.MatchString(scope) && (len(s.options.Scopes) == 0 || slices.Contains(s.options.Scopes, scope))
}

func (s *Server) issueCode(get func(string) string) string {
	g := &grant{
		clientID: get("client_id"), redirectURI: get("redirect_uri"), nonce: get("nonce"), subject: s.options.Subject,
		scopes: s.options.Shape.splitScopes(get("scope")), expires: s.options.Now().Add(s.options.CodeLifetime), authTime: s.options.Now(),
	}
	if s.options.PKCE != PKCEIgnored {
		g.challenge = get("code_challenge")
	}
	if hint := get("login_hint"); hint != "" {
		g.subject = hint
	}
	code := "vendor-code-" + rand.Text()
	s.note(func() {
		s.grants[code] = g
		s.stats.CodesIssued++
	})
	return code
}

// sendBack answers by redirect or by form_post.
func (s *Server) sendBack(w http.ResponseWriter, x *exchange, get func(string) string, values url.Values) {
	target := get("redirect_uri")
	if s.options.FormPost || get("response_mode") == "form_post" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		page := template.Must(template.New("form_post").Parse(`<!doctype html><title>Continue</title>
<body onload="document.forms[0].submit()"><form method="post" action="{{.Target}}">
{{range $name, $values := .Values}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">
{{end}}{{end}}<noscript><button>Continue</button></noscript></form>`))
		_ = page.Execute(w, map[string]any{"Target": target, "Values": values})
		return
	}
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	http.Redirect(w, x.r, target+separator+values.Encode(), http.StatusFound)
}

// page is an error that must not be redirected.
func (s *Server) page(w http.ResponseWriter, x *exchange, reason string) {
	s.note(func() { x.rec.Error = reason })
	http.Error(w, "vendor: "+reason, http.StatusBadRequest)
}

func (s *Server) client(id string) (Client, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.clients[id]
	return c, ok
}
