// SPDX-License-Identifier: Apache-2.0

// Package guides runs the commands of docs/guides as they are printed, against
// the install that `make run` starts: a real API server, the operator and two
// brokers.
package guides

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/test/documents"
	"github.com/oauthbroker/oauth-broker/test/integration/controlplane"
	"github.com/oauthbroker/oauth-broker/test/poll"
)

const (
	// patience bounds the start of everything, which builds manager and broker.
	patience = 5 * time.Minute
	envLine  = ". bin/dev.env"
)

// sandbox is `make run` in a process of its own.
type sandbox struct {
	t       *testing.T
	envFile string
	home    string
	browser string
	env     []string
}

func start(t *testing.T) *sandbox {
	t.Helper()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "dev"), "./hack/dev")
	build.Dir = controlplane.Root()
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building hack/dev: %v\n%s", err, out)
	}
	s := &sandbox{t: t, envFile: filepath.Join(dir, "dev.env"), home: filepath.Join(dir, "home"), browser: filepath.Join(dir, "browser")}
	build = exec.CommandContext(t.Context(), "go", "build", "-o", s.browser, "./test/integration/guides/browser")
	build.Dir = controlplane.Root()
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the reader's browser: %v\n%s", err, out)
	}
	s.keepCaches()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "dev"), "--port", "0", "--provider-port", "0", "--env-file", s.envFile)
	cmd.Dir, cmd.Stdout, cmd.Stderr = controlplane.Root(), log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the log says why
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		<-ended
		_ = log.Close() // nothing is written any more
	})
	s.await(ended, log.Name())
	return s
}

// keepCaches gives the commands a home of their own with Go's caches of this one.
func (s *sandbox) keepCaches() {
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} {
		out, err := exec.CommandContext(s.t.Context(), "go", "env", name).Output()
		if err != nil {
			s.t.Fatal(err)
		}
		s.env = append(s.env, name+"="+strings.TrimSpace(string(out)))
	}
	s.env = append(s.env, "HOME="+s.home, "BROWSER="+s.browser)
	if err := os.Mkdir(s.home, 0o700); err != nil {
		s.t.Fatal(err)
	}
}

// await the environment file, which is written when everything is up.
func (s *sandbox) await(ended chan struct{}, log string) {
	s.t.Helper()
	deadline := time.After(patience)
	for {
		if _, err := os.Stat(s.envFile); err == nil {
			return
		} else if !errors.Is(err, os.ErrNotExist) {
			s.t.Fatal(err)
		}
		select {
		case <-ended:
			out, _ := os.ReadFile(log) // what there is of it
			s.t.Fatalf("make run ended:\n%s", out)
		case <-deadline:
			out, _ := os.ReadFile(log) // what there is of it
			s.t.Fatalf("make run is not up after %s\n%s", patience, out)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// run runs the shell blocks of a guide one after the other, each in a shell of
// its own like lines that a reader pastes; exports are kept.
func (s *sandbox) run(t *testing.T, guide string) string {
	t.Helper()
	blocks, err := documents.Blocks(filepath.Join(controlplane.Root(), "docs", "guides", guide), "sh")
	if err != nil {
		t.Fatal(err)
	}
	if len(blocks) == 0 {
		t.Fatal("the guide has no commands")
	}
	var exports strings.Builder
	exports.WriteString(". " + s.envFile + "\n") // the reader's cluster
	var all bytes.Buffer
	for _, b := range blocks {
		block := strings.Replace(b, envLine, ". "+s.envFile, 1)
		patience := time.Duration(0)
		if strings.Contains(block, "$BROKER_LOGS") {
			patience = 20 * time.Second // a log line comes some milliseconds after the answer: no person is that fast
		}
		poll.Until(t, patience, func() error {
			out, err := s.bash(t, exports.String()+block)
			if err != nil {
				return fmt.Errorf("%w\n%s\n%s", err, block, out)
			}
			all.Write(out)
			return nil
		})
		for line := range strings.Lines(block) {
			if strings.HasPrefix(line, "export ") || strings.HasPrefix(line, ". ") {
				exports.WriteString(line)
			}
		}
	}
	return all.String()
}

func (s *sandbox) bash(t *testing.T, script string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = controlplane.Root(), append(os.Environ(), s.env...)
	return cmd.CombinedOutput()
}

// TestGuides runs each guide from top to bottom; want is what a reader has to see
// on the way.
func TestGuides(t *testing.T) {
	s := start(t)
	for _, g := range []struct {
		file string
		want []string
	}{
		{"first-login.md", []string{
			"access_token", "******** (", "Refreshed:", "0 problems", "/v1/callback", "ZITADEL example provider",
		}},
		{"debug-failed-login.md", []string{
			"redirect_uri not registered", "What happened: The application asked to return to an address", "0 problems",
			"Add http://127.0.0.1/not-registered to spec.redirectURIs", "exit code 1", "Logged in:",
		}},
		{"add-a-vendor.md", []string{
			"oauthvendor.oauthbroker.dev/linear condition met", "/v1/callback/linear", "Programmed=True",
			"brokerclient.oauthbroker.dev/cli condition met", "302 https://linear.app/oauth/authorize?", "client_id=your-client-id",
		}},
		{"byoc.md", []string{
			"Secret team-b/linear-app, which secretRef names, does not exist", "byoccredential.oauthbroker.dev/linear condition met", "brokerclient.oauthbroker.dev/web condition met",
			"302 https://linear.app/oauth/authorize?client_id=team-b-app", "linear-app-2",
		}},
		{"upgrade.md", []string{"oauthvendor.oauthbroker.dev/zitadel condition met"}},
		{"write-a-vendor-manifest.md", []string{"tracker  manifest  ok", "clientAuthentcation"}},
	} {
		t.Run(strings.TrimSuffix(g.file, ".md"), func(t *testing.T) {
			out := s.run(t, g.file)
			for _, want := range g.want {
				if !strings.Contains(out, want) {
					t.Errorf("the guide's commands do not print %q:\n%s", want, out)
				}
			}
		})
	}
}

// TestGuides_noneIsForgotten: each guide is run here, or the text says by what.
func TestGuides_noneIsForgotten(t *testing.T) {
	elsewhere := []string{
		"clients.md",              // make test-interop
		"dynamic-registration.md", // test/integration/operator
		"file-source.md",          // test/binary
		"gitops-argocd.md",        // test/install renders and checks its manifests
		"gitops-flux.md",          // the same
		"install.md",              // make e2e; test/install renders its charts and values
		"observability.md",        // its commands need pods; test/install renders its values
		"redis.md",                // test/binary
		"rotate-keys.md",          // test/binary and test/integration/binary
		"self-registration.md",    // no commands; test/redteam
	}
	files, err := filepath.Glob(filepath.Join(controlplane.Root(), "docs", "guides", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.ReadFile("guides_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := filepath.Base(f)
		if !slices.Contains(elsewhere, name) && !bytes.Contains(here, []byte(`{"`+name+`"`)) {
			t.Errorf("nothing runs docs/guides/%s", name)
		}
	}
}
