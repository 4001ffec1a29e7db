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

// TestRegistration_guide runs docs/guides/dynamic-registration.md: its manifest and
// its commands, at a vendor that lets nobody delete an app, so that there is an orphan.
func TestRegistration_guide(t *testing.T) {
	r := newRegistry(t, fakevendor.Options{})
	r.startBroker()
	r.start(r.registers)
	r.create(r.object)
	guide, err := os.ReadFile(filepath.Join(controlplane.Root(), "docs", "guides", "dynamic-registration.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := func(pattern string) string {
		m := regexp.MustCompile("(?s)```(?:yaml|sh)\n(" + pattern + ".*?)```").FindSubmatch(guide)
		if m == nil {
			t.Fatalf("the guide has no block that begins with %s", pattern)
		}
		// This test's names: others are at work on the same control plane.
		names := strings.NewReplacer("notion-mcp", r.object.Name, "team-a", r.tenant, "NAME", r.object.Name, "spec:\n", "spec:\n  brokerClass: "+r.class+"\n")
		return names.Replace(string(m[1]))
	}
	k, dir := newKubectl(t), t.TempDir()
	run := func(script string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "KUBECONFIG="+k.kubeconfig, "PATH="+filepath.Dir(k.binary)+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, script, out)
		}
		return string(out)
	}

	if err := os.WriteFile(filepath.Join(dir, "notion.yaml"), []byte(block("apiVersion")), 0o600); err != nil {
		t.Fatal(err)
	}
	run(block("kubectl apply"))
	r.app = r.credential("notion")
	eventually(t, r.registered) // the last of its status may come after Ready
	if out := run(block("kubectl apply")); !strings.Contains(out, `"clientID":"`+r.app.Status.Registration.ClientID+`"`) {
		t.Errorf("the guide's commands do not tell of the app:\n%s", out)
	}

	r.remove()
	eventually(t, r.deleted)
	if orphans, err := r.orphans(); err != nil || len(orphans) != 1 {
		t.Fatalf("orphans %+v (%v)", orphans, err)
	}
	run(block("kubectl patch oauthvendor"))
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
