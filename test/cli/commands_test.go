// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestExplain: the code of an error page leads to the broker's log line.
func TestExplain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	answer, err := s.HTTP().Get(s.PublicURL + "/v1/vendors/acme/authorize?client_id=team.cli&redirect_uri=https://evil.example/")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, _ := io.ReadAll(answer.Body)
	id := regexp.MustCompile(`[A-Z2-7]{26}`).FindString(string(page))
	if answer.StatusCode != http.StatusBadRequest || id == "" {
		t.Fatalf("status %d, no code in %s", answer.StatusCode, page)
	}
	s.broker.LogHas(id)
	file := filepath.Join(t.TempDir(), "log")
	// As `kubectl logs --prefix` writes it, among lines that are no JSON.
	log := "no JSON " + id + "\n{broken " + id + "\n[pod/oauth-broker-1/broker] " + strings.ReplaceAll(s.broker.Log(), "\n", "\n[pod/oauth-broker-1/broker] ")
	if err := os.WriteFile(file, []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	p := oauthBroker(t)
	r := p.Run("explain", "--log-file", file, id)
	wantCode(t, r, 0)
	wantIn(t, r.Stdout, "GET /v1/vendors/{vendor}/authorize answered 400", "client team.cli", "redirect_uri not registered", "What happened:", "kubectl -n team get brokerclient cli")
	p.Input = s.broker.Log()
	r = p.Run("explain", "--json", "--log-file", "-", id)
	wantCode(t, r, 0)
	var got struct {
		Event     struct{ RequestID, Cause, Client string }
		What, Fix string
	}
	if err := json.Unmarshal([]byte(r.Stdout), &got); err != nil || got.Event.RequestID != id || got.What == "" || got.Fix == "" {
		t.Errorf("%v in %s", err, r.Stdout)
	}
	r = p.Run("explain", "--log-file", file, "AAAAAAAAAAAAAAAAAAAAAAAAAA")
	wantCode(t, r, 1)
	wantIn(t, r.Stderr, "no log has AAAAAAAAAAAAAAAAAAAAAAAAAA")
	wantCode(t, p.Run("explain", "--log-file", file, "not-a-code"), 2)
	wantCode(t, p.Run("explain", "--log-file", file+".missing", id), 1)
}

// TestVendors: from a directory and from a broker.
func TestVendors(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := oauthBroker(t)
	catalog := filepath.Join("..", "..", "config", "vendors")
	r := p.Run("vendors", "list", "--config", catalog)
	wantCode(t, r, 0)
	wantIn(t, r.Stdout, "NAME DISPLAY NAME", "github GitHub", "/v1/callback/github")
	r = p.Run("vendors", "list", "--config", catalog, "--json", "github", "ramp")
	wantCode(t, r, 0)
	var list []struct{ Name, TokenEndpoint string }
	if err := json.Unmarshal([]byte(r.Stdout), &list); err != nil || len(list) != 2 || list[0].TokenEndpoint == "" {
		t.Errorf("%v in %s", err, r.Stdout)
	}
	r = p.Run("vendors", "show", "github", "--config", catalog)
	wantCode(t, r, 0)
	wantIn(t, r.Stdout, "register it at https://github.com/settings/applications/new", "token endpoint https://github.com/login/oauth/access_token")
	r = p.Run("vendors", "show", "acme", "--broker", s.PublicURL, "--ca-file", s.ca)
	wantCode(t, r, 0)
	wantIn(t, r.Stdout, "issuer for clients "+s.PublicURL+"/v1/vendors/acme", "scopes openid files")
	wantCode(t, p.Run("vendors", "list", "--broker", s.PublicURL, "--ca-file", s.ca, "acme"), 0)
	r = p.Run("vendors", "show", "nobody", "--broker", s.PublicURL, "--ca-file", s.ca)
	wantCode(t, r, 1)
	wantIn(t, r.Stderr, "there is no such vendor")
	wantCode(t, p.Run("vendors", "show", "nobody", "--config", catalog), 1)
	r = p.Run("vendors", "list", "--broker", s.PublicURL+"/", "--ca-file", s.ca)
	wantCode(t, r, 0)
	wantIn(t, r.Stdout, "acme Acme Files True")
	hidden := newSite(t, "--landing-vendors=false")
	r = p.Run("vendors", "list", "--broker", hidden.PublicURL, "--ca-file", hidden.ca)
	wantCode(t, r, 1)
	wantIn(t, r.Stderr, "does not tell which vendors it serves", "name them")
	wantCode(t, p.Run("vendors", "list", "--broker", hidden.PublicURL, "--ca-file", hidden.ca, "acme"), 0)
	wantCode(t, p.Run("vendors", "show"), 2)
	wantCode(t, p.Run("vendors", "check", filepath.Join(catalog, "github.yaml")), 0)
	wantCode(t, p.Run("vendors", "check"), 2)
	r = p.Run("vendors", "list")
	wantCode(t, r, 1)
	wantIn(t, r.Stderr, "there is no kubeconfig: say --kubeconfig FILE", "--config DIR", "--broker URL")
	r = p.Run("vendors", "list", catalog)
	wantCode(t, r, 2)
	wantIn(t, r.Stderr, "is no vendor's name: manifests are read with --config DIR")
}

