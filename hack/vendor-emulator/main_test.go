// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/oauthbroker/oauth-broker/config/crd"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/manifest"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

func testOptions(t *testing.T, vendors ...string) options {
	t.Helper()
	return options{
		root: filepath.Join("..", ".."), publicURL: "http://localhost:8080", operatorNamespace: "oauth-broker-system",
		out: filepath.Join(t.TempDir(), "out"), vendors: vendors,
	}
}

// Every vendor that has an app of the platform's can be emulated, and what is
// written is a configuration that the broker takes.
func TestEmulate_writesGoodManifests(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "config", "vendors", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	decoder, err := manifest.New(crd.Bases)
	if err != nil {
		t.Fatal(err)
	}
	done := 0
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".yaml")
		o := testOptions(t, name)
		emulated, err := emulate(t.Context(), o, "http://127.0.0.1:9000")
		if err != nil {
			if name != "kustomization" && !strings.Contains(err.Error(), "has no app of the platform's") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		done++
		if err := hand(o, emulated); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(filepath.Join(o.out, name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		set := &manifest.Set{}
		if err := decoder.Decode(t.Context(), set, name, content); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if why := refused(set); why != "" {
			t.Errorf("%s: %s", name, why)
		}
	}
	if done < 45 {
		t.Errorf("%d vendors can be emulated only", done)
	}
}

func refused(set *manifest.Set) string {
	in := translate.Inputs{
		Settings: translate.Settings{BrokerClass: "default", PublicURL: "http://localhost:8080", OperatorNamespace: "oauth-broker-system"},
		Vendors:  set.Vendors, Secrets: map[types.NamespacedName]translate.Secret{},
	}
	for _, s := range set.Secrets {
		data := map[string]secret.Text{}
		for k, v := range s.Data {
			data[k] = secret.New(string(v))
		}
		in.Secrets[types.NamespacedName{Namespace: s.Namespace, Name: s.Name}] = translate.Secret{Data: data}
	}
	if v := translate.Translate(in).Verdicts[0]; !v.Accepted.OK || !v.ResolvedRefs.OK {
		return v.Accepted.Message + "; " + v.ResolvedRefs.Message
	}
	return ""
}

func TestRouter_findsTheVendor(t *testing.T) {
	emulated, err := emulate(t.Context(), testOptions(t, "monday", "hubspot"), "http://127.0.0.1:9000")
	if err != nil {
		t.Fatal(err)
	}
	query := url.Values{"client_id": {"emulated-app"}, "redirect_uri": {"http://localhost:8080/v1/callback/hubspot"}, "state": {"s"}, "scope": {"oauth"}}
	for path, want := range map[string]int{"/app.hubspot.com/oauth/authorize": http.StatusFound, "/auth.monday.com/oauth2/authorize": http.StatusBadRequest, "/other": http.StatusNotFound} {
		w := httptest.NewRecorder()
		printer{router(emulated)}.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path+"?"+query.Encode(), nil))
		if w.Code != want {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestRun_refusesWhatIsUnsafeOrUnclear(t *testing.T) {
	for _, args := range [][]string{
		{}, {"--listen", "0.0.0.0:0", "github"}, {"--listen", "example.com:80", "github"}, {"--root", "../..", "okta"},
		{"--root", "../..", "no-such-vendor"}, {"--root", "../..", "slack", "slack-user"}, {"--nonsense", "github"},
	} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}
