// SPDX-License-Identifier: Apache-2.0

package install_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/oauthbroker/oauth-broker/test/install"
)

func sample(t *testing.T, x install.Tools, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(x.Root, "config", "samples", "gitops", file))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestGitOps_values renders the charts with the values in the examples.
func TestGitOps_values(t *testing.T) {
	x := tools(t)
	for _, file := range []string{"argocd/broker.yaml", "flux/broker.yaml"} {
		objects, err := install.Objects(sample(t, x, file), nil)
		if err != nil {
			t.Fatal(err)
		}
		rendered := 0
		for _, o := range objects {
			chart, values := chartOf(o)
			if chart == "" {
				continue
			}
			rendered++
			text, err := yaml.Marshal(values)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := x.Template(t.Context(), chart, "--values", valuesFile(t, string(text))); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
		if rendered != 2 {
			t.Errorf("%s has %d charts, want 2", file, rendered)
		}
	}
}

// chartOf returns the chart and values of an Application or a HelmRelease.
func chartOf(o *unstructured.Unstructured) (string, map[string]any) {
	path, values := []string{"spec", "source", "path"}, []string{"spec", "source", "helm", "valuesObject"}
	if o.GetKind() == "HelmRelease" {
		path, values = []string{"spec", "chart", "spec", "chart"}, []string{"spec", "values"}
	}
	chart, _, _ := unstructured.NestedString(o.Object, path...)
	v, _, _ := unstructured.NestedMap(o.Object, values...)
	return strings.TrimPrefix(chart, "charts/"), v
}

// TestGitOps_health runs the health check as Argo CD does.
func TestGitOps_health(t *testing.T) {
	x := tools(t)
	script := string(sample(t, x, "argocd/health.lua"))
	condition := func(kind, status, reason string, generation int) string {
		return "{type: " + kind + ", status: '" + status + "', reason: " + reason + ", message: why, observedGeneration: " + string(rune('0'+generation)) + "}"
	}
	for name, tt := range map[string]struct{ conditions, want, message string }{
		"new":             {"", "Progressing", "waiting for the operator"},
		"served":          {condition("Accepted", "True", "Accepted", 2) + "," + condition("Ready", "True", "Ready", 2), "Healthy", "served by every broker"},
		"being published": {condition("Accepted", "True", "Accepted", 2) + "," + condition("Ready", "False", "NotReady", 2), "Progressing", "NotReady: why"},
		"edited since":    {condition("Ready", "True", "Ready", 1), "Progressing", "waiting for the operator"},
		"refused":         {condition("Accepted", "False", "EndpointsInvalid", 2), "Degraded", "EndpointsInvalid: why"},
		"no Secret":       {condition("Accepted", "True", "Accepted", 2) + "," + condition("ResolvedRefs", "False", "SecretNotFound", 2), "Degraded", "SecretNotFound: why"},
		"revoked":         {condition("Accepted", "True", "Accepted", 2) + "," + condition("CredentialsValid", "False", "CredentialsRefused", 2), "Degraded", "CredentialsRefused: why"},
		"nobody asked":    {condition("CredentialsValid", "Unknown", "ProbePending", 2) + "," + condition("Ready", "True", "Ready", 2), "Healthy", "served by every broker"},
		"refused before":  {condition("Accepted", "False", "EndpointsInvalid", 1), "Progressing", "waiting for the operator"},
	} {
		t.Run(name, func(t *testing.T) {
			object := "{metadata: {generation: 2}}"
			if tt.conditions != "" {
				object = "{metadata: {generation: 2}, status: {conditions: [" + tt.conditions + "]}}"
			}
			status, message := health(t, script, object)
			if status != tt.want || message != tt.message {
				t.Errorf("got %s, %q; want %s, %q", status, message, tt.want, tt.message)
			}
		})
	}
}

func health(t *testing.T, script, object string) (status, message string) {
	t.Helper()
	var o any
	if err := yaml.Unmarshal([]byte(object), &o); err != nil {
		t.Fatal(err)
	}
	l := lua.NewState()
	defer l.Close()
	l.SetGlobal("obj", toLua(l, o))
	if err := l.DoString(script); err != nil {
		t.Fatal(err)
	}
	answer, ok := l.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatal("the check returns no table")
	}
	return answer.RawGetString("status").String(), answer.RawGetString("message").String()
}

func toLua(l *lua.LState, v any) lua.LValue {
	switch v := v.(type) {
	case map[string]any:
		table := l.NewTable()
		for key, value := range v {
			table.RawSetString(key, toLua(l, value))
		}
		return table
	case []any:
		table := l.NewTable()
		for _, value := range v {
			table.Append(toLua(l, value))
		}
		return table
	case string:
		return lua.LString(v)
	case float64:
		return lua.LNumber(v)
	case bool:
		return lua.LBool(v)
	}
	return lua.LNil
}