// TestDoctor_noCluster: a broker without Kubernetes, well and not.
func TestDoctor_noCluster(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := oauthBroker(t)
	args := []string{"doctor", "--no-cluster", "--broker", s.PublicURL, "--ca-file", s.ca, "--broker-admin", "http://" + s.Admin}
	r := p.Run(args...)
	wantCode(t, r, 0)
	wantIn(t, r.Stdout, "OK broker-url "+s.PublicURL+": answers and is ready", "OK clock", "OK pod http://"+s.Admin, "0 problems")
	r = p.Run(append(args, "--json", "--broker-admin", "http://127.0.0.1:1")...)
	wantCode(t, r, 1)
	var report struct {
		OK       bool
		Findings []struct{ Check, Level, Message, Fix string }
	}
	if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil || report.OK || len(report.Findings) < 4 {
		t.Errorf("%v in %s", err, r.Stdout)
	}
	r = p.Run("doctor", "--no-cluster", "--broker", s.PublicURL)
	wantCode(t, r, 1)
	wantIn(t, r.Stdout, "PROBLEM broker-url", "fix: Pass the CA's certificate with --ca-file")
	wantCode(t, p.Run("doctor", "--no-cluster"), 2)
	wantCode(t, p.Run("doctor"), 1)
}

// TestCommands: version, completion, the kubectl plugin, wrong command lines.
func TestCommands(t *testing.T) {
	t.Parallel()
	p := oauthBroker(t)
	wantIn(t, p.Run("version").Stdout, "oauth-broker version")
	wantIn(t, p.Run("--version").Stdout, "oauth-broker version")
	wantIn(t, p.Run("version", "--json").Stdout, `"version":`)
	for shell, want := range map[string]string{"bash": "__start_oauth-broker", "zsh": "#compdef oauth-broker", "fish": "complete -c oauth-broker", "powershell": "Register-ArgumentCompleter"} {
		wantIn(t, p.Run("completion", shell).Stdout, want)
	}
	wantIn(t, p.Run("__complete", "vendors", "").Stdout, "list", "show", "check")
	for _, args := range [][]string{{"nonsense"}, {"login"}, {"login", "--bogus"}, {"explain"}, {"vendors", "nonsense"}, {"doctor", "extra"}, {"selftest"}} {
		r := p.Run(args...)
		wantCode(t, r, 2)
		wantIn(t, r.Stderr, "--help")
	}
	if r := p.Run("login", "--broker", "https://x.example", "--vendor", "x", "--client-secret-file", "/nonexistent"); r.Code != 2 {
		t.Errorf("a missing secret file: %d", r.Code)
	}
}

// TestPlugin: as kubectl runs it, with its completion script.
func TestPlugin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := "kubectl_complete-oauth_broker"
	content, err := os.ReadFile(filepath.Join("..", "..", "cmd", "oauth-broker", script))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, script), content, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, filepath.Join(dir, "kubectl-oauth_broker")); err != nil {
		t.Fatal(err)
	}
	plugin := oauthBroker(t)
	plugin.Path = filepath.Join(dir, "kubectl-oauth_broker")
	wantIn(t, plugin.Run("doctor", "--help").Stdout, "kubectl oauth-broker doctor [flags]")
	wantIn(t, plugin.Run("login").Stderr, "see: kubectl oauth-broker login --help")
	plugin.Path = filepath.Join(dir, script)
	plugin.Env = append(plugin.Env, "PATH="+dir+":"+os.Getenv("PATH"))
	wantIn(t, plugin.Run("vendors", "").Stdout, "list", "show", "check")
}
