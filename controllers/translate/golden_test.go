// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestTranslate_golden turns each testdata/<case>.in.yaml into <case>.out.yaml.
func TestTranslate_golden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 30 {
		t.Fatalf("found %d cases only", len(files))
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".in.yaml")
		t.Run(name, func(t *testing.T) {
			in := readInputs(t, file)
			out := translate.Translate(in)
			got := render(t, out)
			checkNoSecret(t, in, out)
			golden := filepath.Join("testdata", name+".out.yaml")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("the output differs; read it, then run go test -update (-want +got):\n%s", diff)
			}
			var memo translate.Memo
			memo.Translate(in)
			if diff := cmp.Diff(string(got), string(render(t, memo.Translate(in)))); diff != "" {
				t.Errorf("Memo differs (-plain +memo):\n%s", diff)
			}
		})
	}
}

// readInputs reads the three kinds, Secrets, Namespaces, Settings, Discovered
// and Registered documents of one case. Nothing is defaulted on the way.
func readInputs(t *testing.T, file string) translate.Inputs {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	in := translate.Inputs{
		Settings:   translate.Settings{PublicURL: "https://broker.example", OperatorNamespace: "oauth-broker"},
		Namespaces: map[string]map[string]string{},
		Secrets:    map[types.NamespacedName]translate.Secret{},
		Discovered: map[string]translate.Discovered{},
		Registered: map[types.UID]translate.Registered{},
	}
	docs := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(b)))
	for {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		addDocument(t, &in, doc)
	}
	if in.Settings.Namespaced {
		in.Namespaces = nil
	}
	return in
}

func addDocument(t *testing.T, in *translate.Inputs, doc []byte) {
	t.Helper()
	var kind struct{ Kind string }
	decode(t, doc, &kind, false)
	switch kind.Kind {
	case "":
	case "OAuthVendor":
		v := &oauthv1alpha1.OAuthVendor{}
		decode(t, doc, v, true)
		in.Vendors = append(in.Vendors, v)
	case "BYOCCredential":
		c := &oauthv1alpha1.BYOCCredential{}
		decode(t, doc, c, true)
		in.Credentials = append(in.Credentials, c)
	case "BrokerClient":
		c := &oauthv1alpha1.BrokerClient{}
		decode(t, doc, c, true)
		in.Clients = append(in.Clients, c)
	case "Namespace":
		n := &corev1.Namespace{}
		decode(t, doc, n, true)
		in.Namespaces[n.Name] = n.Labels
	case "Secret":
		addSecret(t, in, doc)
	case "Settings":
		s := struct {
			Kind                    string
			BrokerClass, Namespaced any
			Registers               bool
		}{}
		decode(t, doc, &s, true)
		in.Settings.BrokerClass, _ = s.BrokerClass.(string)
		in.Settings.Namespaced, _ = s.Namespaced.(bool)
		in.Settings.Registers = s.Registers
	case "Discovered":
		d := struct {
			Kind, Vendor, Problem string
			Endpoints             *oauthv1alpha1.Endpoints
			IssuerParameter       bool
		}{}
		decode(t, doc, &d, true)
		in.Discovered[d.Vendor] = translate.Discovered{Endpoints: d.Endpoints, IssuerParameter: d.IssuerParameter, Problem: d.Problem}
	case "Registered":
		r := struct {
			Kind, Problem string
			UID           types.UID
			Expired       bool
		}{}
		decode(t, doc, &r, true)
		in.Registered[r.UID] = translate.Registered{Problem: r.Problem, Expired: r.Expired}
	default:
		t.Fatalf("unknown kind %q", kind.Kind)
	}
}

func addSecret(t *testing.T, in *translate.Inputs, doc []byte) {
	t.Helper()
	s := &corev1.Secret{}
	decode(t, doc, s, true)
	data := map[string]secret.Text{}
	for k, v := range s.StringData {
		data[k] = secret.New(v)
	}
	in.Secrets[types.NamespacedName{Namespace: s.Namespace, Name: s.Name}] = translate.Secret{
		UID: string(s.UID), ResourceVersion: s.ResourceVersion, Data: data, Unreadable: s.Annotations["unreadable"] == "true",
	}
}

func decode(t *testing.T, doc []byte, v any, strict bool) {
	t.Helper()
	f := yaml.Unmarshal
	if strict {
		f = yaml.UnmarshalStrict
	}
	if err := f(doc, v); err != nil {
		t.Fatalf("%v in\n%s", err, doc)
	}
}

// render writes an output for reading: secrets as a placeholder with the
// beginning of their sum, so that a change shows.
func render(t *testing.T, out translate.Output) []byte {
	t.Helper()
	items, err := runtimeconfig.Encode(out.Document)
	if err != nil {
		t.Fatal(err)
	}
	o := runtimeconfig.Options{Now: func() time.Time { return time.Time{} }}
	if _, err := runtimeconfig.NewSnapshot(out.Document, "r", 0, o); err != nil {
		t.Errorf("the broker would refuse the document: %v", err)
	}
	published := map[string]any{}
	for _, i := range items {
		var body map[string]any
		if err := json.Unmarshal(i.Body, &body); err != nil {
			t.Fatal(err)
		}
		for _, k := range []string{"clientSecret", "privateKey", "initialAccessToken"} {
			if s, ok := body[k].(string); ok {
				body[k] = fmt.Sprintf("[redacted] %x", sha256.Sum256([]byte(s)))[:19]
			}
		}
		published[i.ID] = body
	}
	all := map[string]any{"published": published, "verdicts": out.Verdicts}
	if len(out.Registrations) > 0 {
		all["registrations"] = out.Registrations
	}
	b, err := yaml.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte("# Written by go test -update; read the difference before you commit it.\n"), b...)
}

// checkNoSecret holds every verdict against every secret value.
func checkNoSecret(t *testing.T, in translate.Inputs, out translate.Output) {
	t.Helper()
	said := fmt.Sprintf("%+v", out.Verdicts)
	for name, s := range in.Secrets {
		for key, value := range s.Data {
			if key == oauthv1alpha1.SecretKeyTokenEndpointAuthMethod {
				continue // a word of the OAuth registry, which status tells
			}
			if v := strings.TrimSpace(value.Reveal()); len(v) > 3 && strings.Contains(said, v) {
				t.Errorf("a verdict holds key %s of Secret %s", key, name)
			}
		}
	}
}
