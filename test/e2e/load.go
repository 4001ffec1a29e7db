// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// load is logins without end: half of the users keep their connections from one
// login to the next, the others make a new one for every request.
type load struct {
	counts counts
	logins atomic.Int64
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	failed []string
	// lost are logins whose request was under way in a process that was killed.
	lost int
}

// startLoad: mayLose is for SIGKILL, which cuts off requests under way; a POST is
// not sent again by itself, so its user has to begin anew.
func (s *suite) startLoad(ctx context.Context, mayLose bool) *load {
	ctx, cancel := context.WithCancel(ctx)
	l := &load{cancel: cancel}
	for n := range s.workers {
		l.wg.Go(func() {
			u := s.newUser(&l.counts, n%2 == 0)
			for i := n; ctx.Err() == nil; i++ {
				a := apps()[i%len(apps())]
				// A login that began is finished, also after the end of the load.
				one, done := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
				token, err := u.logIn(one, a)
				if err == nil && i%5 == 0 {
					_, err = s.newUser(&l.counts, true).refresh(one, a, token.RefreshToken)
				}
				done()
				l.logins.Add(1)
				switch {
				case err == nil:
				case mayLose && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)):
					l.mu.Lock()
					l.lost++
					l.mu.Unlock()
				default:
					l.mu.Lock()
					l.failed = append(l.failed, time.Now().Format("15:04:05.000 ")+a.id+": "+err.Error())
					l.mu.Unlock()
				}
			}
		})
	}
	return l
}

// stop ends the load and reports on it.
func (l *load) stop(s *suite, what string) error {
	l.cancel()
	l.wg.Wait()
	s.line("%-31s %d logins, %d failed; %d answers, %d not 2xx or 3xx; %d connections tried again",
		what+":", l.logins.Load(), len(l.failed), l.counts.answers.Load(), l.counts.bad.Load(), l.counts.retried.Load())
	for _, f := range l.failed[:min(len(l.failed), 5)] {
		s.line("  %s", f)
	}
	if l.lost > 0 {
		s.line("  %d lost a POST that was under way in the killed process (connection reset)", l.lost)
	}
	if l.lost > s.workers {
		return fmt.Errorf("%s: %d logins were lost, more than were under way", what, l.lost)
	}
	if len(l.failed) > 0 || l.counts.bad.Load() > 0 {
		return fmt.Errorf("%s: logins failed", what)
	}
	if l.logins.Load() == 0 {
		return fmt.Errorf("%s: nobody logged in", what)
	}
	return nil
}

// under does something while users log in.
func (s *suite) under(ctx context.Context, what string, do func(context.Context) error) error {
	l := s.startLoad(ctx, false)
	err := do(ctx)
	return errors.Join(err, l.stop(s, what))
}

// drain is how long the last old pod takes to end after a rollout is complete.
const drain = 8 * time.Second

// rolled waits until all pods of a Deployment are those that it wants.
func (s *suite) rolled(ctx context.Context, deployment string) error {
	_, err := s.kube(ctx, "", "-n", namespace, "rollout", "status", "deployment/"+deployment, "--timeout=180s")
	return err
}

// restart replaces the brokers' pods, one after the other.
func (s *suite) restart(ctx context.Context) error {
	_, err := s.kube(ctx, "", "-n", namespace, "rollout", "restart", "deployment/"+release)
	return errors.Join(err, s.rolled(ctx, release), pause(ctx, drain))
}

