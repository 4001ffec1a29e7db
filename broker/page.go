// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"bytes"
	"html/template"
	"net/http"
)

// errorPage is what a person sees when a sign-in cannot go on.
const errorPage = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{.Title}}</title>
<style>
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 12vh auto 0; padding: 0 1.25rem; }
h1 { font-size: 1.4rem; }
code { font-size: .9rem; overflow-wrap: anywhere; }
</style>
</head>
<body>
<main>
<h1>{{.Title}}</h1>
<p>{{.Text}}</p>
<p>Go back to the application that sent you here and start again. If it happens again, give its support this number:</p>
<p><code>{{.ID}}</code></p>
</main>
</body>
</html>
`

// parsePage parses the page once, at the start.
func parsePage() (*template.Template, error) { return template.New("error").Parse(errorPage) }

func (s *Server) renderPage(w http.ResponseWriter, r *request, e *pageError) {
	var b bytes.Buffer
	if err := s.page.Execute(&b, struct{ Title, Text, ID string }{e.title, e.text, r.event.id}); err != nil {
		http.Error(w, e.title, e.status)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(e.status)
	_, _ = w.Write(b.Bytes())
}
