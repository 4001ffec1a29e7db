// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/capture"
)

// Program is a third-party client as a process.
type Program struct {
	cmd  *exec.Cmd
	user *User
	// opens matches the URLs that the user opens.
	opens *regexp.Regexp

	stdin io.WriteCloser
	lines chan string // of standard output
	users sync.WaitGroup

	output capture.Buffer // all of it, for failures
	mu     sync.Mutex
	failed error // the user's failures
}

// Start runs a program; the user opens every URL of the issuer's authorization
// endpoint that it prints.
func Start(ctx context.Context, t testing.TB, issuer string, user *User, cmd *exec.Cmd) *Program {
	t.Helper()
	p := &Program{cmd: cmd, user: user, lines: make(chan string, 1000), opens: regexp.MustCompile(regexp.QuoteMeta(issuer+"/authorize?") + `\S+`)}
	stdout, err := cmd.StdoutPipe()
	stderr, err2 := cmd.StderrPipe()
	stdin, err3 := cmd.StdinPipe()
	if err := errors.Join(err, err2, err3, ctx.Err()); err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.users.Go(func() { p.listen(stdout, p.lines) })
	p.users.Go(func() { p.listen(stderr, nil) })
	return p
}

// listen reads lines and lets the user open what they name.
func (p *Program) listen(from io.Reader, lines chan<- string) {
	if lines != nil {
		defer close(lines)
	}
	scanner := bufio.NewScanner(from)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		line := scanner.Text()
		_, _ = fmt.Fprintln(&p.output, line)
		if address := p.opens.FindString(line); address != "" {
			p.users.Go(func() {
				if err := p.user.Open(address); err != nil {
					p.mu.Lock()
					p.failed = errors.Join(p.failed, err)
					p.mu.Unlock()
					_ = p.cmd.Process.Kill() // it would wait for the answer in vain
				}
			})
		}
		if lines != nil {
			select {
			case lines <- line:
			default: // nobody reads them
			}
		}
	}
}

// Output is all that the program printed.
func (p *Program) Output() string { return p.output.String() }

// Wait waits for a good end.
func (p *Program) Wait() error {
	p.users.Wait() // pipes first: Wait closes them
	err := p.cmd.Wait()
	if err = errors.Join(p.failed, err); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(p.cmd.Args[1:2], " "), err, p.Output())
	}
	return nil
}

// Result waits for a good end and reads the last line.
func (p *Program) Result(into any) error {
	if err := p.Wait(); err != nil {
		return err
	}
	last := strings.TrimSpace(p.Output())
	last = last[strings.LastIndex(last, "\n")+1:]
	if err := json.Unmarshal([]byte(last), into); err != nil {
		return fmt.Errorf("the last line is %q: %w", last, err)
	}
	return nil
}

// End closes the program's standard input, which ends programs that serve it.
func (p *Program) End() error {
	return errors.Join(p.stdin.Close(), p.Wait())
}

// Say writes a line to the program.
func (p *Program) Say(line string) error {
	_, err := io.WriteString(p.stdin, line+"\n")
	return err
}

// Hear waits for the next line.
func (p *Program) Hear(ctx context.Context) (string, error) {
	select {
	case line, ok := <-p.lines:
		if !ok {
			return "", errors.Join(errors.New("it ended early"), p.Wait())
		}
		return line, nil
	case <-ctx.Done():
		return "", fmt.Errorf("%w: %s", ctx.Err(), p.Output())
	}
}
