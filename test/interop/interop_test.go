// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/oauthbroker/oauth-broker/test/binary"
)

// TestClients is everything: each client, self-registered and pre-registered.
func TestClients(t *testing.T) {
	w := newWorld(t)
	t.Run("conformance", w.conformance)
	t.Run("MCP SDK", w.mcpSDK)
	t.Run("openid-client", w.openIDClient)
	t.Run("openid-client and ID tokens", w.idTokens)
	t.Run("mcp-remote", w.mcpRemote)
}

const conformanceTool = "../node_modules/@modelcontextprotocol/conformance/dist/index.js"

// specVersions asks the tool which versions it knows: it lists them when it is
// asked for another.
func (w *world) specVersions(t *testing.T) []string {
	t.Helper()
	_, cmd := w.command(t, conformanceTool, "list", "--authorization", "--spec-version", "none")
	output, _ := cmd.CombinedOutput() // it fails by design
	list := regexp.MustCompile(`Valid versions: ([0-9, -]+)`).FindSubmatch(output)
	if list == nil {
		t.Fatalf("the tool lists no versions: %s", output)
	}
	versions := regexp.MustCompile(`\d{4}-\d\d-\d\d`).FindAllString(string(list[1]), -1)
	if len(versions) < 4 {
		t.Fatalf("the tool lists %q", versions)
	}
	return versions
}

// conformance runs the MCP conformance tool for every version of the
// specification that it knows. Every check has to be a success: a warning or a
// check that was left out is a failure here.
func (w *world) conformance(t *testing.T) {
	for _, version := range w.specVersions(t) {
		for _, kind := range []string{"pre-registered", "self-registered"} {
			t.Run(version+" "+kind, func(t *testing.T) {
				_, port, _ := net.SplitHostPort(binary.FreeAddress(t))
				id, user, consents := nativeClient, w.user(t), int32(0)
				if kind == "self-registered" {
					id, consents = w.register(t, "http://127.0.0.1:"+port+"/callback"), 1
				}
				out := t.TempDir()
				ctx, cmd := w.command(t, conformanceTool, "authorization", "--url", w.issuer("acme"), "--client-id", id, "--port", port,
					"--resource", "https://mcp.example/mcp", "--spec-version", version, "--output-dir", out)
				if err := Start(ctx, t, w.issuer("acme"), user, cmd).Wait(); err != nil {
					t.Fatal(err)
				}
				checkConformance(t, out, version)
				if got := user.Consents.Load(); got != consents {
					t.Errorf("answered %d consent pages, want %d", got, consents)
				}
			})
		}
	}
}

