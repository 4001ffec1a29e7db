// SPDX-License-Identifier: Apache-2.0

// Command image packs programs of this repository into container images, with
// Go alone: no Docker daemon, no base image. `make image` runs it.
//
// The result has what the Dockerfile's has: the programs, the CA certificates of
// Mozilla (from a Go module, so they are pinned), a user without rights, and an
// empty /tmp. The same sources give the same bytes: every time stamp is that of
// the commit. In the --out folder it leaves
//
//	layout/                  an OCI image layout with every platform
//	NAME-linux-ARCH.tar      for `docker load` and `ctr images import`
//	NAME-linux-ARCH.cdx.json what is in it (CycloneDX 1.6)
//	digest                   the digest of the multi-platform image
//
// and --push uploads it to a registry.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	root, out       string
	tag             string
	packages        []string
	platforms       []string
	version, commit string
	title           string
	created         time.Time
	push            string
	ldflags         string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		stop()
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	var packages, platforms string
	var created int64
	f := flag.NewFlagSet("image", flag.ContinueOnError)
	f.StringVar(&o.root, "root", "../..", "root of the repository")
	f.StringVar(&o.out, "out", "../../dist/image", "folder to write to")
	f.StringVar(&o.tag, "tag", "ghcr.io/oauthbroker/oauth-broker:dev", "name and tag of the image")
	f.StringVar(&packages, "packages", "./cmd/manager,./cmd/broker,./cmd/oauth-broker", "programs; the first is the image's entry point")
	f.StringVar(&platforms, "platforms", "linux/amd64,linux/arm64", "platforms")
	f.StringVar(&o.version, "version", "dev", "version, for --version and the labels")
	f.StringVar(&o.commit, "commit", "unknown", "commit, for --version and the labels")
	f.StringVar(&o.title, "title", "OAuth Broker", "title label")
	f.Int64Var(&created, "created", 0, "time of the commit in seconds, for every time stamp (SOURCE_DATE_EPOCH)")
	f.StringVar(&o.push, "push", "", "upload to this reference, with the credentials of the Docker configuration")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q", f.Arg(0))
	}
	o.packages, o.platforms = strings.Split(packages, ","), strings.Split(platforms, ",")
	o.created = time.Unix(created, 0).UTC()
	o.ldflags = "-s -w -X github.com/oauthbroker/oauth-broker/internal/version.linked=" + o.version + "@" + o.commit
	var err error
	o.root, err = filepath.Abs(o.root)
	return o, err
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	var built []platformImage
	for _, p := range o.platforms {
		one, err := o.platform(ctx, p)
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		built = append(built, one)
	}
	digest, err := o.write(built)
	if err != nil {
		return err
	}
	fmt.Printf("%s@%s\n", o.tag, digest)
	if o.push != "" {
		return o.upload(ctx, built)
	}
	return nil
}

// platform builds the programs for one platform and packs them.
func (o options) platform(ctx context.Context, platform string) (platformImage, error) {
	system, architecture, ok := strings.Cut(platform, "/")
	if !ok {
		return platformImage{}, errors.New("want SYSTEM/ARCHITECTURE, for example linux/arm64")
	}
	bin, err := os.MkdirTemp("", "image-")
	if err != nil {
		return platformImage{}, err
	}
	defer func() { _ = os.RemoveAll(bin) }()
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-ldflags", o.ldflags, "-o", bin + "/"}, o.packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = o.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+architecture, "GOFLAGS=")
	if output, err := cmd.CombinedOutput(); err != nil {
		return platformImage{}, fmt.Errorf("go build: %w\n%s", err, output)
	}
	var programs []string
	for _, p := range o.packages {
		programs = append(programs, filepath.Join(bin, path.Base(p)))
	}
	image, err := o.pack(architecture, programs)
	if err != nil {
		return platformImage{}, err
	}
	sbom, err := o.sbom(programs)
	if err != nil {
		return platformImage{}, err
	}
	return platformImage{system: system, architecture: architecture, image: image, sbom: sbom}, nil
}
