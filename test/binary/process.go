// SPDX-License-Identifier: Apache-2.0

package binary

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/test/authority"
	"github.com/oauthbroker/oauth-broker/test/capture"
	"github.com/oauthbroker/oauth-broker/test/poll"
)

// Patience is how long a test waits for what should happen soon.
const Patience = time.Minute

// Build builds a command of this repository into dir, with flags of go build.
func Build(root, dir, command string, flags ...string) (string, error) {
	path := filepath.Join(dir, command)
	cmd := exec.Command("go", append(append([]string{"build"}, flags...), "-o", path, "./cmd/"+command)...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", command, err, out)
	}
	return path, nil
}

// Install is what the brokers of one deployment share.
type Install struct {
	T      testing.TB
	Binary string
	// Dir holds keyring.json, tls.crt, tls.key and, below config, manifests.
	Dir string
	// PublicURL, and the addresses of both listeners.
	PublicURL, Public, Admin string
	// Env is the environment besides the parent's, NAME=value.
	Env []string
	CA  *authority.Authority
	// Output takes what brokers write instead of their logs; nil keeps it.
	Output *os.File

	listener *listener
}

// New makes an install with a new key ring, which the binary writes.
func New(t testing.TB, binary string) *Install {
	t.Helper()
	ca, err := authority.New()
	if err != nil {
		t.Fatal(err)
	}
	in := &Install{T: t, Binary: binary, Dir: t.TempDir(), Public: FreeAddress(t), Admin: FreeAddress(t), CA: ca, listener: newListener()}
	in.PublicURL = "https://" + in.Public
	in.Issue()
	if code, stderr := in.Run("keys", "new", in.Path("keyring.json")); code != 0 {
		t.Fatalf("keys new: %d %s", code, stderr)
	}
	if err := os.Mkdir(in.Path("config"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.listener.check(t) })
	return in
}

// Path of a file of the install.
func (in *Install) Path(name string) string { return filepath.Join(in.Dir, name) }

// Write replaces a file in one step, as editors and kubelets do.
func (in *Install) Write(name, content string) {
	in.T.Helper()
	tmp := in.Path(name) + ".tmp"
	if err := errors.Join(os.WriteFile(tmp, []byte(content), 0o600), os.Rename(tmp, in.Path(name))); err != nil {
		in.T.Fatal(err)
	}
}

// Read is the content of a file.
func (in *Install) Read(name string) string {
	in.T.Helper()
	b, err := os.ReadFile(in.Path(name))
	if err != nil {
		in.T.Fatal(err)
	}
	return string(b)
}

// Remove deletes a file.
func (in *Install) Remove(name string) {
	in.T.Helper()
	if err := os.Remove(in.Path(name)); err != nil {
		in.T.Fatal(err)
	}
}

// Flags of `broker serve` for this install, but for the source.
func (in *Install) Flags() []string {
	return []string{
		"serve", "--public-url", in.PublicURL, "--listen", in.Public, "--admin-listen", in.Admin, "--keyring", in.Path("keyring.json"),
		"--tls-cert", in.Path("tls.crt"), "--tls-key", in.Path("tls.key"), "--shutdown-delay", "0s",
	}
}

// Another is the same install with listeners of its own, for another replica.
func (in *Install) Another() *Install {
	in.T.Helper()
	out := *in
	out.Public, out.Admin = FreeAddress(in.T), FreeAddress(in.T)
	return &out
}

// Broker is a running process.
type Broker struct {
	in   *Install
	cmd  *exec.Cmd
	log  *capture.Buffer
	done chan struct{}
	code int
}

// Start runs a broker over the directory config until the test ends. Flags that
// are given again replace the ones of Flags.
func (in *Install) Start(more ...string) *Broker {
	in.T.Helper()
	return in.start(append(append(in.Flags(), "--config", in.Path("config")), more...))
}

// StartWith runs a broker with a source of the caller's choice.
func (in *Install) StartWith(source ...string) *Broker {
	in.T.Helper()
	return in.start(append(in.Flags(), source...))
}

func (in *Install) start(args []string) *Broker {
	in.T.Helper()
	b := &Broker{in: in, log: &capture.Buffer{}, done: make(chan struct{})}
	b.cmd = in.command(args)
	b.cmd.Stdout, b.cmd.Stderr = b.log, b.log
	if in.Output != nil {
		b.cmd.Stdout, b.cmd.Stderr = in.Output, in.Output
	}
	if err := b.cmd.Start(); err != nil {
		in.T.Fatal(err)
	}
	go func() {
		_ = b.cmd.Wait() // the code tells
		b.code = b.cmd.ProcessState.ExitCode()
		close(b.done)
	}()
	in.listener.written = append(in.listener.written, b.log)
	in.T.Cleanup(func() { b.Kill() })
	Eventually(in.T, func() error {
		select {
		case <-b.done:
			in.T.Fatalf("the broker ended at once with %d: %s", b.code, b.log)
		default:
		}
		_, err := b.AdminGet("/healthz")
		return err
	})
	return b
}

