// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clockTick is USER_HZ, the unit of CPU time in /proc, on every Linux that Go
// runs on.
const clockTick = 10 * time.Millisecond

// process is a child with a log file.
type process struct {
	name  string
	began time.Time
	cmd   *exec.Cmd
	log   *os.File
}

func (b *bench) spawn(name string, args ...string) (*process, error) {
	log, err := os.OpenFile(filepath.Join(b.logs, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making the log of %s: %w", name, err)
	}
	p := &process{name: name, began: time.Now(), log: log, cmd: exec.Command(filepath.Join(b.dir, name), args...)}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us: we stop it in order
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", name, err), log.Close())
	}
	return p, nil
}

// stop ends the process by its pid.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping %s: %w", p.name, err)
	}
	err := p.cmd.Wait()
	if err = errors.Join(err, p.log.Close()); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// cpu is the CPU time that the process used.
func (p *process) cpu() (time.Duration, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("reading the CPU time of %s: %w", p.name, err)
	}
	// The name, in parentheses, may hold spaces; utime and stime are the 12th and
	// 13th field after it.
	fields := strings.Fields(string(content)[strings.LastIndexByte(string(content), ')')+1:])
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading the CPU time of %s: %w", p.name, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// memory is the resident memory now and at most, in MiB.
type memory struct{ now, most int }

func (p *process) memory() (memory, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return memory{}, fmt.Errorf("reading the memory of %s: %w", p.name, err)
	}
	var m memory
	for line := range strings.Lines(string(content)) {
		for prefix, to := range map[string]*int{"VmRSS:": &m.now, "VmHWM:": &m.most} {
			if value, ok := strings.CutPrefix(line, prefix); ok {
				kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
				if err != nil {
					return memory{}, fmt.Errorf("reading the memory of %s: %w", p.name, err)
				}
				*to = kib >> 10
			}
		}
	}
	return m, nil
}
