// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// shown are the texts that pages show: in the templates, and in the errors that
// are pages.
func shown(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	templates, err := pageFiles.ReadDir("pages")
	if err != nil {
		t.Fatal(err)
	}
	used := regexp.MustCompile(`(?:\{\{|\()(?:t|plain) ("(?:[^"\\]|\\.)*")`)
	for _, f := range templates {
		if f.IsDir() {
			continue
		}
		content, err := pageFiles.ReadFile("pages/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range used.FindAllStringSubmatch(string(content), -1) {
			text, err := strconv.Unquote(m[1])
			if err != nil {
				t.Fatal(err)
			}
			texts[text] = f.Name()
		}
	}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".go") && !strings.HasSuffix(f.Name(), "_test.go") {
			shownBy(t, f.Name(), texts)
		}
	}
	return texts
}

// shownBy finds the literals of pageErrors.
func shownBy(t *testing.T, name string, texts map[string]string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	note := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil && text != "" {
				texts[text] = name
			}
		}
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			if id, ok := n.Type.(*ast.Ident); ok && id.Name == "pageError" {
				for _, e := range n.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok {
						if key, ok := kv.Key.(*ast.Ident); ok && (key.Name == "title" || key.Name == "text") {
							note(kv.Value)
						}
					}
				}
			}
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "badRequest" && len(n.Args) > 0 {
				note(n.Args[0])
			}
		}
		return true
	})
}

// TestLanguages_areComplete: every text of a page has a translation in every
// language with the same placeholders, and none is left over.
func TestLanguages_areComplete(t *testing.T) {
	texts := shown(t)
	if len(texts) < 50 {
		t.Fatalf("found only %d texts", len(texts))
	}
	files, err := pageFiles.ReadDir("pages/lang")
	if err != nil || len(files) == 0 {
		t.Fatalf("no translations: %v", err)
	}
	placeholder := regexp.MustCompile(`\{\w+\}`)
	for _, f := range files {
		c, err := readCatalog(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for text, where := range texts {
			translated, ok := c[text]
			if !ok || translated == "" {
				t.Errorf("%s lacks %q (%s)", f.Name(), text, where)
				continue
			}
			want, got := placeholder.FindAllString(text, -1), placeholder.FindAllString(translated, -1)
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(slices.Compact(want), slices.Compact(got)) {
				t.Errorf("%s: %q has placeholders %v, want %v", f.Name(), translated, got, want)
			}
		}
		for text := range c {
			if texts[text] == "" {
				t.Errorf("%s translates %q, which no page shows", f.Name(), text)
			}
		}
	}
}

func TestTheme_validate(t *testing.T) {
	png := []byte("\x89PNG\r\n\x1a\n rest")
	logo, err := LogoURI(png)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		theme Theme
		want  string // of the error; empty is none
	}{
		"plain":                     {},
		"everything":                {Theme{Name: "Acme", Logo: logo, Color: "#0b57d0", ColorDark: "#a8c7fa", SupportURL: "https://acme.example/help"}, ""},
		"mail":                      {Theme{SupportURL: "mailto:help@acme.example"}, ""},
		"a color by name":           {Theme{Color: "blue"}, "color must be written #rrggbb"},
		"a color that escapes":      {Theme{Color: "#000;}*{x:"}, "#rrggbb"},
		"yellow on white":           {Theme{Color: "#ffff00"}, "cannot be read on #ffffff"},
		"navy on black":             {Theme{ColorDark: "#000080"}, "cannot be read on #15191e"},
		"a logo from elsewhere":     {Theme{Logo: "https://acme.example/logo.png"}, "logo must be data:"},
		"a logo that is a page":     {Theme{Logo: "data:text/html;base64,PGI+"}, "logo must be data:"},
		"support by javascript":     {Theme{SupportURL: "javascript:alert(1)"}, "support address"},
		"support over http":         {Theme{SupportURL: "http://acme.example"}, "support address"},
		"a name as long as a novel": {Theme{Name: strings.Repeat("x", 81)}, "name"},
	} {
		err := tt.theme.Validate()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
	for _, bad := range [][]byte{[]byte("<html>"), make([]byte, maxLogo+1), nil} {
		if uri, err := LogoURI(bad); err == nil {
			t.Errorf("%.20q became a logo: %.40s", bad, uri)
		}
	}
	if uri, err := LogoURI([]byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>`)); err != nil || !strings.HasPrefix(uri, "data:image/svg+xml;") {
		t.Errorf("SVG: %.40s, %v", uri, err)
	}
}