// breakThings does what clusters do to pods. Every one is tried and reported.
func (s *suite) breakThings(ctx context.Context) error {
	var errs []error
	for _, b := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"nothing happens for 10 s", func(ctx context.Context) error { return pause(ctx, 10*time.Second) }},
		{"rolling restart of brokers", s.restart},
		{"a broker pod is deleted", func(ctx context.Context) error { return s.deletePod(ctx, "broker", release) }},
		{"the operator's pods are deleted", func(ctx context.Context) error {
			_, err := s.kube(ctx, "", "-n", namespace, "delete", "pods", "-l", "app.kubernetes.io/component=manager", "--wait=false")
			return errors.Join(err, pause(ctx, 2*time.Second), s.rolled(ctx, release+"-manager"))
		}},
		{"scaled to 1 and back to 3", func(ctx context.Context) error {
			for _, n := range []string{"1", "3"} {
				if _, err := s.kube(ctx, "", "-n", namespace, "scale", "deployment/"+release, "--replicas="+n); err != nil {
					return err
				}
				if err := errors.Join(pause(ctx, drain), s.rolled(ctx, release)); err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		errs = append(errs, s.under(ctx, b.what, b.do))
	}
	l := s.startLoad(ctx, true)
	errs = append(errs, s.killContainer(ctx), l.stop(s, "a broker is killed (SIGKILL)"))
	return errors.Join(errs...)
}

func (s *suite) deletePod(ctx context.Context, component, deployment string) error {
	pod, err := s.firstPod(ctx, component)
	if err != nil {
		return err
	}
	if _, err := s.kube(ctx, "", "-n", namespace, "delete", "pod", pod); err != nil {
		return err
	}
	return s.rolled(ctx, deployment)
}

func (s *suite) firstPod(ctx context.Context, component string) (string, error) {
	out, err := s.kube(ctx, "", "-n", namespace, "get", "pods", "-l", "app.kubernetes.io/component="+component, "-o", "jsonpath={.items[0].metadata.name}")
	return strings.TrimSpace(out), err
}

// killContainer sends SIGKILL to a broker process: nothing is drained, requests
// under way are lost, and kubelet starts the container again.
func (s *suite) killContainer(ctx context.Context) error {
	if !s.own {
		s.line("left out: needs the node's processes")
		return pause(ctx, time.Second)
	}
	pid, err := brokerProcess()
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	_, err = s.kube(ctx, "", "-n", namespace, "wait", "--for=condition=Ready", "pods", "-l", "app.kubernetes.io/component=broker", "--timeout=60s")
	return err
}

// brokerProcess finds a broker of this cluster: one in a container of kubelet's.
func brokerProcess() (int, error) {
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, err
	}
	for _, file := range commands {
		line, _ := os.ReadFile(file) // a process that has just ended
		groups, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cgroup"))
		if strings.HasPrefix(string(line), "/broker\x00serve\x00--public-url="+publicURL) && strings.Contains(string(groups), "kubepods") {
			return strconv.Atoi(filepath.Base(filepath.Dir(file)))
		}
	}
	return 0, errors.New("no broker process found")
}

// killComponent ends a part of the control plane by the process id that up.sh
// wrote. SIGTERM would let an API server serve its watches for a while.
func (s *suite) killComponent(name string) error {
	content, err := os.ReadFile(filepath.Join(filepath.Dir(s.kubeconfig), name+".pid"))
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return err
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

// stopAPIServer takes the control plane away and lets users log in meanwhile.
func (s *suite) stopAPIServer(ctx context.Context) error {
	if !s.own {
		s.line("left out: the API server is not ours to stop")
		return nil
	}
	err := s.under(ctx, "API server away for "+s.outage.String(), func(ctx context.Context) error {
		// Controller manager and scheduler lose their leases without an API server
		// and start afresh. Here they hold none: one that went on would take all
		// nodes for dead, the other would wait long before it looks again.
		for _, name := range []string{"scheduler", "controller-manager", "apiserver"} {
			if err := s.killComponent(name); err != nil {
				return err
			}
		}
		if err := pause(ctx, s.outage/2); err != nil {
			return err
		}
		if _, err := s.kube(ctx, "", "get", "--raw", "/readyz", "--request-timeout=2s"); err == nil {
			return errors.New("the API server still answers")
		}
		return pause(ctx, s.outage/2)
	})
	err = errors.Join(err, s.script(ctx, "up.sh"))
	return errors.Join(err, s.under(ctx, "API server is back", func(ctx context.Context) error {
		_, err := s.kube(ctx, s.vendor("after-outage"), "apply", "-f", "-")
		if err != nil {
			return err
		}
		_, err = s.kube(ctx, "", "wait", "--for=condition=Programmed", "oauthvendor/e2e", "--timeout=60s")
		return errors.Join(err, s.nodeFollows(ctx))
	}))
}

// nodeFollows waits until kube-proxy has seen a new Service. While the API server is
// away it looks for it ever more rarely, up to a minute apart; until it looks again,
// new connections go to the pods that it knew, and a rollout would end these.
func (s *suite) nodeFollows(ctx context.Context) error {
	began, name := time.Now(), "after-outage"
	if _, err := s.kube(ctx, "", "-n", namespace, "expose", "deployment", release, "--name="+name, "--port=443", "--target-port=public"); err != nil {
		return err
	}
	ip, err := s.kube(ctx, "", "-n", namespace, "get", "service", name, "-o", "jsonpath={.spec.clusterIP}")
	if err != nil {
		return err
	}
	if err := reachable(ctx, ip+":443", 2*time.Minute); err != nil {
		return err
	}
	s.line("kube-proxy followed %s after the API server was back", time.Since(began).Round(100*time.Millisecond))
	_, err = s.kube(ctx, "", "-n", namespace, "delete", "service", name)
	return err
}

// until tries again after a while, until it succeeds or limit is over.
func until(ctx context.Context, limit, while time.Duration, try func() error) error {
	for began := time.Now(); ; {
		err := try()
		if err == nil || ctx.Err() != nil || time.Since(began) > limit {
			return err
		}
		if err := pause(ctx, while); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
