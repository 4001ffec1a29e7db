// SPDX-License-Identifier: Apache-2.0

// Package redis runs real Redis servers for tests, and tests the broker's
// profile with Redis on them: what is taken exactly once over all replicas, and
// what happens when Redis is away, slow or read-only.
//
//	server := redis.Start(t)
//	h := harness.Standard(t, harness.Setup{Options: harness.Options{Redis: server.URL()}})
//	server.Freeze() // Redis accepts connections and answers nothing
//
// The command redis-server has to be there: make redis-server.
package redis

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/oauthbroker/oauth-broker/test/binary"
	"github.com/oauthbroker/oauth-broker/test/poll"
)

// Server is one redis-server on a free port of the loopback, in a directory of
// its own, that keeps nothing on disk.
type Server struct {
	// Addr is host and port; it stays the same over Restart.
	Addr string

	t       testing.TB
	dir     string
	args    []string
	process *exec.Cmd
	admin   *goredis.Client
}

// Start runs a server until the end of the test. More arguments are those of
// redis-server.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := newServer(t, args...)
	s.run()
	return s
}

func newServer(t testing.TB, args ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatal("redis-server is not installed: make redis-server")
	}
	s := &Server{t: t, dir: t.TempDir(), Addr: freeAddr(t), args: args}
	s.admin = goredis.NewClient(&goredis.Options{Addr: s.Addr, MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() {
		_ = s.admin.Close()
		s.Stop()
	})
	return s
}

// freeAddr is a port that nobody listens on.
func freeAddr(t testing.TB) string { return binary.FreeAddress(t) }

// URL is the server's redis:// URL.
func (s *Server) URL() string { return "redis://" + s.Addr }

func (s *Server) port() string { return s.Addr[strings.LastIndex(s.Addr, ":")+1:] }

// run starts the process and waits until it answers.
func (s *Server) run() {
	s.t.Helper()
	args := []string{"--bind", "127.0.0.1", "--port", s.port(), "--dir", s.dir, "--logfile", "redis.log", "--daemonize", "no"}
	if !slices.Contains(s.args, "--sentinel") {
		args = append(args, "--save", "", "--appendonly", "no")
	}
	if len(s.args) > 0 && !strings.HasPrefix(s.args[0], "--") { // a configuration file comes first
		args = slices.Concat(s.args[:1], args, s.args[1:])
	} else {
		args = append(args, s.args...)
	}
	s.process = exec.Command("redis-server", args...) // it outlives the start, and is stopped by pid
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	poll.Until(s.t, time.Minute, func() error {
		err := s.admin.Ping(context.Background()).Err()
		if err != nil && strings.HasPrefix(err.Error(), "NOAUTH") {
			return nil
		}
		return err
	})
}

// Stop kills the server; what it held is lost.
func (s *Server) Stop() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
	s.process = nil
}

// Restart kills the server, if it runs, and starts it anew, empty.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.run()
}

// Freeze makes the server slow without end: connections are accepted, nothing
// is answered. Thaw ends it.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on, with all that it was sent meanwhile.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.process.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// ReadOnly makes the server a replica of a server that is not there: it still
// reads, and refuses to write. Writable ends it.
func (s *Server) ReadOnly() { s.Do("REPLICAOF", "127.0.0.1", "1") }

// Writable makes the server a master.
func (s *Server) Writable() { s.Do("REPLICAOF", "NO", "ONE") }

// Do runs a command.
func (s *Server) Do(args ...any) any {
	s.t.Helper()
	v, err := s.admin.Do(context.Background(), args...).Result()
	if err != nil {
		s.t.Fatalf("redis %v: %v", args[0], err)
	}
	return v
}

// Admin is a client without the broker's care, to look and to meddle.
func (s *Server) Admin() *goredis.Client { return s.admin }

// Keys of the server, sorted.
func (s *Server) Keys() []string {
	s.t.Helper()
	keys, err := s.admin.Keys(context.Background(), "*").Result()
	if err != nil {
		s.t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}

// Dump is every key with its value, one a line.
func (s *Server) Dump() string {
	if s.process == nil {
		return ""
	}
	s.t.Helper()
	var all strings.Builder
	for _, key := range s.Keys() {
		fmt.Fprintf(&all, "%s %q\n", key, s.admin.Get(context.Background(), key).Val())
	}
	return all.String()
}

// RDB is the file that SAVE writes of all that the server holds. Values are not
// compressed in it, so that a search finds what is there.
func (s *Server) RDB() string {
	s.t.Helper()
	s.Do("CONFIG", "SET", "rdbcompression", "no")
	s.Do("SAVE")
	b, err := os.ReadFile(filepath.Join(s.dir, "dump.rdb"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// Advance ages every key, as if time passed: those whose time is over are gone.
func (s *Server) Advance(d time.Duration) {
	s.t.Helper()
	ctx := context.Background()
	for _, key := range s.Keys() {
		left, err := s.admin.PTTL(ctx, key).Result()
		if err != nil {
			s.t.Fatal(err)
		}
		if left < 0 {
			continue // none, or gone by itself
		}
		if err := s.admin.PExpire(ctx, key, left-d).Err(); err != nil {
			s.t.Fatal(err)
		}
	}
}

// Log is what the server logged; for failures.
func (s *Server) Log() string {
	b, _ := os.ReadFile(filepath.Join(s.dir, "redis.log"))
	return string(b)
}

// portOf is the number of a port, for arguments that want one.
func portOf(addr string) int {
	_, port, _ := strings.Cut(addr, ":")
	n, _ := strconv.Atoi(port)
	return n
}
