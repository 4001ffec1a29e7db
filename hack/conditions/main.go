// SPDX-License-Identifier: Apache-2.0

// Command conditions writes docs/reference/conditions.md from the constants of
// api/v1alpha1/conditions.go and their comments. Run it at the root of the
// repository:
//
//	go run ./hack/conditions
package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

func main() {
	page, err := Render(".")
	if err == nil {
		err = os.WriteFile(pagePath("."), []byte(page), 0o644) // #nosec G306 -- a page of the documentation
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "conditions:", err)
		os.Exit(1)
	}
}

func pagePath(root string) string { return filepath.Join(root, "docs", "reference", "conditions.md") }

const head = `<!-- Written by ` + "`go run ./hack/conditions`" + ` from api/v1alpha1/conditions.go; do not edit. -->
# Conditions

Every OAuthVendor, BYOCCredential and BrokerClient has these conditions in its
status. Each carries the ` + "`observedGeneration`" + ` that it speaks of, and a message that
names object, field and fix. Nothing of a Secret's content is ever in one.

	kubectl get oauthvendors,byoccredentials,brokerclients -A
	kubectl wait --for=condition=Ready oauthvendor/github --timeout=60s
	kubectl get byoccredential -n team-a github -o jsonpath='{range .status.conditions[*]}{.type}={.status} {.reason}: {.message}{"\n"}{end}'

` + "`Ready`" + ` is the gate for deployments: it sums up, so it also turns False when the
vendor refuses the credentials later. ` + "`Programmed`" + ` speaks of the brokers alone, and
stays True until the object changes: an object whose Secret is not there yet is served,
too, as one that waits. A gate that shall not wait for what cannot come looks for
` + "`Stalled`" + `, too, as Flux does by itself:

	kubectl wait --for=condition=Stalled oauthvendor/github --timeout=1s && echo "its spec is wrong"

`

// Render makes the page.
func Render(root string) (string, error) {
	path := filepath.Join(root, "api", "v1alpha1", "conditions.go")
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		return "", fmt.Errorf("reading constants: %w", err)
	}
	var b strings.Builder
	b.WriteString(head)
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		title := text(group.Doc)
		switch {
		case strings.HasPrefix(title, "Condition types"):
			err = conditions(&b, group)
		case strings.HasPrefix(title, "Reasons of "):
			err = reasons(&b, strings.TrimSuffix(strings.TrimPrefix(title, "Reasons of "), "."), group)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// text joins the lines of a comment.
func text(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }

// constants calls f with name, value and comment of each.
func constants(group *ast.GenDecl, f func(name, value, comment string) error) error {
	for _, s := range group.Specs {
		spec, ok := s.(*ast.ValueSpec)
		if !ok || len(spec.Names) != 1 || len(spec.Values) != 1 {
			return errors.New("want one constant a line, with its value")
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return fmt.Errorf("%s is no string", spec.Names[0].Name)
		}
		value, err := strconv.Unquote(literal.Value)
		if err != nil {
			return fmt.Errorf("%s is no string: %w", spec.Names[0].Name, err)
		}
		if err := f(spec.Names[0].Name, value, text(spec.Doc)); err != nil {
			return err
		}
	}
	return nil
}

func conditions(b *strings.Builder, group *ast.GenDecl) error {
	b.WriteString("| condition | meaning |\n|---|---|\n")
	err := constants(group, func(name, value, comment string) error {
		meaning, found := strings.CutPrefix(comment, name+" ")
		if !found {
			return fmt.Errorf("the comment of %s does not begin with its name", name)
		}
		fmt.Fprintf(b, "| [`%s`](#%s) | %s |\n", value, strings.ToLower(value), meaning)
		return nil
	})
	b.WriteString("\n")
	return err
}

func reasons(b *strings.Builder, condition string, group *ast.GenDecl) error {
	fmt.Fprintf(b, "## %s\n\n| reason | status | meaning | what to do |\n|---|---|---|---|\n", condition)
	err := constants(group, func(name, value, comment string) error {
		m := regexp.MustCompile(`^` + name + ` \((True|False|Unknown)\): (.+?)(?: Fix: (.+))?$`).FindStringSubmatch(comment)
		if m == nil {
			return fmt.Errorf("the comment of %s is not \"%s (True|False|Unknown): meaning. Fix: what to do.\"", name, name)
		}
		if m[1] != "True" && m[3] == "" {
			return fmt.Errorf("the comment of %s lacks \"Fix:\"", name)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", value, m[1], capital(m[2]), capital(m[3]))
		return nil
	})
	b.WriteString("\n")
	return err
}

func capital(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
