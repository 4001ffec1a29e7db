// SPDX-License-Identifier: Apache-2.0

package imports

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/oauthbroker/oauth-broker"

// graph is the packages of this module and all that they import, by path.
type graph map[string]listed

// listed is a package as go list tells it.
type listed struct {
	ImportPath string
	Imports    []string
	ImportMap  map[string]string
	Standard   bool
	Error      *struct{ Err string }
}

func TestImports(t *testing.T) {
	g := load(t)
	for _, r := range rules() {
		t.Run(r.packages[0]+" "+r.why, func(t *testing.T) {
			checked := 0
			for path := range g {
				if !isOurs(path) || !matches(path, r.packages) || matches(path, r.except) {
					continue
				}
				checked++
				for _, chain := range g.violations(path, r) {
					t.Errorf("forbidden import:\n\t%s\n%s", strings.Join(chain, "\n\t-> "), r.why)
				}
			}
			for _, p := range r.packages {
				if !slices.ContainsFunc(g.ours(), func(path string) bool { return matches(path, []string{p}) }) {
					t.Errorf("the rule is about %s, and there is no such package", p)
				}
			}
			if checked == 0 {
				t.Error("the rule is about no package")
			}
		})
	}
}

// TestViolations holds the checker itself to account.
func TestViolations(t *testing.T) {
	g := graph{
		module + "/a":      {ImportPath: module + "/a", Imports: []string{module + "/a/b", "example.com/x"}},
		module + "/a/b":    {ImportPath: module + "/a/b", Imports: []string{"net/http"}},
		"example.com/x":    {ImportPath: "example.com/x", Imports: []string{"example.com/deep"}},
		"example.com/deep": {ImportPath: "example.com/deep", Imports: []string{"os"}},
		"net/http":         {ImportPath: "net/http", Standard: true},
		"os":               {ImportPath: "os", Standard: true},
	}
	tests := map[string]struct {
		rule rule
		want string
	}{
		"through another module":            {rule{deny: []string{"example.com/deep"}}, module + "/a example.com/x example.com/deep"},
		"below":                             {rule{deny: []string{"example.com/..."}}, module + "/a example.com/x"},
		"not below":                         {rule{deny: []string{"example.com"}}, ""},
		"ours, in a package of ours":        {rule{reach: ours, deny: []string{"net/http"}}, module + "/a " + module + "/a/b net/http"},
		"ours, only in another module":      {rule{reach: ours, deny: []string{"os"}}, ""},
		"direct, not a step further":        {rule{reach: direct, deny: []string{"net/http"}}, ""},
		"direct, allowed":                   {rule{reach: direct, allow: []string{"a/...", "example.com/x"}}, ""},
		"direct, something else":            {rule{reach: direct, allow: []string{"a/..."}}, module + "/a example.com/x"},
		"a path of this repository, itself": {rule{deny: []string{"a/b"}}, module + "/a " + module + "/a/b"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, chain := range g.violations(module+"/a", tt.rule) {
				got = append(got, strings.Join(chain, " "))
			}
			if strings.Join(got, "; ") != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// load asks the go command for the packages of this module, without tests.
func load(t *testing.T) graph {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-deps", "-json=ImportPath,Imports,ImportMap,Standard,Error", "./...")
	cmd.Dir = root(t)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, problems.Bytes())
	}
	g := graph{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return g
		} else if err != nil {
			t.Fatalf("reading what go list says: %v", err)
		}
		if p.Error != nil {
			t.Errorf("%s: %s", p.ImportPath, p.Error.Err)
		}
		g[p.ImportPath] = p
	}
}

// ours lists the packages of this module.
func (g graph) ours() []string {
	var paths []string
	for path := range g {
		if isOurs(path) {
			paths = append(paths, path)
		}
	}
	return paths
}

// violations walks the imports of a package, nearest first, and returns a
// shortest chain to each thing that the rule forbids. It does not walk on from there.
func (g graph) violations(from string, r rule) [][]string {
	var found [][]string
	seen := map[string]bool{from: true}
	for queue := [][]string{{from}}; len(queue) > 0; queue = queue[1:] {
		chain := queue[0]
		at := g[chain[len(chain)-1]]
		for _, next := range at.Imports {
			if mapped := at.ImportMap[next]; mapped != "" {
				next = mapped
			}
			if seen[next] {
				continue
			}
			seen[next] = true
			longer := append(slices.Clone(chain), next)
			switch {
			case r.forbids(next, g[next].Standard):
				found = append(found, longer)
			case r.reach == everything, r.reach == ours && isOurs(next):
				queue = append(queue, longer)
			}
		}
	}
	return found
}

func (r rule) forbids(path string, standard bool) bool {
	if len(r.deny) > 0 {
		return matches(path, r.deny)
	}
	return !standard && !matches(path, r.allow)
}

func isOurs(path string) bool { return path == module || strings.HasPrefix(path, module+"/") }

// matches tells whether a package is one of names.
func matches(path string, names []string) bool {
	short := strings.TrimPrefix(path, module+"/")
	return slices.ContainsFunc(names, func(name string) bool {
		if name == "..." {
			return isOurs(path)
		}
		base, below := strings.CutSuffix(name, "/...")
		return short == base || below && strings.HasPrefix(short, base+"/")
	})
}
