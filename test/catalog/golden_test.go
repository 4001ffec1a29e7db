// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oauthbroker/oauth-broker/broker/vendor"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
	"github.com/oauthbroker/oauth-broker/test/fakevendor"
	"github.com/oauthbroker/oauth-broker/test/harness"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestCatalog_wire holds what goes over the wire for every vendor in a file
// that people can read: testdata/wire/VENDOR.txt.
func TestCatalog_wire(t *testing.T) {
	w := newWorld(t)
	for i := range w.document.Vendors {
		v := &w.document.Vendors[i]
		client, source := sharedClient, runtimeconfig.SourceShared
		if w.emulators[v.Name][source] == nil {
			client, source = ownClient, runtimeconfig.SourceBYOC
		}
		t.Run(v.Name, func(t *testing.T) {
			tape := &tape{t: t, w: w, v: v, emulator: w.emulators[v.Name][source], source: source, known: map[string]string{}}
			got := tape.record(w.login(v.Name, client))
			golden := filepath.Join("testdata", "wire", v.Name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil { // #nosec G306 -- a file of the repository
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(filepath.Clean(golden))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (go test ./test/catalog -run wire -update rewrites it) (-want +got):\n%s", golden, diff)
			}
		})
	}
	files, err := filepath.Glob(filepath.Join("testdata", "wire", "*.txt"))
	if err != nil || len(files) != len(w.document.Vendors) {
		t.Errorf("%d files for %d vendors: %v", len(files), len(w.document.Vendors), err)
	}
}

// tape writes down one vendor's walk, with everything that changes from run to
// run replaced by its name.
type tape struct {
	t        *testing.T
	w        *world
	v        *runtimeconfig.Vendor
	emulator *fakevendor.Server
	source   runtimeconfig.Source
	known    map[string]string
	out      strings.Builder
}

func (p *tape) record(l *harness.Login) string {
	p.t.Helper()
	fmt.Fprintf(&p.out, "%s, %s credential\n", p.v.DisplayName, p.source)
	l.Walk()
	p.title("authorization request")
	p.request(p.emulator.Last(fakevendor.Authorize))
	answer := p.w.token(l, l.Form())
	p.title("token request")
	p.request(p.emulator.Last(fakevendor.Token))
	p.title("what the client gets")
	p.answer(answer)
	access := answer.Text("access_token")
	if refresh := answer.Text("refresh_token"); refresh != "" {
		answer = p.w.token(l, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
		p.title("refresh request")
		p.request(p.emulator.Last(fakevendor.Refresh))
		p.title("what the client gets")
		p.answer(answer)
		access = answer.Text("access_token")
	}
	p.revocation(access)
	p.emulator.SetTimes(fakevendor.Authorize, fakevendor.Deny(), 1)
	denied := p.w.login(p.v.Name, l.Client)
	p.title("a user who says no: what the client gets")
	p.line("%s", denied.Finish(denied.Authorize()).Query("error"))
	return p.out.String()
}

// revocation revokes at the vendor as the broker would for a client that may:
// the token kind that the vendor takes.
func (p *tape) revocation(access string) {
	p.t.Helper()
	style := p.v.Revocation.Style
	p.title("revocation")
	if style == "None" {
		p.line("none")
		return
	}
	token, hint := access, "access_token"
	if p.v.Revocation.Tokens == "Refresh" {
		token, hint = "vendor-refresh-unknown", "refresh_token"
	}
	i := slices.IndexFunc(p.w.document.Credentials, func(c runtimeconfig.Credential) bool { return c.Vendor == p.v.Name && c.Source == p.source })
	e, _ := vendor.NewEndpoint(p.v, &p.w.document.Credentials[i])
	err := vendor.NewClient(p.w.h.Clock.Now, nil).Revoke(p.t.Context(), e, secret.New(token), hint)
	if err != nil {
		p.t.Errorf("revocation: %v; the vendor said %q", err, p.emulator.Last(fakevendor.Revocation).Error)
	}
	if hint == "access_token" && p.emulator.AccessTokenWorks(access) {
		p.t.Error("the access token works after its revocation")
	}
	p.known[token] = "<token>"
	p.request(p.emulator.Last(fakevendor.Revocation))
}

func (p *tape) title(s string)               { fmt.Fprintf(&p.out, "\n== %s\n", s) }
func (p *tape) line(format string, a ...any) { fmt.Fprintf(&p.out, format+"\n", a...) }

// request writes a request that arrived, under the vendor's own address.
func (p *tape) request(r fakevendor.Request) {
	p.t.Helper()
	p.line("%s https:/%s", r.Method, r.Path)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if !slices.Contains([]string{"Accept-Encoding", "User-Agent", "Content-Length", "Referer", "Traceparent"}, name) {
			p.line("%s: %s", name, p.header(name, r.Header.Get(name)))
		}
	}
	parameters := r.Query
	if r.Method != http.MethodGet {
		parameters = r.Form
	}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		p.line("    %s = %s", name, p.value(name, strings.Join(parameters[name], " AND ")))
	}
}

func (p *tape) header(name, value string) string {
	if scheme, rest, _ := strings.Cut(value, " "); name == "Authorization" {
		if decoded, err := base64.StdEncoding.DecodeString(rest); scheme == "Basic" && err == nil {
			id, _, _ := strings.Cut(string(decoded), ":")
			return "Basic base64(" + id + ":<client_secret>)"
		}
		return scheme + " <token>"
	}
	return value
}

// value names what is random.
func (p *tape) value(name, value string) string {
	if as, ok := p.known[value]; ok {
		return as
	}
	switch name {
	case "state", "nonce", "code", "code_challenge", "code_verifier", "client_secret", "refresh_token", "access_token", "id_token":
		return "<" + name + ">"
	}
	return value
}

// answer writes a token response, its members sorted.
func (p *tape) answer(r *harness.Response) {
	p.t.Helper()
	p.line("%d %s", r.Status, r.Header.Get("Content-Type"))
	members := p.named(r.JSON())
	text, err := json.MarshalIndent(members, "", "  ")
	if err != nil {
		p.t.Fatal(err)
	}
	p.line("%s", strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(text)))
}

// named replaces tokens by their names, nested ones too.
func (p *tape) named(members map[string]any) map[string]any {
	for name, value := range members {
		switch x := value.(type) {
		case string:
			members[name] = p.value(name, x)
		case map[string]any:
			members[name] = p.named(x)
		}
	}
	return members
}