// checkConformance reads the tool's own record.
func checkConformance(t *testing.T, dir, version string) {
	t.Helper()
	var passed []string
	files, err := filepath.Glob(filepath.Join(dir, "*", "checks.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		var checks []struct{ ID, Status, ErrorMessage string }
		b, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(b, &checks)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range checks {
			if c.Status != "SUCCESS" {
				t.Errorf("%s: %s %s", c.ID, c.Status, c.ErrorMessage)
			}
			passed = append(passed, c.ID)
		}
	}
	slices.Sort(passed)
	want := []string{"authorization-code-grant", "authorization-server-metadata"}
	if version >= "2025-11-25" { // which brought client id metadata documents
		want = append(want, "authorization-server-metadata-cimd")
	}
	if !slices.Equal(passed, want) {
		t.Errorf("checked %v, want %v", passed, want)
	}
}

// register registers a public client, as the tools that need a client id do not
// do themselves.
func (w *world) register(t *testing.T, redirectURI string) string {
	t.Helper()
	body := fmt.Sprintf(`{"client_name":"Conformance","redirect_uris":[%q],"token_endpoint_auth_method":"none","application_type":"native"}`, redirectURI)
	answer, err := w.HTTP().Post(w.issuer("acme")+"/register", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var registered struct {
		ID string `json:"client_id"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&registered); err != nil || registered.ID == "" {
		t.Fatalf("registering: %s, %v", answer.Status, err)
	}
	return registered.ID
}

// known is what a pre-registered client knows of itself.
func known(id, secret string) string {
	if secret == "" {
		return fmt.Sprintf(`{"client_id":%q}`, id)
	}
	return fmt.Sprintf(`{"client_id":%q,"client_secret":%q}`, id, secret)
}

func (w *world) mcpSDK(t *testing.T) {
	server := StartMCPServer(t, w.issuer("acme"), w.vendor, "read")
	for name, c := range map[string]struct {
		known, method string
		consents      int32
	}{
		"self-registered":               {"", "none", 1},
		"self-registered with a secret": {"", "client_secret_basic", 1},
		"pre-registered":                {known(nativeClient, ""), "", 0},
		"pre-registered with a secret":  {known(secretClient, clientSecret), "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			user := w.user(t)
			ctx, cmd := w.command(t, "clients/mcp-sdk.mjs", server.URL, c.known)
			cmd.Env = append(cmd.Env, "AUTH_METHOD="+c.method)
			var got struct {
				Tools                 []string
				Registered, Refreshed bool
				Method, Issuer        string
			}
			if err := Start(ctx, t, w.issuer("acme"), user, cmd).Result(&got); err != nil {
				t.Fatal(err)
			}
			if len(got.Tools) != 1 || !got.Refreshed || got.Registered != (c.known == "") || got.Issuer != w.issuer("acme") {
				t.Errorf("got %+v", got)
			}
			if got.Registered && got.Method != c.method {
				t.Errorf("registered with %q, want %q", got.Method, c.method)
			}
			if answered := user.Consents.Load(); answered != c.consents {
				t.Errorf("answered %d consent pages, want %d", answered, c.consents)
			}
		})
	}
}

func (w *world) openIDClient(t *testing.T) {
	for name, c := range map[string]struct {
		scope, known string
		push         bool
	}{
		"self-registered":              {"read", "", false},
		"pre-registered":               {"read", known(nativeClient, ""), false},
		"pre-registered with a secret": {"read write", known(secretClient, clientSecret), false},
		"pushed request":               {"read", known(secretClient, clientSecret), true},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.vendor.Stats().Revocations
			ctx, cmd := w.command(t, "clients/openid-client.mjs", w.issuer("acme"), "oauth2", c.scope, c.known)
			if c.push {
				cmd.Env = append(cmd.Env, "PUSH=1")
			}
			var got struct {
				AccessToken string
				Refreshed   bool
			}
			if err := Start(ctx, t, w.issuer("acme"), w.user(t), cmd).Result(&got); err != nil {
				t.Fatal(err)
			}
			if !got.Refreshed || !strings.HasPrefix(got.AccessToken, "vendor-access-") {
				t.Errorf("got %+v", got)
			}
			if revocations := w.vendor.Stats().Revocations - before; revocations != 1 {
				t.Errorf("the vendor saw %d revocations", revocations)
			}
		})
	}
}

// idTokens says what to expect of OpenID Connect libraries: the ID token is the
// vendor's own, so a library that holds the broker for its issuer refuses it.
func (w *world) idTokens(t *testing.T) {
	issuer := w.issuer("acme-openid")
	ctx, cmd := w.command(t, "clients/openid-client.mjs", issuer, "oidc", "openid", known(secretClient, clientSecret))
	err := Start(ctx, t, issuer, w.user(t), cmd).Wait()
	if err == nil || !strings.Contains(err.Error(), `unexpected JWT "iss"`) || !strings.Contains(err.Error(), w.vendor.Issuer()) {
		t.Errorf("got %v", err)
	}
}

func (w *world) mcpRemote(t *testing.T) {
	const tool = "../node_modules/mcp-remote/dist/proxy.js"
	for name, args := range map[string][]string{
		"self-registered": nil,
		"pre-registered":  {"--host", "127.0.0.1", "--static-oauth-client-info", known(nativeClient, "")},
	} {
		t.Run(name, func(t *testing.T) {
			server := StartMCPServer(t, w.issuer("acme"), w.vendor, "read")
			ctx, cmd := w.command(t, tool, append([]string{server.URL}, args...)...)
			user := w.user(t)
			p := Start(ctx, t, w.issuer("acme"), user, cmd)
			reply := ask(ctx, t, p, `"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}`)
			if !strings.Contains(reply, `"stub"`) {
				t.Errorf("initialize: %s", reply)
			}
			if reply = ask(ctx, t, p, `"method":"tools/list"`); !strings.Contains(reply, `"whoami"`) {
				t.Errorf("tools/list: %s", reply)
			}
			if err := p.End(); err != nil {
				t.Error(err)
			}
			if got := user.Consents.Load(); got != int32(1-min(1, len(args))) {
				t.Errorf("answered %d consent pages", got)
			}
		})
	}
}

// ask sends a JSON-RPC request over standard input and waits for its answer.
func ask(ctx context.Context, t *testing.T, p *Program, request string) string {
	t.Helper()
	err := p.Say(`{"jsonrpc":"2.0","id":1,` + request + `}`)
	if err != nil {
		t.Fatal(err)
	}
	for {
		line, err := p.Hear(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, `"id":1`) {
			return line
		}
	}
}
