// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/oauthbroker/oauth-broker/test/authority"
	"github.com/oauthbroker/oauth-broker/test/documents"
)

const (
	kubectl       = "kubectl -n " + namespace + " "
	noCertManager = "no cert-manager here"
	noRedis       = "no Redis here"
)

// notRun are the commands of runbooks that are not run, by their first line, and
// why. A test holds both lists against the pages.
func notRun() map[string]string {
	return map[string]string{
		"broker keys wrap":                    "names the command: test/binary and test/integration/binary run it",
		"helm upgrade":                        "names the command: the upgrade here runs it",
		"kubectl describe pod":                "names the command: OAuthBrokerDown has all of it",
		"oauth-broker vendors check --online": "names the command: OAuthBrokerVendorFailing has all of it",

		kubectl + "describe certificate":                               noCertManager,
		kubectl + "get certificate,certificaterequest,order,challenge": noCertManager,
		kubectl + "top pods -l app.kubernetes.io/component=broker":     "no metrics server here",
		kubectl + "get secret NAME-OF-REDIS-SECRET":                    noRedis,
		kubectl + "run redis-check --rm -it --restart=Never --image=redis --override-type=strategic --overrides='{\"spec\": {": "no image of Redis here: test/integration/install has the pod admitted",
	}
}

// silent are parts of commands that find nothing here, and why. They are run, and
// must print nothing.
func silent() map[string]string {
	return map[string]string{
		`"an app is left at a vendor"`: "no app is registered here",
		".took>5e9":                    "the vendor is fast",
		"get hpa":                      "the number of replicas is fixed",
		"get resourcequota":            "there is none",
		"grep 'audit log'":             "no audit log is written",
		"grep -A3 audit-log":           "no audit log is written",
		"grep -e '\"msg\":\"panic\"'":  "nothing panics",
		"grep -i redis":                noRedis,
		"grep redis":                   noRedis,
		"select(.status==429)":         "no caller is limited",
		`test("redis")`:                noRedis,
	}
}

// reader is somebody who works through the runbooks.
type reader struct {
	suite *suite
	dir   string
	env   []string
	fill  *strings.Replacer
	ran   int
}

// runbooks runs the commands of every page.
func (s *suite) runbooks(ctx context.Context) error {
	r, err := s.newReader(ctx)
	if err != nil {
		return err
	}
	pages, err := filepath.Glob(filepath.Join(s.tools.Root, "docs", "runbooks", "*.md"))
	if err != nil {
		return err
	}
	// The key ring first: without one no pod may start again.
	ofRing := func(page string) bool { return strings.Contains(page, "OAuthBrokerKeyRing") }
	others := slices.DeleteFunc(slices.Clone(pages), ofRing)
	pages = slices.DeleteFunc(pages, func(page string) bool { return !ofRing(page) })
	err = errors.Join(r.breakKeyRing(ctx), r.work(ctx, pages))
	err = errors.Join(err, r.makeTrouble(ctx), r.work(ctx, others))
	s.line("%d commands of runbooks ran; %d cannot be run here", r.ran, len(notRun()))
	// Until every pod has the key and the certificate that are new takes two minutes, or this.
	return errors.Join(err, s.restart(ctx), s.rolled(ctx, release+"-manager"), s.refreshOld(ctx), s.logins(ctx))
}

