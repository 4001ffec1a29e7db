// SPDX-License-Identifier: Apache-2.0

package install_test

import (
	"fmt"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/oauthbroker/oauth-broker/test/install"
)

// role is a Role or ClusterRole: they have the same members.
type role = rbacv1.ClusterRole

func roles(t *testing.T, objects []*unstructured.Unstructured) []role {
	t.Helper()
	var out []role
	for _, o := range objects {
		if o.GetKind() != "Role" && o.GetKind() != "ClusterRole" {
			continue
		}
		var r role
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	if len(out) == 0 {
		t.Fatal("there are no roles")
	}
	return out
}

// TestRBAC_leastPrivilege: nobody may write a Secret but in the two namespaces of
// the install, nobody may give rights away, and nothing is granted by wildcard.
// In namespaced mode nothing but vendors is read in the whole cluster.
func TestRBAC_leastPrivilege(t *testing.T) {
	x := tools(t)
	for name, render := range map[string]struct {
		namespaced bool
		manifests  func() ([]byte, error)
	}{
		"Helm": {false, func() ([]byte, error) {
			return x.Template(t.Context(), "oauth-broker", "--set", "publicURL="+install.PublicURL)
		}},
		"Helm, everything": {true, func() ([]byte, error) {
			return x.Template(t.Context(), "oauth-broker", "--values", valuesFile(t, everything))
		}},
		"kustomize": {false, func() ([]byte, error) { return x.Build(t.Context(), "config/default") }},
	} {
		t.Run(name, func(t *testing.T) {
			objects, err := install.Objects(render.manifests())
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range roles(t, objects) {
				for _, problem := range excess(r, render.namespaced) {
					t.Errorf("%s %s/%s: %s", r.Kind, r.Namespace, r.Name, problem)
				}
			}
		})
	}
}

// excess lists what a role grants and should not.
func excess(r role, namespaced bool) []string {
	var problems []string
	reads := []string{"get", "list", "watch"}
	own := r.Namespace == install.Namespace || r.Namespace == install.Published
	for _, rule := range r.Rules {
		for _, list := range [][]string{rule.APIGroups, rule.Resources, rule.Verbs} {
			if slices.Contains(list, "*") {
				problems = append(problems, "a wildcard")
			}
		}
		for _, verb := range []string{"escalate", "bind", "impersonate", "deletecollection"} {
			if slices.Contains(rule.Verbs, verb) {
				problems = append(problems, "the verb "+verb)
			}
		}
		writes := slices.ContainsFunc(rule.Verbs, func(v string) bool { return !slices.Contains(reads, v) })
		secrets := slices.Contains(rule.Resources, "secrets")
		if secrets && writes && !own {
			problems = append(problems, fmt.Sprintf("%v on Secrets outside the install's namespaces", rule.Verbs))
		}
		if secrets && len(rule.ResourceNames) == 0 && slices.Contains(rule.Verbs, "patch") {
			problems = append(problems, "patch on Secrets, which are written as a whole")
		}
		if r.Kind == "ClusterRole" && namespaced {
			for _, resource := range rule.Resources {
				if resource != "oauthvendors" && resource != "oauthvendors/status" && resource != "oauthvendors/finalizers" {
					problems = append(problems, resource+" in the whole cluster, in namespaced mode")
				}
			}
		}
	}
	return problems
}

// TestExcess: the check above finds what it looks for.
func TestExcess(t *testing.T) {
	rule := func(resource string, verbs ...string) []rbacv1.PolicyRule {
		return []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{resource}, Verbs: verbs}}
	}
	cluster, tenant := role{}, role{}
	cluster.Kind, tenant.Kind, tenant.Namespace = "ClusterRole", "Role", "team-a"
	for name, c := range map[string]struct {
		role       role
		rules      []rbacv1.PolicyRule
		namespaced bool
		want       int
	}{
		"reading":                {cluster, rule("secrets", "get", "list", "watch"), false, 0},
		"writing everywhere":     {cluster, rule("secrets", "get", "create"), false, 1},
		"writing at a tenant":    {tenant, rule("secrets", "update"), true, 1},
		"patching":               {tenant, rule("secrets", "patch"), true, 2},
		"anything":               {tenant, rule("*", "get"), false, 1},
		"all verbs":              {tenant, rule("secrets", "*"), false, 2},
		"giving rights":          {cluster, rule("roles", "escalate"), false, 1},
		"reading, in namespaced": {cluster, rule("secrets", "get"), true, 1},
	} {
		c.role.Rules = c.rules
		if got := excess(c.role, c.namespaced); len(got) != c.want {
			t.Errorf("%s: got %q, want %d problems", name, got, c.want)
		}
	}
}
