// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// args of a small image: one program, two platforms.
func args(out string) []string {
	return []string{
		"--root", ".", "--packages", "./testdata/hello", "--out", out, "--created", "1700000000",
		"--version", "v1.2.3", "--commit", "abcdef", "--tag", "example.com/team/hello:v1.2.3",
	}
}

func TestImage_sameBytes(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	for _, out := range []string{first, second} {
		if err := run(t.Context(), args(out)); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"digest", "hello-linux-amd64.tar", "hello-linux-arm64.cdx.json"} {
		a, err := os.ReadFile(filepath.Join(first, file))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(second, file)); err != nil || string(a) != string(b) {
			t.Errorf("%s differs between two builds (%v)", file, err)
		}
	}
}

func TestImage_pushed(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	ref := strings.TrimPrefix(server.URL, "http://") + "/team/hello:v1.2.3"
	out := t.TempDir()
	if err := run(t.Context(), append(args(out), "--push", ref)); err != nil {
		t.Fatal(err)
	}
	parsed, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	for _, architecture := range []string{"amd64", "arm64"} {
		image, err := remote.Image(parsed, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: architecture}))
		if err != nil {
			t.Fatalf("%s: %v", architecture, err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case config.Architecture != architecture:
			t.Errorf("architecture is %s, want %s", config.Architecture, architecture)
		case config.Config.User != "65532:65532":
			t.Errorf("user is %q", config.Config.User)
		case !slices.Equal(config.Config.Entrypoint, []string{"/hello"}):
			t.Errorf("entry point is %q", config.Config.Entrypoint)
		case config.Config.Labels["org.opencontainers.image.revision"] != "abcdef" || config.Config.Labels["org.opencontainers.image.version"] != "v1.2.3":
			t.Errorf("labels are %v", config.Config.Labels)
		}
		checkFiles(t, image)
	}
}

// checkFiles looks for what a broker needs besides itself.
func checkFiles(t *testing.T, image v1.Image) {
	t.Helper()
	found := map[string]int64{}
	content := mutate.Extract(image)
	defer func() { _ = content.Close() }()
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		found[h.Name] = h.Mode
		if h.Name == certificatesFile && h.Size < 100<<10 {
			t.Errorf("only %d bytes of CA certificates", h.Size)
		}
	}
	for file, mode := range map[string]int64{"hello": 0o755, certificatesFile: 0o644, "tmp": 0o1777, "etc/passwd": 0o644} {
		if found[file] != mode {
			t.Errorf("%s: mode %o, want %o", file, found[file], mode)
		}
	}
}

func TestSBOM_lists(t *testing.T) {
	out := t.TempDir()
	if err := run(t.Context(), append(args(out), "--packages", "github.com/oauthbroker/oauth-broker/hack/image", "--platforms", "linux/amd64")); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(out, "*.cdx.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("want one list, got %v (%v)", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"github.com/google/go-containerregistry", "stdlib"} {
		if !slices.ContainsFunc(d.Components, func(c component) bool { return c.Name == want && c.Version != "" }) {
			t.Errorf("%s is not listed", want)
		}
	}
}

func TestParse_refuses(t *testing.T) {
	for wrong, want := range map[string][]string{
		"unknown argument": {"extra"},
		"want SYSTEM":      append(args(t.TempDir()), "--platforms", "linux"),
	} {
		if err := run(t.Context(), want); err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%v: got %v, want %q", want, err, wrong)
		}
	}
}