// newReader has kubectl, helm and the product's programs on the path, and in a
// folder the files that runbooks speak of.
func (s *suite) newReader(ctx context.Context) (*reader, error) {
	r := &reader{suite: s, dir: s.file("reader")}
	bin := filepath.Join(r.dir, "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		return nil, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", bin, "./cmd/broker", "./cmd/oauth-broker")
	build.Dir = s.tools.Root
	if err := s.command(build); err != nil {
		return nil, err
	}
	for name, of := range map[string]string{"kubectl": s.kubectl, "helm": s.tools.Helm} {
		path, err := exec.LookPath(of)
		if err == nil {
			err = os.Symlink(path, filepath.Join(bin, name))
		}
		if err != nil {
			return nil, err
		}
	}
	r.env = append(os.Environ(), "KUBECONFIG="+s.kubeconfig, "HOME="+r.dir, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	node, err := s.kube(ctx, "", "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
	if err != nil {
		return nil, err
	}
	r.fill = strings.NewReplacer("/NODE/", "/"+node+"/", "NAMESPACE", "globex", "byoccredential NAME", "byoccredential e2e", "byoccredential/NAME", "byoccredential/e2e",
		"oauthvendor NAME", "oauthvendor e2e", "oauthvendor VENDOR", "oauthvendor e2e", `"VENDOR"`, `"e2e"`, "generic SECRET", "generic e2e-app",
		"clientID=...", "clientID=globex-app", "clientSecret=...", "clientSecret=globex-app-secret", "--online FILE", "--online vendor.yaml",
		"-connect BROKER_HOST:443", "-connect "+s.service, "BROKER_HOST", host)
	return r, errors.Join(r.files(), r.upgradeToTheSame(ctx))
}

// files are a new certificate, and the vendor's manifest.
func (r *reader) files() error {
	certificate, err := r.suite.trust.Issue(host)
	if err != nil {
		return err
	}
	cert, key, err := authority.PEM(certificate)
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{"tls.crt": cert, "tls.key": key, "vendor.yaml": []byte(r.suite.vendor(""))} {
		if err := os.WriteFile(filepath.Join(r.dir, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// upgradeToTheSame makes a revision for `helm rollback`.
func (r *reader) upgradeToTheSame(ctx context.Context) error {
	return r.suite.helm(ctx, "upgrade", release, r.suite.chart(), "--namespace", namespace, "--reuse-values", "--wait")
}

// breakKeyRing saves the ring as the guide says, and writes another text over it.
func (r *reader) breakKeyRing(ctx context.Context) error {
	guide, err := documents.Commands(filepath.Join(r.suite.tools.Root, "docs", "guides", "upgrade.md"))
	if err != nil {
		return err
	}
	i := slices.IndexFunc(guide, func(command string) bool { return strings.Contains(command, "keyring.backup") })
	if i < 0 {
		return errors.New("upgrade.md does not say how the key ring is saved")
	}
	if _, err := r.bash(ctx, guide[i]); err != nil {
		return err
	}
	_, err = r.suite.kube(ctx, "", "-n", namespace, "patch", "secret", release+"-keyring", "-p", `{"stringData": {"keyring.json": "{}"}}`)
	return err
}

// makeTrouble gives the runbooks something to find: a damaged index, a secret that
// the vendor refuses, and an app that is left there.
func (r *reader) makeTrouble(ctx context.Context) error {
	s := r.suite
	for _, args := range [][]string{
		{"-n", published, "patch", "secret", "oauth-broker-index-v1", "-p", `{"stringData": {"index.json": "{}"}}`},
		{"-n", "globex", "patch", "secret", "e2e-app", "-p", `{"stringData": {"clientSecret": "an-old-one"}}`},
		{"patch", "oauthvendor", "e2e", "--subresource=status", "--type=merge", "-p", `{"status": {"orphanedRegistrations": [
			{"softwareID": "s", "clientID": "c", "credential": "globex/e2e", "reason": "no deletion", "time": "2026-01-01T00:00:00Z"}]}}`},
	} {
		if _, err := s.kube(ctx, "", args...); err != nil {
			return err
		}
	}
	web := apps()[1]
	return until(ctx, 20*time.Second, 100*time.Millisecond, func() error {
		u := s.newUser(&counts{}, true)
		_, login := u.logIn(ctx, web)
		_, refresh := u.refresh(ctx, web, s.tokens.refresh[web.id])
		if login == nil || refresh == nil {
			return errors.New("a wrong secret logs in")
		}
		s.line("the vendor refuses a credential: %v", refresh)
		return nil
	})
}

// work is first what the pages diagnose by, while there is something to find, and
// then what they mend it with.
func (r *reader) work(ctx context.Context, pages []string) error {
	var failed []error
	for _, commands := range []func(string) ([]string, error){documents.Commands, documents.Mentioned} {
		for _, page := range pages {
			failed = append(failed, r.read(ctx, page, commands))
		}
	}
	return errors.Join(failed...)
}

// read runs commands of a page.
func (r *reader) read(ctx context.Context, page string, commands func(string) ([]string, error)) error {
	all, err := commands(page)
	if err != nil {
		return err
	}
	var failed []error
	for _, command := range all {
		if reason(notRun(), func(first string) bool { return command == first || strings.HasPrefix(command, first+"\n") }) != "" {
			continue
		}
		r.ran++
		if err := errors.Join(r.passesOver(ctx, command), r.try(ctx, command)); err != nil {
			r.suite.line("%s: %v", filepath.Base(page), err)
			failed = append(failed, fmt.Errorf("%s: %w", filepath.Base(page), err))
		}
	}
	return errors.Join(failed...)
}

// passesOver: the chart sends audit records to where the log goes, too, and what
// looks for events must not take one for such.
func (r *reader) passesOver(ctx context.Context, command string) error {
	if !strings.HasPrefix(filter(command), "select(") {
		return nil
	}
	records, err := documents.Blocks(filepath.Join(r.suite.tools.Root, "docs", "guides", "observability.md"), "json")
	if err != nil {
		return err
	}
	record := strings.ReplaceAll(strings.Join(records, ""), "github", "e2e")
	out, err := r.bash(ctx, "jq -r '"+r.fill.Replace(filter(command))+"' <<'END'\n"+record+"END")
	if err == nil && out != "" {
		err = fmt.Errorf("takes an audit record for an event: %s", out)
	}
	return err
}

// filter is the program for jq in a command.
func filter(command string) string {
	_, program, _ := strings.Cut(command, "jq -r '")
	program, _, _ = strings.Cut(program, "'")
	return program
}

func reason(of map[string]string, fits func(string) bool) string {
	for part, why := range of {
		if fits(part) {
			return why
		}
	}
	return ""
}

// patience with a command: kubelet takes a minute and more until a changed Secret
// is in a pod.
const patience = 2 * time.Minute

// try runs a command until it has shown what it is for.
func (r *reader) try(ctx context.Context, command string) error {
	if why := reason(silent(), func(part string) bool { return strings.Contains(command, part) }); why != "" {
		out, err := r.bash(ctx, r.fill.Replace(command))
		if err != nil || out != "" {
			return fmt.Errorf("%s\nprints something, although %s: %w\n%.500s", command, why, err, out)
		}
		source, _, filtered := strings.Cut(command, " | ")
		if !filtered {
			return nil
		}
		command = source // what it looks through must be there
	}
	return until(ctx, patience, time.Second, func() error {
		out, err := r.bash(ctx, r.fill.Replace(command))
		if err == nil {
			err = telling(command, out)
		}
		if err != nil {
			return fmt.Errorf("%s\n%w", command, err)
		}
		return nil
	})
}

// bash runs a command in the reader's folder. A grep that finds nothing is no
// failure, nor is a sort that head has cut off.
func (r *reader) bash(ctx context.Context, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", command)
	cmd.Dir, cmd.Env = r.dir, r.env
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		switch code := exit.ExitCode(); {
		case code == 1 && strings.Contains(command, "grep") && problems.Len() == 0:
			err = nil
		case code == 128+int(syscall.SIGPIPE) && strings.Contains(command, "| head"):
			err = nil
		}
	}
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, problems.String())
	}
	return out.String(), err
}

// telling: a command must print something, and of a table something in each
// column: jq takes a name that is not there for empty.
func telling(command, out string) error {
	if strings.TrimSpace(out) == "" {
		return errors.New("prints nothing")
	}
	if !strings.Contains(command, "@tsv") {
		return nil
	}
	told := map[int]bool{}
	columns := 0
	for line := range strings.Lines(out) {
		line = regexp.MustCompile(`^ *\d+ `).ReplaceAllString(strings.TrimRight(line, "\n"), "") // of uniq
		for i, cell := range strings.Split(line, "\t") {
			columns = max(columns, i+1)
			told[i] = told[i] || cell != ""
		}
	}
	for i := range columns {
		if !told[i] {
			return fmt.Errorf("column %d is always empty:\n%.500s", i+1, out)
		}
	}
	return nil
}
