// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a process may take to start or to end.
const patience = 30 * time.Second

// process is a child whose CPU time and memory are read from outside.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string
	// done is closed when it has ended.
	done chan struct{}
}

// spawn starts a process that writes its log to a file.
func spawn(dir, name string, cmd *exec.Cmd) (*process, error) {
	p := &process{name: name, cmd: cmd, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("making the log of %s: %w", name, err)
	}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us: we stop it in order
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", name, err), log.Close())
	}
	go func() {
		_ = p.cmd.Wait() // whoever waited for it asks its log
		_ = log.Close()
		close(p.done)
	}()
	return p, nil
}

// answers waits until url answers with 200.
func (p *process) answers(ctx context.Context, client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if _, err := read(ctx, client, url); err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended early: %s", p.name, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer at %s: %s", p.name, url, p.tail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *process) tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// stop ends the process by its pid.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.done:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// cpu is the CPU time that the process has used, user and system, to the
// nanosecond: the clock of another process, as clock_getcpuclockid(3) names it.
func (p *process) cpu() (time.Duration, error) {
	const schedClock = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.cmd.Process.Pid<<3|schedClock), &t); err != nil { //nolint:gosec // a pid is small
		return 0, fmt.Errorf("reading the CPU time of %s: %w", p.name, err)
	}
	return time.Duration(t.Nano()), nil
}

// rss is the memory that the process holds.
func (p *process) rss() (int64, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/status")
	if err != nil {
		return 0, fmt.Errorf("reading the memory of %s: %w", p.name, err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10, err
		}
	}
	return 0, errors.New("/proc tells no VmRSS")
}

// freeAddress finds a loopback port that is free now.
func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// read gets a document.
func read(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return b, err
}

// numbers reads metrics without labels, from Prometheus' text format or from a
// JSON object.
func numbers(b []byte) (map[string]float64, error) {
	m := map[string]float64{}
	if bytes.HasPrefix(b, []byte("{")) {
		return m, json.Unmarshal(b, &m)
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); ok && err == nil {
			m[name] = v
		}
	}
	return m, lines.Err()
}
