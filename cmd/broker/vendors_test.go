// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/internal/vendorcheck"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
)

// buildBroker builds the binary that users run.
func buildBroker(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "broker")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".").CombinedOutput(); err != nil { // #nosec G204 -- our own
		t.Fatalf("building: %v\n%s", err, out)
	}
	return bin
}

// runBroker runs the binary and returns what it wrote and its exit code.
func runBroker(t *testing.T, bin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), bin, args...) // #nosec G204 -- our own
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return out.String(), errs.String(), exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), 0
}

// vendorManifest is a manifest whose vendor is on loopback.
func vendorManifest(t *testing.T, name, spec string, vendor *fakevendor.Server) string {
	t.Helper()
	ca := strings.ReplaceAll(strings.TrimSpace(string(vendor.CAPEM())), "\n", "\n      ")
	text := fmt.Sprintf("apiVersion: oauthbroker.dev/v1alpha1\nkind: OAuthVendor\nmetadata: {name: %s}\nspec:\n  transport:\n    caBundle: |\n      %s\n%s", name, ca, spec)
	file := filepath.Join(t.TempDir(), name+".yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestVendorsCheck runs the binary that users run.
func TestVendorsCheck(t *testing.T) {
	bin := buildBroker(t)
	t.Run("findings", func(t *testing.T) { checkFindings(t, bin) })
	t.Run("arguments", func(t *testing.T) { checkArguments(t, bin) })
	t.Run("stranger's text is harmless", func(t *testing.T) { checkHostileText(t, bin) })
}

func checkFindings(t *testing.T, bin string) {
	t.Helper()
	vendor := fakevendor.New(fakevendor.Options{Scopes: []string{"openid", "read"}}).Start(t)
	issuer := vendor.Issuer()
	discovered := "  issuer: " + issuer + "\n  discovery: {type: OAuth}\n"
	written := "  issuer: " + issuer + "\n  endpoints:\n    authorization: " + issuer + "/authorize\n    token: %s\n"
	for _, tc := range []struct {
		name, spec string
		args       []string
		code       int
		want       []string // rows as "check result", and texts
	}{
		{"good-offline", discovered, nil, 0, []string{"manifest ok", "1 manifest: 0 errors, 0 drifts"}},
		{"good-online", discovered + "  scopes: {default: [read]}\n", []string{"--online"}, 0, []string{"endpoints.token ok", "pkce ok", "clientAuthentication.method ok", "scopes ok", "0 errors, 0 drifts"}},
		{"other-issuer", "  issuer: " + issuer + "/other\n  discovery: {type: OAuth, url: \"" + issuer + "/.well-known/openid-configuration\"}\n", []string{"--online"}, 1, []string{"metadata error", "issuer is not identical"}},
		{"no-document", "  issuer: " + issuer + "/nowhere\n  discovery: {type: OAuth}\n", []string{"--online"}, 1, []string{"metadata error", "HTTP status 404"}},
		{"unlisted-scope", discovered + "  scopes: {always: [write]}\n", []string{"--online"}, 0, []string{"scopes note", "does not list this scope"}},
		{"same", fmt.Sprintf(written, issuer+"/token"), []string{"--online"}, 0, []string{"endpoints.token ok", "endpoints.revocation note", "only in the metadata document"}},
		{"drift", fmt.Sprintf(written, issuer+"/old-token"), []string{"--online"}, 1, []string{"endpoints.token drift", issuer + "/old-token", issuer + "/token", "1 drift,"}},
		{"drift-unseen-offline", fmt.Sprintf(written, issuer+"/old-token"), nil, 0, []string{"manifest ok"}},
		{"no-issuer", "  endpoints: {authorization: " + issuer + "/authorize, token: " + issuer + "/token}\n", []string{"--online"}, 0, []string{"metadata note", "names no issuer"}},
		{"bad-schema", "  isuer: x\n" + discovered, nil, 1, []string{"manifest error", `unknown field "spec.isuer"`}},
		{"bad-cel", "  discovery: {type: OAuth}\n", nil, 1, []string{"manifest error", "discovery needs issuer"}},
		{"bad-verdict", "  revocation: {style: RFC7009}\n  endpoints: {authorization: https://a.example, token: https://a.example}\n", nil, 1, []string{"manifest error", "needs endpoints.revocation"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := vendorManifest(t, tc.name, tc.spec, vendor)
			stdout, stderr, code := runBroker(t, bin, append(append([]string{"vendors", "check"}, tc.args...), file)...)
			if code != tc.code {
				t.Errorf("exit code %d, want %d\n%s%s", code, tc.code, stdout, stderr)
			}
			for _, want := range tc.want {
				if !holds(stdout, want) {
					t.Errorf("no %q in\n%s", want, stdout)
				}
			}
			sameAsJSON(t, bin, append(tc.args, file), code)
		})
	}
}

// holds finds a text, or a row by its check and result, however it is aligned.
func holds(table, want string) bool {
	for line := range strings.Lines(table) {
		if strings.Contains(strings.Join(strings.Fields(line), " "), want) {
			return true
		}
	}
	return false
}

func sameAsJSON(t *testing.T, bin string, args []string, code int) {
	t.Helper()
	stdout, _, jsonCode := runBroker(t, bin, append([]string{"vendors", "check", "--json"}, args...)...)
	var report vendorcheck.Report
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("%v in\n%s", err, stdout)
	}
	if jsonCode != code || report.OK != (code == 0) || len(report.Vendors) != 1 || len(report.Vendors[0].Findings) == 0 {
		t.Errorf("JSON says ok=%v with exit code %d, the table gave %d:\n%s", report.OK, jsonCode, code, stdout)
	}
}

func checkArguments(t *testing.T, bin string) {
	t.Helper()
	stdout, stderr, code := runBroker(t, bin, "vendors", "check", filepath.Join("..", "..", "config", "vendors"))
	if code != 0 || !strings.Contains(stdout, " 0 errors, 0 drifts") || stderr != "" {
		t.Errorf("the catalog fails with %d:\n%s%s", code, stdout, stderr)
	}
	github := filepath.Join("..", "..", "config", "vendors", "github.yaml")
	if stdout, _, code = runBroker(t, bin, "vendors", "check", github, github); code != 1 || !strings.Contains(stdout, "too: the one that is applied last would win") {
		t.Errorf("a vendor that is there twice passes with %d:\n%s", code, stdout)
	}
	for _, args := range [][]string{{}, {"missing.yaml"}, {"--offline", github}} {
		if _, stderr, code := runBroker(t, bin, append([]string{"vendors", "check"}, args...)...); code != 1 || stderr == "" {
			t.Errorf("%v: exit code %d, %q", args, code, stderr)
		}
	}
	if stdout, _, code := runBroker(t, bin, "vendors", "check", "--help"); code != 0 || !strings.Contains(stdout, "Exit code: 0 if") {
		t.Errorf("--help does not tell the exit codes:\n%s", stdout)
	}
}

// A hostile document must not write to the terminal.
func checkHostileText(t *testing.T, bin string) {
	t.Helper()
	vendor := fakevendor.New(fakevendor.Options{}).Start(t)
	vendor.Set(fakevendor.Discovery, fakevendor.Behaviour{Name: "escape sequences", Edit: func(m map[string]any) {
		m["token_endpoint"] = "https://evil.example/\x1b[2J\u202e"
		m["scopes_supported"] = []string{"\x1b]0;title\a" + strings.Repeat("x", 1000)}
	}})
	issuer := vendor.Issuer()
	file := vendorManifest(t, "hostile", "  issuer: "+issuer+"\n  scopes: {default: [a]}\n  endpoints: {authorization: "+issuer+"/authorize, token: "+issuer+"/token}\n", vendor)
	stdout, stderr, code := runBroker(t, bin, "vendors", "check", "--online", file)
	if code != 1 || strings.ContainsFunc(stdout+stderr, func(r rune) bool { return r < 0x20 && r != '\n' || r > 0x7e }) {
		t.Errorf("exit code %d:\n%q", code, stdout)
	}
}
