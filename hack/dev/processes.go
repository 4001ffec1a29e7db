// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stopLimit is how long a process has to end by itself.
const stopLimit = 15 * time.Second

// process is a child with a log file.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	// done is closed when it has ended, with err.
	done chan struct{}
	err  error
	// stopping is set before it is told to end.
	stopping chan struct{}
}

// spawn starts a process. Its early end ends the demonstration.
func (d *demo) spawn(name, binary string, args ...string) error {
	p := &process{
		name: name, log: filepath.Join(d.dir, strings.ReplaceAll(name, " ", "-")+".log"),
		done: make(chan struct{}), stopping: make(chan struct{}),
	}
	log, err := os.Create(p.log)
	if err != nil {
		return fmt.Errorf("making the log of %s: %w", name, err)
	}
	p.cmd = exec.Command(binary, args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us: we stop it in order
	if err := p.cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("starting %s: %w", name, err), log.Close())
	}
	d.processes = append(d.processes, p)
	go func() {
		p.err = errors.Join(p.cmd.Wait(), log.Close())
		close(p.done)
		select {
		case <-p.stopping:
		default:
			d.died(fmt.Errorf("%s (pid %d) ended early: %s", name, p.cmd.Process.Pid, p.cmd.ProcessState))
		}
	}()
	return nil
}

// died handles the early end of a process.
func (d *demo) died(err error) {
	if d.staying.Load() {
		d.line("%s", err)
		return
	}
	d.fail(err)
}

// stop ends a process by its pid: SIGTERM, and SIGKILL when that is not enough.
func (p *process) stop() error {
	close(p.stopping)
	select {
	case <-p.done:
		return nil // it had ended before, which was reported
	default:
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping %s: %w", p.name, err)
	}
	select {
	case <-p.done:
	case <-time.After(stopLimit):
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("%s did not stop within %s", p.name, stopLimit)
	}
	if p.err != nil {
		return fmt.Errorf("stopping %s: %w", p.name, p.err)
	}
	return nil
}

// ended tells whether a process is gone.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// showLogs prints the end of the log of the processes that died, or of all.
func (d *demo) showLogs() {
	logs := map[string]int{}
	for _, p := range d.processes {
		if p.ended() {
			logs[p.log] = 25
		}
	}
	if len(logs) == 0 {
		for _, p := range d.processes {
			logs[p.log] = 10
		}
		if d.provider != nil {
			logs[d.provider.log] = 5
		}
	}
	for path, lines := range logs {
		d.title("The last lines of %s", filepath.Base(path))
		for _, line := range tail(path, lines) {
			d.line("%s", line)
		}
	}
}

func tail(path string, lines int) []string {
	b, err := os.ReadFile(path)
	if err != nil {
		return []string{err.Error()}
	}
	all := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return all[max(0, len(all)-lines):]
}

// command runs a program to its end and tells every few seconds that it still runs.
func (d *demo) command(ctx context.Context, what string, cmd *exec.Cmd) error {
	began := time.Now()
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	result := make(chan error, 1)
	var output []byte
	go func() {
		var err error
		output, err = cmd.CombinedOutput()
		result <- err
	}()
	for {
		select {
		case err := <-result:
			if err != nil {
				return fmt.Errorf("%s: %w\n%s", what, err, output)
			}
			d.fact(what, "done in %s", time.Since(began).Round(100*time.Millisecond))
			return nil
		case <-ticker.C:
			d.fact(what, "%s ...", time.Since(began).Round(time.Second))
		case <-ctx.Done():
			// The command has the same context, so it ends too.
			return errors.Join(fmt.Errorf("%s: %w", what, context.Cause(ctx)), <-result)
		}
	}
}

// build makes the binaries.
func (d *demo) build(ctx context.Context) error {
	for _, name := range []string{"manager", "broker", "oauth-broker"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", d.binary(name), "./cmd/"+name)
		cmd.Dir = root()
		if err := d.command(ctx, "go build ./cmd/"+name, cmd); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) binary(name string) string { return filepath.Join(d.dir, "bin", name) }

// until polls a check until it is true, within the context's time.
func until(ctx context.Context, what string, check func(context.Context) (bool, error)) error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	var last error
	for {
		ok, err := check(ctx)
		if ok && err == nil {
			return nil
		}
		if err != nil {
			last = err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx)), last)
		}
	}
}
