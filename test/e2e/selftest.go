// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
)

// helmTest runs the chart's own test and looks whether it cleaned up.
func (s *suite) helmTest(ctx context.Context) error {
	problem := s.command(exec.CommandContext(ctx, s.tools.Helm, "test", release, "--namespace", namespace, "--timeout", "3m", "--kubeconfig", s.kubeconfig))
	// Not by --logs: Helm asks for a pod of the name of every hook, of whatever kind.
	out, err := s.kube(ctx, "", "-n", namespace, "logs", release+"-selftest")
	if err := errors.Join(problem, err); err != nil {
		return fmt.Errorf("helm test: %w\n%s", err, out)
	}
	if !strings.Contains(out, "a login and a refresh through "+publicURL) {
		return fmt.Errorf("helm test did not log in:\n%s", out)
	}
	s.line("$ helm test %s: passed", release)
	for line := range strings.Lines(out) {
		if strings.Contains(line, "every broker serves") || strings.Contains(line, "a login and a refresh") {
			s.line("  %s", strings.TrimSpace(line))
		}
	}
	for _, left := range []string{"oauthvendor", "clusterrole"} {
		if _, err := s.kube(ctx, "", "get", left, release+"-selftest"); err == nil {
			return fmt.Errorf("helm test left the %s %s-selftest", left, release)
		}
	}
	return nil
}

// people uses the command line: doctor asks every pod through the API server,
// and explain finds what a pod logged of a request.
func (s *suite) people(ctx context.Context) error {
	build := exec.CommandContext(ctx, "go", "build", "-o", s.file("oauth-broker"), "./cmd/oauth-broker")
	build.Dir = s.tools.Root
	if err := s.command(build); err != nil {
		return err
	}
	if err := s.doctor(ctx); err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, publicURL+"/v1/vendors/e2e/authorize?client_id=acme.cli&redirect_uri=https://nowhere.example/", nil)
	if err != nil {
		return err
	}
	answer, err := s.newUser(&counts{}, true).http.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	page, err := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
	if err != nil {
		return err
	}
	id := regexp.MustCompile(`\b[A-Z2-7]{26}\b`).FindString(string(page))
	out, err := exec.CommandContext(ctx, s.file("oauth-broker"), "explain", id, "--kubeconfig", s.kubeconfig, "-n", namespace).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "redirect_uri not registered") {
		return fmt.Errorf("oauth-broker explain %s: %w\n%s", id, err, out)
	}
	s.line("$ oauth-broker explain %s: redirect_uri not registered", id)
	return nil
}

// doctor must reach every pod and find every object ready. The public URL's host
// has no DNS here, which it rightly calls a problem.
func (s *suite) doctor(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, s.file("oauth-broker"), "doctor", "--json", "--kubeconfig", s.kubeconfig, "-n", namespace).Output()
	var report struct {
		Findings []struct{ Check, Object, Level, Message string }
	}
	if bad := json.Unmarshal(out, &report); bad != nil {
		return fmt.Errorf("oauth-broker doctor: %w", errors.Join(err, bad))
	}
	pods := 0
	for _, f := range report.Findings {
		switch {
		case f.Check == "pod" && f.Level == "ok":
			pods++
		case f.Level == "problem" && f.Check != "broker-url" && !strings.Contains(f.Object, "github") && !strings.Contains(f.Object, "ramp"):
			return fmt.Errorf("oauth-broker doctor: %s %s: %s", f.Check, f.Object, f.Message)
		}
	}
	if pods != 3 {
		return fmt.Errorf("oauth-broker doctor asked %d pods, want 3:\n%s", pods, out)
	}
	s.line("$ oauth-broker doctor: %d checks, 3 pods serve what is published", len(report.Findings))
	return nil
}
