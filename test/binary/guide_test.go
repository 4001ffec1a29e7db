// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/capture"
	"github.com/oauthbroker/oauth-broker/test/documents"
)

// blocks are the fenced blocks of a language in a document, in order.
func blocks(t *testing.T, path, language string) []string {
	t.Helper()
	out, err := documents.Blocks(path, language)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// guide runs the commands of a document in a shell of their own, with a home of
// their own and free ports.
type guide struct {
	t     *testing.T
	home  string
	ports *strings.Replacer
	admin string
	env   []string
	paste []string // exports, which a second terminal needs too
}

func newGuide(t *testing.T) *guide {
	t.Helper()
	g := &guide{t: t, home: t.TempDir(), admin: binary.FreeAddress(t)}
	g.ports = strings.NewReplacer("127.0.0.1:8400", binary.FreeAddress(t), "127.0.0.1:9400", g.admin)
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} { // a new home would empty them
		out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		g.env = append(g.env, name+"="+strings.TrimSpace(string(out)))
	}
	g.env = append(g.env, "HOME="+g.home)
	return g
}

func (g *guide) command(block string) *exec.Cmd {
	cmd := exec.CommandContext(g.t.Context(), "bash", "-euo", "pipefail", "-c", strings.Join(g.paste, "")+g.ports.Replace(block))
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), g.env...)
	return cmd
}

// run runs a block to its end.
func (g *guide) run(block string) string {
	g.t.Helper()
	out, err := g.command(block).CombinedOutput()
	if err != nil {
		g.t.Fatalf("%v\n%s\n%s", err, block, out)
	}
	for line := range strings.Lines(block) {
		if strings.HasPrefix(line, "export ") {
			g.paste = append(g.paste, line)
		}
	}
	return string(out)
}

// serve runs a block in the background until the test ends.
func (g *guide) serve(block string) *capture.Buffer {
	g.t.Helper()
	log := &capture.Buffer{}
	cmd := g.command(strings.Replace(block, "broker serve", "exec broker serve", 1)) // so that the pid is the broker's
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	binary.Eventually(g.t, func() error {
		answer, err := (&http.Client{Timeout: binary.Patience}).Get("http://" + g.admin + "/readyz")
		if err != nil {
			return fmt.Errorf("%w: %s", err, log)
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", answer.StatusCode)
		}
		return nil
	})
	return log
}

// TestGuide_rotateKeys runs the commands of the guide that are for a file.
func TestGuide_rotateKeys(t *testing.T) {
	t.Parallel()
	g := newGuide(t)
	g.env = append(g.env, "PATH="+filepath.Dir(broker)+string(os.PathListSeparator)+os.Getenv("PATH"))
	g.run("mkdir -p ~/broker && broker keys new ~/broker/keyring.json")
	var all []string
	for _, block := range blocks(t, "../../docs/guides/rotate-keys.md", "sh") {
		if strings.Contains(block, "~/broker/") {
			all = append(all, g.run(block))
		}
	}
	out := strings.Join(all, "")
	for _, want := range []string{
		"sealing", "waiting", "added ", "nothing to prune", "logins in progress under it fail", "refresh tokens and self-registered clients under it end",
		"which seals at once: no other key is left", "wrapped; brokers and operator need --keyring-kms-url", "in the clear; brokers",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the guide's commands do not print %q:\n%s", want, out)
		}
	}
}

const guidePath = "../../docs/guides/file-source.md"

// TestGuide runs every command of the guide, in order.
func TestGuide(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatal("the guide uses curl, which is not installed")
	}
	g := newGuide(t)
	var out []string
	log := &capture.Buffer{}
	for _, block := range blocks(t, guidePath, "sh") {
		if strings.HasPrefix(block, "broker serve") {
			log = g.serve(block)
			continue
		}
		out = append(out, g.run(block))
	}
	all := strings.Join(out, "")
	for _, want := range []string{
		"broker version", `{"status":"ok"}`, `"issuer":"http://` + g.ports.Replace("127.0.0.1:8400") + `/v1/vendors/github"`,
		"302 https://github.com/login/oauth/authorize?", "client_id=your-client-id", "scope=read%3Auser",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("the guide's commands do not print %q:\n%s", want, all)
		}
	}
	revisions := regexp.MustCompile(`"revision":"([0-9a-f]+)"`).FindAllStringSubmatch(all, -1)
	if len(revisions) != 2 || revisions[0][1] == revisions[1][1] {
		t.Errorf("got revisions %v, want two that differ", revisions)
	}
	// The last block brings the tenant's own app: it is used from then on.
	authorize := blocks(t, guidePath, "sh")
	i := slices.IndexFunc(authorize, func(b string) bool { return strings.Contains(b, "/authorize") && strings.Contains(b, "code_challenge") })
	binary.Eventually(t, func() error {
		answer := g.run(authorize[i])
		if !strings.Contains(answer, "client_id=my-own-app") || !strings.Contains(answer, "gist") {
			return fmt.Errorf("got %s", answer)
		}
		return nil
	})
	if strings.Contains(log.String(), `"level":"WARN"`) || strings.Contains(log.String(), `"level":"ERROR"`) {
		t.Errorf("the guide leads to warnings: %s", log)
	}
	for _, secret := range []string{"your-client-secret", "my-own-secret"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
}

// TestGuide_taskDefinition runs the container's command.
func TestGuide_taskDefinition(t *testing.T) {
	t.Parallel()
	in := binary.New(t, broker)
	var task struct {
		EntryPoint, Command []string
		StopTimeout         int
		Secrets             []struct{ Name string }
	}
	found := blocks(t, guidePath, "json")
	if len(found) != 1 {
		t.Fatalf("got %d task definitions", len(found))
	}
	if err := json.Unmarshal([]byte(found[0]), &task); err != nil {
		t.Fatal(err)
	}
	for i, arg := range task.Command {
		arg = strings.Replace(arg, "/data", in.Dir, 1)
		switch arg {
		case ":8443":
			arg = in.Public
		case ":9090":
			arg = in.Admin
		case "15s":
			arg = "0s"
		}
		task.Command[i] = arg
	}
	cmd := exec.CommandContext(t.Context(), in.Binary, task.Command...)
	log := &capture.Buffer{}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	// The load balancer's check, in plain http, on the public port.
	binary.Eventually(t, func() error {
		answer, err := (&http.Client{Timeout: binary.Patience}).Get("http://" + in.Public + "/readyz")
		if err != nil {
			return fmt.Errorf("%w: %s", err, log)
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Strict-Transport-Security") == "" {
			return fmt.Errorf("status %d", answer.StatusCode)
		}
		return nil
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	if min := 15 + 65; task.StopTimeout <= min {
		t.Errorf("stopTimeout %d is not more than shutdown delay and drain, %s", task.StopTimeout, time.Duration(min)*time.Second)
	}
}
