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
	"slices"
	"strings"

	"golang.org/x/text/language"
)

//go:embed pages
var pageFiles embed.FS

// pages are the pages that people see: plain HTML, no script, one style sheet
// that the Content-Security-Policy names by its hash.
type pages struct {
	languages languages
	// templates, one for each language.
	templates []*template.Template
	csp       string
}

// parsePages prepares every page in every language.
func parsePages(theme Theme) (*pages, error) {
	if err := theme.Validate(); err != nil {
		return nil, err
	}
	sheet, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		return nil, fmt.Errorf("reading the style sheet: %w", err)
	}
	css := string(sheet) + theme.style()
	sum := sha256.Sum256([]byte(css))
	images := ""
	if theme.Logo != "" {
		images = "img-src data:; "
	}
	p := &pages{csp: "default-src 'none'; " + images + "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; frame-ancestors 'none'; form-action "}
	translations, err := pageFiles.ReadDir("pages/lang")
	if err != nil {
		return nil, fmt.Errorf("reading translations: %w", err)
	}
	tags := []language.Tag{language.English}
	catalogs := []catalog{{}}
	for _, file := range translations {
		c, err := readCatalog(file.Name())
		if err != nil {
			return nil, err
		}
		tags, catalogs = append(tags, language.Make(strings.TrimSuffix(file.Name(), ".json"))), append(catalogs, c)
	}
	p.languages = newLanguages(tags)
	for i, c := range catalogs {
		t, err := template.New("pages").Funcs(template.FuncMap{
			"style": func() template.CSS { return template.CSS(css) }, //nolint:gosec // our own file, and validated colors
			"lang":  tags[i].String, "brand": theme.brand, "t": c.markup, "plain": c.say,
		}).ParseFS(pageFiles, "pages/*.html")
		if err != nil {
			return nil, fmt.Errorf("parsing the pages: %w", err)
		}
		p.templates = append(p.templates, t)
	}
	return p, nil
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

// write answers with a page in the language of the login, or of the browser.
func (p *pages) write(w http.ResponseWriter, r *request, show page) {
	var b bytes.Buffer
	chosen := p.languages.choose(r.language, r.Header.Get("Accept-Language"))
	if err := p.templates[chosen].ExecuteTemplate(&b, show.template, show.data); err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", p.languages.tags[chosen].String())
	w.Header().Set("Content-Security-Policy", p.csp+show.formAction)
	w.Header().Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
	w.WriteHeader(show.status)
	_, _ = w.Write(b.Bytes())
}

// listedVendor is what the landing page tells of a vendor to programs.
type listedVendor struct {
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
	Issuer      string `json:"issuer"`
}

// landing tells who comes by what this host is: people on a page, and programs
// that ask for JSON which vendors there are, unless they are hidden.
func (s *Server) landing(w http.ResponseWriter, r *request) error {
	var listed []listedVendor
	if !s.Theme.HideVendors {
		listed = []listedVendor{}
		for _, name := range r.config.VendorNames() {
			if v, ok := r.config.Vendor(name); ok {
				listed = append(listed, listedVendor{Name: name, DisplayName: v.DisplayName, Issuer: s.issuer(name)})
			}
		}
	}
	if accept := r.Header.Get("Accept"); strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html") {
		writeJSON(w, http.StatusOK, struct {
			Vendors []listedVendor `json:"vendors,omitzero"` // left out where they are hidden
		}{listed})
		return nil
	}
	names := make([]string, len(listed))
	for i, v := range listed {
		names[i] = v.DisplayName
	}
	slices.Sort(names)
	s.pages.write(w, r, page{status: http.StatusOK, template: "landing", formAction: "'none'", data: struct{ Vendors []string }{slices.Compact(names)}})
	return nil
}

// renderReturn shows an error that the user may take back to the client.
func (s *Server) renderReturn(w http.ResponseWriter, r *request, e *redirectError, location string) {
	host := e.to.redirectURI
	if u, err := url.Parse(e.to.redirectURI); err == nil && u.Hostname() != "" {
		host = u.Hostname()
	}
	s.pages.write(w, r, page{status: http.StatusBadRequest, template: "return", formAction: "'none'", data: struct{ Title, Text, ID, Host, Location string }{
		"This sign-in request is not valid", e.err.Description, r.event.id, host, location,
	}})
}

func (s *Server) renderPage(w http.ResponseWriter, r *request, e *pageError) {
	setRetryAfter(w, e.retryAfter)
	s.pages.write(w, r, page{status: e.status, template: "error", formAction: "'none'", data: struct{ Title, Text, ID string }{e.title, e.text, r.event.id}})
}
