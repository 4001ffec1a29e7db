// SPDX-License-Identifier: Apache-2.0

// Package install renders what the Helm charts and config/default install, with
// the pinned helm and kustomize, for tests: they hold the two renderings against
// each other, feed the charts bad values, and hand everything to an API server.
package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// What both renderings are made with.
const (
	Release   = "oauth-broker"
	Namespace = "oauth-broker-system"
	Published = "oauth-broker-published"
	PublicURL = "https://oauth-broker.example.com"
	// KubeVersion is what helm renders for where it asks no cluster.
	KubeVersion = "1.35.0"
)

// Tools are the pinned programs.
type Tools struct {
	// Root of the repository.
	Root            string
	Helm, Kustomize string
}

// Find builds the tools where Go has not done so yet.
func Find(ctx context.Context) (Tools, error) {
	root, err := repository()
	if err != nil {
		return Tools{}, err
	}
	t := Tools{Root: root}
	if t.Helm, err = tool(ctx, root, "hack/tools/helm/go.mod", "helm"); err != nil {
		return Tools{}, err
	}
	t.Kustomize, err = tool(ctx, root, "hack/tools/go.mod", "kustomize")
	return t, err
}

// Template renders a chart of charts/, without what `helm test` makes.
func (t Tools) Template(ctx context.Context, chart string, args ...string) ([]byte, error) {
	return t.template(ctx, chart, append([]string{"--skip-tests"}, args...)...)
}

// TestHooks renders what `helm test` makes of the product's chart.
func (t Tools) TestHooks(ctx context.Context, args ...string) ([]byte, error) {
	return t.template(ctx, "oauth-broker", append([]string{"--show-only", "templates/tests/selftest.yaml"}, args...)...)
}

func (t Tools) template(ctx context.Context, chart string, args ...string) ([]byte, error) {
	all := append([]string{"template", Release, filepath.Join(t.Root, "charts", chart), "--namespace", Namespace, "--kube-version", KubeVersion}, args...)
	return output(exec.CommandContext(ctx, t.Helm, all...))
}

// Build renders a kustomization of this repository.
func (t Tools) Build(ctx context.Context, folder string) ([]byte, error) {
	return output(exec.CommandContext(ctx, t.Kustomize, "build", filepath.Join(t.Root, folder)))
}

// Objects decodes the stream of manifests that a rendering returned, and passes
// its error on: Objects(tools.Build(ctx, folder)).
func Objects(manifests []byte, err error) ([]*unstructured.Unstructured, error) {
	if err != nil {
		return nil, err
	}
	var out []*unstructured.Unstructured
	d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifests), 4096)
	for {
		o := &unstructured.Unstructured{}
		if err := d.Decode(&o.Object); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, fmt.Errorf("decoding manifests: %w", err)
		}
		if len(o.Object) > 0 {
			out = append(out, o)
		}
	}
}

func tool(ctx context.Context, root, modfile, name string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "tool", "-modfile="+filepath.Join(root, modfile), "-n", name)
	cmd.Dir = root
	path, err := output(cmd)
	return strings.TrimSpace(string(path)), err
}

func output(cmd *exec.Cmd) ([]byte, error) {
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, strings.TrimSpace(problems.String()))
	}
	return out.Bytes(), nil
}

// repository finds go.mod upwards.
func repository() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "charts", "oauth-broker", "Chart.yaml")); missing == nil {
			return dir, nil
		}
		if filepath.Dir(dir) == dir {
			return "", errors.New("not inside the repository")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}
