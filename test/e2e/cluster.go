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
	"runtime"
	"strings"
	"time"
)

const (
	imageName     = "ghcr.io/oauthbroker/oauth-broker"
	localTag      = "e2e"
	localPrevious = "e2e-previous"
	localVendor   = "oauthbroker.test/vendor:e2e"
	outputOfLast  = 4000
)

// startCluster uses KUBECONFIG, or kind where it is, or starts the cluster of
// hack/cluster.
func (s *suite) startCluster(ctx context.Context) error {
	s.kubectl = "kubectl"
	switch s.kubeconfig = os.Getenv("KUBECONFIG"); {
	case s.kubeconfig != "":
		if s.image == "" || s.vendorImage == "" || s.previousImage == "" && !s.runbooksOnly {
			return errors.New("with KUBECONFIG, say --image, --previous-image and --vendor-image; or unset KUBECONFIG for a cluster on this machine")
		}
		s.line("using KUBECONFIG")
	case s.command(exec.CommandContext(ctx, "kind", "version")) == nil && s.command(exec.CommandContext(ctx, "docker", "version")) == nil:
		s.scripts = filepath.Join("hack", "cluster", "kind")
	default:
		s.scripts, s.own = filepath.Join("hack", "cluster"), true
	}
	if s.scripts != "" {
		if err := s.script(ctx, "up.sh"); err != nil {
			return err
		}
		path, err := exec.CommandContext(ctx, filepath.Join(s.tools.Root, s.scripts, "up.sh"), "--kubeconfig").Output()
		if err != nil {
			return err
		}
		s.kubeconfig = strings.TrimSpace(string(path))
	}
	if err := s.findKubectl(); err != nil {
		return err
	}
	out, err := s.kube(ctx, "", "get", "nodes", "-o", "wide")
	s.line("%s", strings.ReplaceAll(strings.TrimSpace(out), "\n", "\n    "))
	return err
}

// findKubectl takes the one that was built with the control plane, unless the
// cluster is somebody else's and there is one on the path.
func (s *suite) findKubectl() error {
	if _, err := exec.LookPath("kubectl"); err == nil && !s.own {
		return nil
	}
	assets, err := filepath.Glob(filepath.Join(cacheDir(), "oauth-broker", "controlplane", "*", "kubectl"))
	if err != nil || len(assets) == 0 {
		return errors.New("kubectl is missing: make controlplane")
	}
	s.kubectl = assets[len(assets)-1]
	return nil
}

func cacheDir() string {
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return dir
	}
	home, _ := os.UserHomeDir() // without one there is nothing in it either
	return filepath.Join(home, ".cache")
}

// loadImages builds the images of the product, of the version before it, and of
// the vendor, each from its own tree.
func (s *suite) loadImages(ctx context.Context) error {
	type image struct{ tree, tag, packages string }
	images := []image{{s.tools.Root, imageName + ":" + localTag, ""}, {s.tools.Root, localVendor, "./test/e2e/vendor"}}
	if !s.runbooksOnly {
		if err := s.checkOutPrevious(ctx); err != nil {
			return err
		}
		images = append(images, image{s.previous, imageName + ":" + localPrevious, ""})
	}
	if s.scripts == "" {
		return nil
	}
	s.image, s.previousImage, s.vendorImage = localTag, localPrevious, localVendor
	for _, i := range images {
		out := s.file(strings.NewReplacer("/", "-", ":", "-").Replace(i.tag))
		cmd := exec.CommandContext(ctx, "go", "run", ".", "--root", i.tree, "--tag", i.tag, "--out", out,
			"--platforms", "linux/"+runtime.GOARCH, "--version", i.tag[strings.LastIndex(i.tag, ":")+1:])
		if i.packages != "" {
			cmd.Args = append(cmd.Args, "--packages", i.packages)
		}
		cmd.Dir = filepath.Join(i.tree, "hack", "image")
		if err := s.command(cmd); err != nil {
			return err
		}
		files, err := filepath.Glob(filepath.Join(out, "*.tar"))
		if err != nil || len(files) != 1 {
			return fmt.Errorf("want one image in %s, there are %d: %w", out, len(files), err)
		}
		if err := s.script(ctx, "load.sh", files[0]); err != nil {
			return err
		}
		s.line("%s", i.tag)
	}
	return nil
}

// script runs one of hack/cluster, or of hack/cluster/kind.
func (s *suite) script(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(s.tools.Root, s.scripts, name), args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

func (s *suite) command(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

// kube runs kubectl and returns what it printed.
func (s *suite) kube(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.kubectl, append([]string{"--kubeconfig", s.kubeconfig, "--cache-dir", s.file("kubectl")}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args[:min(len(args), 6)], " "), err, problems.String())
	}
	return out.String(), nil
}

// helm runs helm and says how long it took.
func (s *suite) helm(ctx context.Context, args ...string) error {
	began := time.Now()
	cmd := exec.CommandContext(ctx, s.tools.Helm, append(args, "--kubeconfig", s.kubeconfig)...)
	if err := s.command(cmd); err != nil {
		return err
	}
	s.line("$ helm %s ... (%s)", strings.Join(args[:min(len(args), 2)], " "), time.Since(began).Round(100*time.Millisecond))
	return nil
}

// show prints what helps to understand a failure.
func (s *suite) show(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, args := range [][]string{
		{"get", "pods", "-A", "-o", "wide"}, {"get", "events", "-A", "--sort-by=.lastTimestamp"},
		{"get", "oauthvendors,byoccredentials,brokerclients", "-A"},
		{"-n", namespace, "logs", "deployment/" + release + "-manager", "--tail=20"}, {"-n", namespace, "logs", "deployment/" + release, "--tail=20"},
	} {
		out, err := s.kube(ctx, "", args...)
		fmt.Printf("\n$ kubectl %s\n%s", strings.Join(args, " "), out[max(0, len(out)-outputOfLast):])
		if err != nil {
			fmt.Println(err)
		}
	}
}
