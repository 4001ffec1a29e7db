// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// source is the syntax of all that is shipped.
type source struct {
	fset  *token.FileSet
	files []file
}

// file is one Go file; its folder tells which program it is part of.
type file struct {
	folder string
	syntax *ast.File
}

// parse reads the Go files of folders, without tests.
func parse(root string, folders ...string) (*source, error) {
	s := &source{fset: token.NewFileSet()}
	for _, folder := range folders {
		err := fs.WalkDir(os.DirFS(root), folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			content, err := os.ReadFile(filepath.Join(root, path))
			if err != nil {
				return err
			}
			f, err := parser.ParseFile(s.fset, path, content, parser.SkipObjectResolution)
			s.files = append(s.files, file{folder: filepath.ToSlash(filepath.Dir(path)), syntax: f})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// program is the binary that a folder is part of; empty for both.
func (f file) program() string {
	switch {
	case strings.HasPrefix(f.folder, "controllers"), strings.HasPrefix(f.folder, "cmd/manager"):
		return "operator"
	case strings.HasPrefix(f.folder, "broker"), strings.HasPrefix(f.folder, "cmd/broker"), f.folder == "internal/kubesource", f.folder == "internal/filesource":
		return "broker"
	}
	return ""
}

// calls visits every call of every file.
func (s *source) calls(visit func(f file, call *ast.CallExpr) error) error {
	var failed error
	for _, f := range s.files {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && failed == nil {
				if err := visit(f, call); err != nil {
					failed = fmt.Errorf("%s: %w", s.fset.Position(call.Pos()), err)
				}
			}
			return failed == nil
		})
	}
	return failed
}

// text is the value of a string literal, or of several that are added.
func text(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		s, err := strconv.Unquote(e.Value)
		return s, err == nil
	case *ast.BinaryExpr:
		left, ok := text(e.X)
		right, also := text(e.Y)
		return left + right, ok && also && e.Op == token.ADD
	}
	return "", false
}

// texts are the elements of a []string{...}; nil is none.
func texts(e ast.Expr) ([]string, bool) {
	if id, ok := e.(*ast.Ident); ok && id.Name == "nil" {
		return nil, true
	}
	list, ok := e.(*ast.CompositeLit)
	if !ok {
		return nil, false
	}
	var out []string
	for _, element := range list.Elts {
		s, ok := text(element)
		if !ok {
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

// method splits what is called: package or receiver as text, and the name.
func method(call *ast.CallExpr) (receiver, name string) {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	return chain(sel.X), sel.Sel.Name
}

// chain writes a selector as it stands in the code: "s.o.Logger", "s.log()".
func chain(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return chain(e.X) + "." + e.Sel.Name
	case *ast.CallExpr:
		return chain(e.Fun) + "()"
	}
	return ""
}

// cell makes a text fit into a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

// code lists words as code.
func code(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "`" + w + "`"
	}
	return strings.Join(quoted, ", ")
}
