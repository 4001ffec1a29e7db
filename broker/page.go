// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
)

//go:embed pages
var pageFiles embed.FS

// pages are the pages that people see: plain HTML, no script, one style sheet
// that the Content-Security-Policy names by its hash.
type pages struct {
	templates *template.Template
	csp       string
}

func parsePages() (*pages, error) {
	css, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		return nil, fmt.Errorf("reading the style sheet: %w", err)
	}
	style := func() template.CSS { return template.CSS(css) } //nolint:gosec // our own file
	t, err := template.New("pages").Funcs(template.FuncMap{"style": style}).ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("parsing the pages: %w", err)
	}
	sum := sha256.Sum256(css)
	csp := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; frame-ancestors 'none'; form-action "
	return &pages{templates: t, csp: csp}, nil
}

// page is one page to show.
type page struct {
	status int
	// template is its name.
	template string
	// formAction says where its forms may lead, as a CSP source list.
	formAction string
	data       any
}

// write answers with a page.
func (p *pages) write(w http.ResponseWriter, show page) {
	var b bytes.Buffer
	if err := p.templates.ExecuteTemplate(&b, show.template, show.data); err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", p.csp+show.formAction)
	w.WriteHeader(show.status)
	_, _ = w.Write(b.Bytes())
}

// renderReturn shows an error that the user may take back to the client.
func (s *Server) renderReturn(w http.ResponseWriter, r *request, e *redirectError, location string) {
	host := e.to.redirectURI
	if u, err := url.Parse(e.to.redirectURI); err == nil && u.Hostname() != "" {
		host = u.Hostname()
	}
	s.pages.write(w, page{status: http.StatusBadRequest, template: "return", formAction: "'none'", data: struct{ Title, Text, ID, Host, Location string }{
		"This sign-in request is not valid", e.err.Description, r.event.id, host, location,
	}})
}

func (s *Server) renderPage(w http.ResponseWriter, r *request, e *pageError) {
	setRetryAfter(w, e.retryAfter)
	s.pages.write(w, page{status: e.status, template: "error", formAction: "'none'", data: struct{ Title, Text, ID string }{e.title, e.text, r.event.id}})
}
