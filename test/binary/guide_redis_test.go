// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/binary"
)

// TestGuide_redis runs every command of the guide, in order, after those of the
// guide that it goes on from.
func TestGuide_redis(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"curl", "redis-server"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("the guide uses %s, which is not installed", program)
		}
	}
	g := newGuide(t)
	address := binary.FreeAddress(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	others := g.ports
	g.ports = strings.NewReplacer("127.0.0.1:8400", others.Replace("127.0.0.1:8400"), "127.0.0.1:9400", g.admin,
		"127.0.0.1:6390", address, "--port 6390", "--port "+port)
	g.env = append(g.env, "PATH="+filepath.Dir(broker)+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Cleanup(func() { stopRedis(t, filepath.Join(g.home, "broker", "redis.pid")) })

	for _, block := range blocks(t, guidePath, "sh")[1:] { // the first builds the broker
		if strings.HasPrefix(block, "broker serve") {
			break
		}
		g.run(block)
	}
	var out string
	for _, block := range blocks(t, "../../docs/guides/redis.md", "sh") {
		if strings.HasPrefix(block, "kubectl") { // test/integration/binary runs it
			continue
		}
		if strings.HasPrefix(block, "broker serve") {
			g.serve(block)
			continue
		}
		out += g.run(block)
	}
	for _, want := range []string{"oauth_broker_redis_up 1", `{"status":"ok"}`, "oauth_broker_redis_up 0"} {
		if !strings.Contains(out, want) {
			t.Errorf("the guide's commands do not print %q:\n%s", want, out)
		}
	}
	binary.Eventually(t, func() error {
		if up := g.run("curl -fsS http://127.0.0.1:9400/metrics | grep ^oauth_broker_redis_up"); up != "oauth_broker_redis_up 1\n" {
			return fmt.Errorf("the metric says %s after Redis came back", up)
		}
		return nil
	})
}

// stopRedis ends the Redis that the guide left running in the background, if it
// does, and waits until it has written what it keeps.
func stopRedis(t *testing.T, pidFile string) {
	t.Helper()
	content, err := os.ReadFile(pidFile)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err != nil {
		t.Error(err)
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		t.Error(err)
		return
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Error(err)
		return
	}
	binary.Eventually(t, func() error {
		if _, err := os.Stat(pidFile); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("the Redis of process %d is still there", pid)
		}
		return nil
	})
}
