// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
)

// guide is docs/guides/dynamic-registration.md, for this test's objects.
type guide struct {
	t          *testing.T
	text       []byte
	names      *strings.Replacer
	dir        string
	kubeconfig string
	path       string
}

// guide reads the guide; others are at work on the same control plane, so each
// test has names of its own, and the last ones are those of what it registered.
func (r *registry) guide(names ...string) guide {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(controlplane.Root(), "docs", "guides", "dynamic-registration.md"))
	if err != nil {
		r.t.Fatal(err)
	}
	k := newKubectl(r.t)
	names = append(names, "notion-mcp", r.object.Name, "team-a", r.tenant, "NAME", r.object.Name, "spec:\n", "spec:\n  brokerClass: "+r.class+"\n")
	return guide{r.t, text, strings.NewReplacer(names...), r.t.TempDir(), k.kubeconfig, filepath.Dir(k.binary) + ":" + os.Getenv("PATH")}
}

// block is the block that begins with a pattern.
func (g guide) block(pattern string) string {
	g.t.Helper()
	m := regexp.MustCompile("(?s)```(?:yaml|sh)\n(" + pattern + ".*?)```").FindSubmatch(g.text)
	if m == nil {
		g.t.Fatalf("the guide has no block that begins with %s", pattern)
	}
	return g.names.Replace(string(m[1]))
}

// run runs the block of commands that begins with a pattern.
func (g guide) run(pattern string) string {
	g.t.Helper()
	script := g.block(pattern)
	cmd := exec.CommandContext(g.t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = g.dir, append(os.Environ(), "KUBECONFIG="+g.kubeconfig, "PATH="+g.path)
	out, err := cmd.CombinedOutput()
	if err != nil {
		g.t.Fatalf("%v\n%s\n%s", err, script, out)
	}
	return string(out)
}

// TestRegistration_guide runs the guide: its manifest and its commands, at a vendor
// that lets nobody delete an app, so that there is an orphan.
func TestRegistration_guide(t *testing.T) {
	r := newRegistry(t, fakevendor.Options{})
	r.startBroker()
	r.start(r.registers)
	r.create(r.object)
	g := r.guide()
	if err := os.WriteFile(filepath.Join(g.dir, "notion.yaml"), []byte(g.block("apiVersion")), 0o600); err != nil {
		t.Fatal(err)
	}
	g.run("kubectl apply")
	r.app = r.credential("notion")
	eventually(t, r.registered) // the last of its status may come after Ready
	if out := g.run("kubectl apply"); !strings.Contains(out, `"clientID":"`+r.app.Status.Registration.ClientID+`"`) {
		t.Errorf("the guide's commands do not tell of the app:\n%s", out)
	}

	r.remove()
	eventually(t, r.deleted)
	if orphans, err := r.orphans(); err != nil || len(orphans) != 1 {
		t.Fatalf("orphans %+v (%v)", orphans, err)
	}
	g.run("kubectl patch oauthvendor")
	eventually(t, func() error {
		if err := plane.Client.Get(t.Context(), client.ObjectKeyFromObject(r.object), r.object); err != nil {
			return err
		}
		if len(r.object.Status.OrphanedRegistrations) != 0 {
			return errors.New("the list of orphans was not cleared")
		}
		return nil
	})
}
