// SPDX-License-Identifier: Apache-2.0

package manifest_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/config/crd"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/manifest"
)

// TestRedirectURI_schemaAndTranslateAgree holds the schema's rules for redirect
// URIs against the Go function that repeats them: on the attack list's cases,
// and on random strings made of pieces that matter.
func TestRedirectURI_schemaAndTranslateAgree(t *testing.T) {
	d, err := manifest.New(crd.Bases)
	if err != nil {
		t.Fatal(err)
	}
	uris := []string{
		"https://app.example/cb", "https://app.example", "https://app.example?a=b", "http://localhost/cb", "http://127.0.0.1:8080/cb", "http://[::1]:1/cb",
		"https://good.example@evil.example/cb", "http://localhost@evil.example", "http://localhost.evil.example", "http://127.0.0.1.nip.io", "http://127.1/", "http://0x7f000001/", "http://[::1%25eth0]/",
		"https://app.example/../x", "https://app.example/%2e%2e/x", "https://app.example/%2E", "https://app.example/.", "https://app.example/..?a", `https://app.example\@evil.example`, "//evil.example",
		"https://app.example/#f", "https://*.example/", "javascript:alert(1)", "JaVaScRiPt:alert(1)", " https://app.example", "\thttps://app.example", "data:text/html,x", "file:///etc/passwd",
		"com.example.app:/cb", "myapp://cb", "a.b://x", "com.example.app:cb", "https:///cb", "https://", "http://", "", "https://app.example/\n", "https://äpp.example/", strings.Repeat("ä", 1025), "https://a.example/" + strings.Repeat("ä", 1000),
		"https://app.example:65536/cb", "http://127.0.0.1:65536/cb",
	}
	pieces := []string{"https://", "http://", "localhost", "127.0.0.1", "[::1]", ":80", ":", "/", "..", ".", "?", "#", "@", "*", "%2e", "%2E", `\`, " ", "\n", "\v", "\x01", "\x7f", "a", "B", "com.x", "-", "é", "app.example"}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 6000 {
		var b strings.Builder
		for range 1 + rng.IntN(7) {
			b.WriteString(pieces[rng.IntN(len(pieces))])
		}
		uris = append(uris, b.String())
	}
	accepted := 0
	for _, uri := range uris {
		for _, kind := range []string{"Web", "Native"} {
			schema, goCode := judge(t, d, uri, kind)
			// The schema must not gain a rule (test/integration/upgrade); translate may.
			switch more := strings.ContainsAny(uri, "\v\x01\x7f") || strings.Contains(uri, ":65536"); {
			case more && goCode:
				t.Errorf("%s %q was accepted: nobody could be sent there", kind, uri)
			case !more && schema != goCode:
				t.Errorf("%s %q: the schema says %v, translate says %v", kind, uri, schema, goCode)
			}
			if schema {
				accepted++
			}
		}
	}
	if accepted < 100 {
		t.Errorf("only %d were accepted: the pieces test too little", accepted)
	}
}

func judge(t *testing.T, d *manifest.Decoder, uri, kind string) (schema, goCode bool) {
	t.Helper()
	object := func(uri string) []byte {
		b, err := json.Marshal(map[string]any{
			"apiVersion": "oauthbroker.dev/v1alpha1", "kind": "BrokerClient", "metadata": map[string]any{"namespace": "a", "name": "b"},
			"spec": map[string]any{
				"redirectURIs": []string{uri}, "applicationType": kind,
				"authentication": map[string]any{"method": "None"}, "vendors": []any{map[string]any{"name": "acme"}},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var s, other manifest.Set
	schema = d.Decode(t.Context(), &s, "f", object(uri)) == nil
	if err := d.Decode(t.Context(), &other, "f", object("https://app.example/")); err != nil {
		t.Fatal(err)
	}
	other.Clients[0].Spec.RedirectURIs[0] = oauthv1alpha1.RedirectURI(uri)
	out := translate.Translate(translate.Inputs{Clients: other.Clients})
	return schema, out.Verdicts[0].Accepted.OK
}
