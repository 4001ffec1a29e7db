// SPDX-License-Identifier: Apache-2.0

package imports

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSecrets_comparedInConstantTime: how long a comparison takes tells a caller
// where its guess went wrong, unless it takes as long for every guess. Measuring
// that would flake, so this looks at the code: what is revealed of a secret.Text
// is never compared in another way, and the functions that judge a caller's
// secret, proof or nonce compare in constant time.
func TestSecrets_comparedInConstantTime(t *testing.T) {
	judges := map[string]string{
		"broker/client/client.go":  "checkSecret",
		"broker/oauth/pkce.go":     "VerifyS256",
		"broker/seal/state.go":     "VerifyState",
		"broker/vendor/idtoken.go": "judge",
		"internal/secret/text.go":  "Equal",
	}
	for _, name := range files(t, ".go") {
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "test/") || strings.HasPrefix(name, "hack/") {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, filepath.Join(root(t), name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range hasty(f) {
			t.Errorf("%s:%d: a secret is compared, and not in constant time: use secret.Text.Equal or crypto/subtle", name, set.Position(at).Line)
		}
		if judge, ok := judges[name]; ok {
			delete(judges, name)
			if !comparesInConstantTime(f, judge) {
				t.Errorf("%s: %s does not compare in constant time", name, judge)
			}
		}
	}
	for name, judge := range judges {
		t.Errorf("there is no %s with %s any more: name who does its work", name, judge)
	}
}

// hasty lists the comparisons of something revealed that end at the first
// difference. Whether a secret is there at all may be asked.
func hasty(f *ast.File) (found []token.Pos) {
	add := func(at ast.Node, secret bool) {
		if secret {
			found = append(found, at.Pos())
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			add(n, slices.Contains([]token.Token{token.EQL, token.NEQ, token.LSS, token.GTR, token.LEQ, token.GEQ}, n.Op) && !measured(n) && reveal(n.X, n.Y))
		case *ast.SwitchStmt:
			add(n, n.Tag != nil && reveal(n.Tag))
		case *ast.CaseClause:
			add(n, slices.ContainsFunc(n.List, func(e ast.Expr) bool { _, compares := e.(*ast.BinaryExpr); return !compares && isReveal(e) }))
		case *ast.IndexExpr:
			add(n, reveal(n.Index))
		case *ast.CallExpr:
			add(n, calls(n, "strings", "bytes", "slices", "maps", "reflect", "cmp") && compares(n) && reveal(n.Args...))
		}
		return true
	})
	return found
}

// measured tells of comparisons of a length, or with the empty text.
func measured(b *ast.BinaryExpr) bool {
	for _, e := range []ast.Expr{b.X, b.Y} {
		if literal, ok := e.(*ast.BasicLit); ok && (literal.Value == `""` || literal.Kind == token.INT) {
			return true
		}
		if call, ok := e.(*ast.CallExpr); ok {
			name, _ := call.Fun.(*ast.Ident)
			if name != nil && name.Name == "len" || calls(call, "utf8") {
				return true
			}
		}
	}
	return false
}

// reveal tells whether a secret is revealed in one of these.
func reveal(all ...ast.Expr) (found bool) {
	for _, e := range all {
		ast.Inspect(e, func(n ast.Node) bool {
			if e, ok := n.(ast.Expr); ok && isReveal(e) {
				found = true
			}
			return !found
		})
	}
	return found
}

func isReveal(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	s, ok := call.Fun.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "Reveal"
}

func calls(call *ast.CallExpr, packages ...string) bool {
	s, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	name, ok := s.X.(*ast.Ident)
	return ok && slices.Contains(packages, name.Name)
}

func compares(call *ast.CallExpr) bool {
	s, ok := call.Fun.(*ast.SelectorExpr)
	return ok && slices.Contains([]string{"Compare", "Contains", "DeepEqual", "Equal", "EqualFold", "HasPrefix", "HasSuffix", "Index"}, s.Sel.Name)
}

// comparesInConstantTime tells whether a function's body does.
func comparesInConstantTime(f *ast.File, function string) (found bool) {
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == function {
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					s, isSelector := call.Fun.(*ast.SelectorExpr)
					found = found || isSelector && (calls(call, "subtle") && s.Sel.Name == "ConstantTimeCompare" || calls(call, "hmac") && s.Sel.Name == "Equal")
				}
				return !found
			})
		}
	}
	return found
}

// TestHasty holds the checker itself to account.
func TestHasty(t *testing.T) {
	for code, want := range map[string]int{
		`a.Reveal() == b`: 1, `b != "x"+a.Reveal()`: 1, `a.Reveal() < b`: 1, `string(sum([]byte(a.Reveal()))) == b`: 1, `strings.EqualFold(a.Reveal(), b)`: 1,
		`bytes.Equal([]byte(a.Reveal()), b)`: 1, `slices.Contains(list, a.Reveal())`: 1, `reflect.DeepEqual(a.Reveal(), b)`: 1, `m[a.Reveal()] == 1`: 1,
		`func() bool { switch a.Reveal() { case "x": return true }; return false }()`: 1, `func() bool { switch b { case a.Reveal(): return true }; return false }()`: 1,
		`a.Reveal() == ""`: 0, `len(a.Reveal()) > 5`: 0, `len(a.Reveal()) == n`: 0, `utf8.RuneCountInString(a.Reveal()) < n`: 0, `a.Equal(b)`: 0, `b == c`: 0, `strings.ToUpper(a.Reveal()) != ""`: 0,
		`subtle.ConstantTimeCompare([]byte(a.Reveal()), b) == 1`: 0, `strings.Contains(b, "x")`: 0,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nvar _ = "+code, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := hasty(f); len(got) != want {
			t.Errorf("%s: %d findings, want %d", code, len(got), want)
		}
	}
}
