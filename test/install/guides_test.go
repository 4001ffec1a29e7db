// SPDX-License-Identifier: Apache-2.0

package install_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/documents"
	"github.com/oauthbroker/oauth-broker/test/install"
)

// fenced are the blocks of a language in a guide, in order.
func fenced(t *testing.T, x install.Tools, guide, language string) []string {
	t.Helper()
	blocks, err := documents.Blocks(filepath.Join(x.Root, "docs", "guides", guide), language)
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

// TestGuides_helm renders what the guide's commands of Helm would install.
func TestGuides_helm(t *testing.T) {
	x := tools(t)
	command := regexp.MustCompile(`(?m)^helm upgrade --install (?:.*\\\n)*.*$`)
	found := 0
	for _, c := range command.FindAllString(strings.Join(fenced(t, x, "install.md", "sh"), ""), -1) {
		found++
		cmd := exec.CommandContext(t.Context(), "bash", "-euc", strings.Replace(c, "helm upgrade --install", `"$0" template --kube-version `+install.KubeVersion, 1), x.Helm)
		cmd.Dir = x.Root
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "\nkind: ") {
			t.Errorf("%v\n%s\n%s", err, c, out)
		}
	}
	if found != 2 {
		t.Errorf("the guide installs %d charts, want 2", found)
	}
}

// TestGuides_values renders the chart with the values that guides tell of.
func TestGuides_values(t *testing.T) {
	x := tools(t)
	for guide, want := range map[string]string{
		"install.md": "--brand-name=Acme", "observability.md": "kind: PrometheusRule",
		"redis.md": "--redis-url=/etc/oauth-broker/redis/url", "rotate-keys.md": "--keyring-kms-url=hashivault://oauth-broker",
	} {
		for _, values := range fenced(t, x, guide, "yaml") {
			if strings.HasPrefix(values, "patches:") { // for kustomize
				continue
			}
			values = "publicURL: " + install.PublicURL + "\n" + strings.ReplaceAll(values, "base64,...", "base64,PHN2Zy8+")
			out, err := x.Template(t.Context(), "oauth-broker", "--values", valuesFile(t, values))
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("%s: no %s (%v) with\n%s", guide, want, err, values)
			}
		}
	}
}

// TestGuides_patch: the patches for those who use kustomize reach what they are for.
func TestGuides_patch(t *testing.T) {
	x := tools(t)
	for guide, want := range map[string]map[string]int{
		"rotate-keys.md": {"- --keyring-kms-url=awskms://": 2},
		"redis.md":       {"- --redis-url=/etc/oauth-broker/redis/url": 1, "mountPath: /etc/oauth-broker/redis": 1, "secretName: oauth-broker-redis": 1, "- port: 6379": 1},
	} {
		out := patched(t, x, guide)
		for text, times := range want {
			if n := strings.Count(out, text); n != times {
				t.Errorf("%s: %s is there %d times, want %d\n%.2000s", guide, text, n, times, out)
			}
		}
	}
}

// patched is the install by kustomize with the patches of a guide.
func patched(t *testing.T, x install.Tools, guide string) string {
	t.Helper()
	patches := slices.DeleteFunc(fenced(t, x, guide, "yaml"), func(block string) bool { return !strings.HasPrefix(block, "patches:") })
	if len(patches) != 1 {
		t.Fatalf("%s has %d blocks of patches, want 1", guide, len(patches))
	}
	dir := t.TempDir()
	base, err := filepath.Rel(dir, filepath.Join(x.Root, "config", "samples", "install"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte("resources: ["+base+"]\n"+patches[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), x.Kustomize, "build", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", guide, err, out)
	}
	return string(out)
}
