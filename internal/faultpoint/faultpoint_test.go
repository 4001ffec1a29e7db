// SPDX-License-Identifier: Apache-2.0

package faultpoint_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// TestHit builds a program both ways: as it ships, nothing in the environment
// can end it; with the tag, the named step does and no other.
func TestHit(t *testing.T) {
	for name, c := range map[string]struct {
		tags, step string
		dies       bool
	}{
		"shipped":      {"", "second-done", false},
		"named":        {"faultpoints", "second-done", true},
		"another step": {"faultpoints", "third-done", false},
		"no step":      {"faultpoints", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			bin := filepath.Join(t.TempDir(), "step")
			build := exec.CommandContext(t.Context(), "go", "build", "-tags="+c.tags, "-o", bin, "./testdata/step")
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("building: %v\n%s", err, out)
			}
			cmd := exec.CommandContext(t.Context(), bin)
			cmd.Env = append(os.Environ(), "OAUTH_BROKER_FAULTPOINT="+c.step)
			err := cmd.Run()
			failure, died := errors.AsType[*exec.ExitError](err)
			if died != c.dies || err != nil && !died {
				t.Fatalf("got %v", err)
			}
			if !died {
				return
			}
			if status, ok := failure.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
				t.Errorf("got %v, want SIGKILL", err)
			}
		})
	}
}