func (in *Install) command(args []string) *exec.Cmd {
	cmd := exec.Command(in.Binary, args...)
	cmd.Env = append(os.Environ(), in.Env...)
	cmd.Dir = in.Dir
	return cmd
}

// Run runs the binary to its end, which must come by itself.
func (in *Install) Run(args ...string) (code int, stderr string) {
	in.T.Helper()
	var out, errs capture.Buffer
	cmd := in.command(args)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		in.T.Fatal(err)
	}
	late := time.AfterFunc(Patience, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait() // the code tells
	if !late.Stop() {
		in.T.Fatalf("broker %s did not end: %s", strings.Join(args, " "), &errs)
	}
	in.listener.written = append(in.listener.written, &out, &errs)
	return cmd.ProcessState.ExitCode(), errs.String()
}

// Log is what the process wrote.
func (b *Broker) Log() string { return b.log.String() }

// Signal sends SIGTERM.
func (b *Broker) Signal() {
	b.in.T.Helper()
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		b.in.T.Fatal(err)
	}
}

// Wait waits for the end and returns the exit code.
func (b *Broker) Wait() int {
	b.in.T.Helper()
	select {
	case <-b.done:
	case <-time.After(Patience + 20*time.Second):
		b.in.T.Fatalf("the broker did not end: %s", b.log)
	}
	return b.code
}

// Stop ends the broker in order; it is an error where that fails.
func (b *Broker) Stop() {
	b.in.T.Helper()
	b.measure()
	b.Signal()
	if code := b.Wait(); code != 0 {
		b.in.T.Errorf("the broker ended with %d: %s", code, b.log)
	}
}

// Kill ends the broker at once, as a crash does.
func (b *Broker) Kill() {
	select {
	case <-b.done:
		return
	default:
	}
	b.measure()
	_ = b.cmd.Process.Kill()
	<-b.done
}

// measure keeps the metrics for the listener.
func (b *Broker) measure() {
	if metrics, err := b.AdminGet("/metrics"); err == nil {
		b.in.listener.written = append(b.in.listener.written, bytes.NewBufferString(metrics))
	}
}

// StatusError is an answer other than 200.
type StatusError struct {
	Status int
	Body   string
}

func (e *StatusError) Error() string { return fmt.Sprintf("status %d: %s", e.Status, e.Body) }

// AdminGet reads a path of the admin listener.
func (b *Broker) AdminGet(path string) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.in.T.Context()), Patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.in.Admin+path, http.NoBody)
	if err != nil {
		return "", err
	}
	r.Close = true
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = &StatusError{answer.StatusCode, string(body)}
	}
	return string(body), err
}

// Ready waits until the broker serves.
func (b *Broker) Ready() *Broker {
	b.in.T.Helper()
	Eventually(b.in.T, func() error { _, err := b.AdminGet("/readyz"); return err })
	return b
}

// Revision is what the admin port says is served.
type Revision struct {
	Sequence int64    `json:"sequence"`
	Revision string   `json:"revision"`
	KeyIDs   []string `json:"keyIDs"`
}

// Revision asks for it.
func (b *Broker) Revision() Revision {
	b.in.T.Helper()
	var r Revision
	body, err := b.AdminGet("/revision")
	if err == nil {
		err = json.Unmarshal([]byte(body), &r)
	}
	if err != nil {
		b.in.T.Fatal(err)
	}
	return r
}

// LogHas waits for a line of the log that holds all parts.
func (b *Broker) LogHas(parts ...string) string {
	b.in.T.Helper()
	var found string
	Eventually(b.in.T, func() error {
		for line := range strings.Lines(b.Log()) {
			if holdsAll(line, parts) {
				found = line
				return nil
			}
		}
		return fmt.Errorf("no line of the log holds %q:\n%s", parts, b.Log())
	})
	return found
}

func holdsAll(text string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}

// Eventually is poll.Until with Patience.
func Eventually(t testing.TB, check func() error) {
	t.Helper()
	poll.Until(t, Patience, check)
}

// FreeAddress is a loopback address that nobody listens on. Its port is below
// those that the system gives to connections, which would take it meanwhile.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		n, err := rand.Int(rand.Reader, big.NewInt(22000))
		if err != nil {
			t.Fatal(err)
		}
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", 10000+n.Int64()))
		if err == nil {
			_ = l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}
