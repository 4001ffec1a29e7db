// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	// previousVersion is the chart version under which the previous tree installs.
	previousVersion = "0.0.9"
	// firstWhole is the first commit that had everything an install needs. It is
	// upgraded while there is no release.
	firstWhole = "684b19a4deebec5e6969605b8a5f7b1386b53b00"
)

// checkOutPrevious writes the source tree of the version before into a folder.
// Its own chart, manifests and programs are installed, so that the upgrade and
// the rollback meet a real difference.
func (s *suite) checkOutPrevious(ctx context.Context) error {
	if s.previousRef == "" {
		s.previousRef = s.newestRelease(ctx)
	}
	s.previous = s.file("previous")
	if err := os.Mkdir(s.previous, 0o700); err != nil {
		return err
	}
	archive := s.file("previous.tar")
	if err := s.command(s.git(ctx, "archive", "--format=tar", "--output="+archive, s.previousRef)); err != nil {
		return fmt.Errorf("the previous version: %w (a shallow clone? say --previous-ref)", err)
	}
	if err := s.command(exec.CommandContext(ctx, "tar", "-xf", archive, "-C", s.previous)); err != nil {
		return err
	}
	s.line("previous version: commit %.12s", s.previousRef)
	return os.Remove(archive)
}

// newestRelease is the newest tag before this commit.
func (s *suite) newestRelease(ctx context.Context) string {
	out, err := s.git(ctx, "describe", "--tags", "--abbrev=0", "--match=v*", "HEAD").Output()
	if err != nil {
		return firstWhole // no release yet
	}
	return strings.TrimSpace(string(out))
}

func (s *suite) git(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "git", append([]string{"-C", s.tools.Root}, args...)...)
}

// previousChart is the packed chart of the previous version.
func (s *suite) previousChart() string { return s.file("oauth-broker-" + previousVersion + ".tgz") }

// installPrevious installs the previous version, for the upgrade.
func (s *suite) installPrevious(ctx context.Context) error {
	chart := filepath.Join(s.previous, "charts", "oauth-broker")
	if err := s.helm(ctx, "package", chart, "--version", previousVersion, "--destination", s.dir); err != nil {
		return err
	}
	if err := s.helm(ctx, append([]string{"install", release, s.previousChart()}, s.values(s.previousImage)...)...); err != nil {
		return err
	}
	return s.findService(ctx)
}
